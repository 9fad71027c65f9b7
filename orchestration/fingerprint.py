"""What a release is a function of, as one fingerprint; light, since it decides whether a run has work."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ingest.registry import load_registry
from ingest.settings import Settings

PACKAGES = ("ingest", "orchestration", "quality", "dashboard")
_SOURCES = {".py", ".sql", ".yml", ".yaml", ".csv", ".toml", ".css"}
_BUILT = {"__pycache__", "target", "logs", "dbt_packages"}


@dataclass(frozen=True)
class RunInput:
    """Everything a release depends on; `fingerprint` is its identity.

    Parameters: `deliveries`, `Lake.input_state()`; `as_of`; `key_id`, of the pseudonym key; the two fingerprints.
    """

    deliveries: tuple[tuple[Any, ...], ...]
    as_of: date
    key_id: str
    code_fingerprint: str
    registry_fingerprint: str

    @property
    def fingerprint(self) -> str:
        """sha256 over the canonical JSON of all fields, 64 hex digits."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @property
    def release_id(self) -> str:
        return self.release_id_after("")

    def release_id_after(self, ledger_entry: str) -> str:
        """The id of the release made of these inputs after an entry of the ledger (empty: the first)."""
        if not ledger_entry:
            return f"{self.as_of.isoformat()}-{self.fingerprint[:12]}"
        digest = hashlib.sha256(f"{self.fingerprint} {ledger_entry}".encode()).hexdigest()
        return f"{self.as_of.isoformat()}-{digest[:12]}"

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True, default=str)


def read_run_input(text: str) -> RunInput:
    """The input of a run as it was noted down. It has the fingerprint of the one that was written."""
    content = json.loads(text)
    deliveries = tuple(tuple(row) for row in content.pop("deliveries"))
    return RunInput(deliveries, date.fromisoformat(content.pop("as_of")), **content)


def source_files(roots: Iterable[Path]) -> list[tuple[str, Path]]:
    """Every source file under the roots as (name relative to its root's parent, path), in the order of the names."""
    found = [
        (path.relative_to(root.parent).as_posix(), path)
        for root in roots
        for path in root.rglob("*")
        if path.suffix in _SOURCES and not _BUILT.intersection(path.relative_to(root).parts) and path.is_file()
    ]
    return sorted(found)


def hash_sources(roots: Iterable[Path]) -> str:
    """The first 16 hex digits of the sha256 over names and contents of all source files under the roots."""
    digest = hashlib.sha256()
    for name, path in source_files(roots):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{name}\0{content}\n".encode())
    return digest.hexdigest()[:16]


def code_fingerprint(settings: Settings) -> str:
    """The fingerprint of the four packages and the dbt project."""
    house = Path(__file__).resolve().parents[1]
    return hash_sources([*(house / name for name in PACKAGES), settings.dbt_project_dir])


def run_input(settings: Settings, as_of: date) -> RunInput:
    """The input of a run over the lake as it stands now."""
    from ingest.keys import load_pseudonymiser
    from ingest.lake import Lake

    return RunInput(
        deliveries=tuple(tuple(row) for row in Lake(settings).input_state()),
        as_of=as_of,
        key_id=load_pseudonymiser(settings).key_id,
        code_fingerprint=code_fingerprint(settings),
        registry_fingerprint=load_registry(settings).fingerprint,
    )
