"""The ledger's folder in the lake: one entry after another, none ever changed, each naming the one before by its hash.

`lake/disclosure/<sequence>-<release_id>/` holds Parquet files and `entry.json`. The folder takes its name by a rename
when it is whole: an entry exists when it exists. Files are 0600 and folders 0700, for they hold pupils' keys.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENTRY = "entry.json"
FOLDER = "disclosure"
_BUILDING = ".building-"
_NAME = re.compile(r"(\d{6})-(\d{4}-\d{2}-\d{2}-[0-9a-f]{12})")
_BLOCK = 1 << 20


class LedgerDamagedError(Exception):
    """The ledger lacks an entry, or one is not what was written; told in one sentence that says how to restore it."""


@dataclass(frozen=True)
class Entry:
    """One entry: its place in the sequence, the release it was written for, its folder, its hash and its content."""

    sequence: int
    release_id: str
    folder: Path
    entry_id: str
    content: dict[str, Any]

    @property
    def before(self) -> str:
        """The id of the entry before, empty for the first."""
        return str(self.content["before"])


class Ledger:
    """The entries of one lake."""

    def __init__(self, lake_dir: Path) -> None:
        self.root = lake_dir / FOLDER

    def entries(self) -> list[Entry]:
        """All entries in their order, their chain of hashes followed.

        Raises: `LedgerDamagedError` where one is missing, cannot be read or does not follow from the one before.
        """
        found = []
        before = ""
        names = sorted(path.name for path in self.root.iterdir() if _NAME.fullmatch(path.name)) if self.exists else []
        for position, name in enumerate(names, 1):
            entry = self._read(self.root / name)
            if entry.sequence != position or entry.before != before:
                raise self._damaged(f"entry {name} does not follow the one before it, so one was taken away or changed")
            found.append(entry)
            before = entry.entry_id
        return found

    @property
    def exists(self) -> bool:
        return self.root.is_dir()

    def require(self, entry_id: str, release_id: str) -> None:
        """Makes sure that the entry a release was published with is there.

        Raises: `LedgerDamagedError` where it is not, or where the chain is broken.
        """
        if entry_id not in {"", *(entry.entry_id for entry in self.entries())}:
            raise self._damaged(f"the entry that release {release_id} was published with is missing")

    def verify(self) -> list[str]:
        """One sentence per thing wrong: the chain, a file that is missing or whose bytes are not those written."""
        try:
            entries = self.entries()
        except LedgerDamagedError as error:
            return [str(error)]
        return [
            str(self._damaged(f"{entry.folder.name}/{name} does not hold the bytes that were written"))
            for entry in entries
            for name, digest in entry.content["files"].items()
            if not _holds(entry.folder / name, digest["sha256"])
        ]

    def append(self, release_id: str, facts: dict[str, Any], write_files: Callable[[Path], dict[str, str]]) -> Entry:
        """Adds an entry after the last; the last is taken as written where it was written for this very release.

        Parameters: `facts`, what `entry.json` says beside the sequence, the release, the entry before and the files;
        `write_files`, which writes Parquet files into a folder and returns the content hash of each by name.
        """
        last = self.last()
        if last is not None and last.release_id == release_id:
            return last
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for leftover in self.root.glob(f"{_BUILDING}*"):
            shutil.rmtree(leftover)
        sequence = 1 if last is None else last.sequence + 1
        name = f"{sequence:06d}-{release_id}"
        building = self.root / f"{_BUILDING}{name}"
        building.mkdir(mode=0o700)
        hashes = write_files(building)
        content = {
            **facts,
            "sequence": sequence,
            "release_id": release_id,
            "before": "" if last is None else last.entry_id,
            "files": {
                name: {"content_hash": digest, "sha256": _sha256_of(building / name)} for name, digest in hashes.items()
            },
        }
        (building / ENTRY).write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        for path in building.iterdir():
            path.chmod(0o600)
            _fsync(path)
        _fsync(building)
        building.rename(self.root / name)
        _fsync(self.root)
        return self._read(self.root / name)

    def last(self) -> Entry | None:
        entries = self.entries()
        return entries[-1] if entries else None

    def _read(self, folder: Path) -> Entry:
        named = _NAME.fullmatch(folder.name)
        try:
            content = json.loads((folder / ENTRY).read_text(encoding="utf-8"))
            sequence, release_id = int(content["sequence"]), str(content["release_id"])
            entry = Entry(sequence, release_id, folder, entry_id_of(content), content)
            is_named = named is not None and (int(named[1]), named[2]) == (sequence, release_id)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._damaged(f"entry {folder.name} cannot be read") from error
        if not is_named:
            raise self._damaged(f"entry {folder.name} holds another entry")
        return entry

    def _damaged(self, what: str) -> LedgerDamagedError:
        return LedgerDamagedError(
            f"The ledger of what was published is damaged, {what}: put the folder {self.root} back whole from the "
            "backup of the lake and run again; without it nobody knows what the public was told."
        )


def entry_id_of(content: dict[str, Any]) -> str:
    """The hash of an entry: over all that it says but the bytes of its files, for which their content stands.

    Parquet's bytes depend on the library that wrote them; the same rows must have the same hash.
    """
    files = {name: digest["content_hash"] for name, digest in content["files"].items()}
    return hashlib.sha256(json.dumps({**content, "files": files}, sort_keys=True).encode()).hexdigest()


def _sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _holds(path: Path, digest: str) -> bool:
    return path.is_file() and not path.is_symlink() and _sha256_of(path) == digest


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
