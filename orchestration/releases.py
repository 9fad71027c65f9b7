"""Releases that stand: which is served, which were, whether one holds what its manifest says, and the way back."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ingest.settings import Settings
from orchestration.errors import ChainError, WrongUse
from orchestration.files import write_whole

CURRENT = "CURRENT"
MANIFEST = "manifest.json"
BUILDING, REMOVING = ".building-", ".removing-"
Progress = Callable[[int, int, str], None]
_RELEASE_ID = re.compile(r"\d{4}-\d{2}-\d{2}-[0-9a-f]{12}")


def current_id(settings: Settings) -> str | None:
    """The id of the release in force, or None where none was ever published."""
    try:
        return (settings.releases_dir / CURRENT).read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None


def set_current(settings: Settings, release_id: str) -> None:
    """Swaps the pointer by rename: a reader finds the old release or the new one."""
    write_whole(settings.releases_dir / CURRENT, release_id + "\n")


def read_manifest(settings: Settings, release_id: str) -> dict[str, Any]:
    """The manifest of a release. Raises `WrongUse` for an id that names none, `ChainError` for a damaged one."""
    if not _RELEASE_ID.fullmatch(release_id):
        raise WrongUse(f"'{release_id}' is not a release id; everypupil releases lists them.")
    path = settings.releases_dir / release_id / MANIFEST
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WrongUse(
            f"There is no release {release_id} in {settings.releases_dir}; everypupil releases lists them."
        ) from error
    except (OSError, ValueError) as error:
        raise ChainError(
            f"The manifest of release {release_id} is damaged; go back to another with everypupil rollback ID."
        ) from error
    return content


def current_manifest(settings: Settings) -> dict[str, Any] | None:
    """The manifest of the release in force, or None where there is none that can be read."""
    release_id = current_id(settings)
    try:
        return None if release_id is None else read_manifest(settings, release_id)
    except ChainError:
        return None


def list_releases(settings: Settings) -> list[dict[str, Any]]:
    """The manifests of all finished releases, newest publication first."""
    if not settings.releases_dir.is_dir():
        return []
    ids = [
        path.parent.name
        for path in settings.releases_dir.glob(f"*/{MANIFEST}")
        if _RELEASE_ID.fullmatch(path.parent.name)
    ]
    manifests = [read_manifest(settings, release_id) for release_id in ids]
    return sorted(
        manifests, key=lambda manifest: (str(manifest["published_at"]), str(manifest["release_id"])), reverse=True
    )


def rollback(settings: Settings, release_id: str) -> None:
    """Serves an earlier release again, after recomputing its hashes.

    Raises: `WrongUse` for an id that names no release; `ChainError` where the release is damaged.
    """
    problems = verify(settings, release_id)
    if problems:
        raise ChainError(
            f"Release {release_id} is damaged and was not put back: {problems[0]}; everypupil releases lists others."
        )
    set_current(settings, release_id)


def verify(settings: Settings, release_id: str, progress: Progress | None = None) -> list[str]:
    """Recomputes every hash of a release.

    Parameters: `progress`, called with (files done, files in all, path).
    Returns: one sentence per file that is missing, changed, or not in the manifest; empty where the release is whole.
    """
    import duckdb

    from orchestration.release_files import HASH_FORM, content_hash, entry_of, sha256_of

    root = settings.releases_dir / release_id
    manifest = read_manifest(settings, release_id)
    is_of_this_form = manifest.get("hash_form") == HASH_FORM
    problems: list[str] = []
    listed = {MANIFEST}
    total = sum(len(table["files"]) for tables in manifest["tables"].values() for table in tables.values())
    with duckdb.connect(":memory:", config=settings.duckdb_config() | {"temp_directory": ""}) as connection:
        for tables in manifest["tables"].values():
            for name, table in tables.items():
                entries = [entry_of(file) for file in table["files"]]
                for entry in entries:
                    if progress is not None:
                        progress(len(listed), total, entry.path)
                    listed.add(entry.path)
                    path = root / entry.path
                    if path.is_symlink() or not path.is_file():
                        problems.append(f"{entry.path} is missing")
                    elif sha256_of(path) != entry.sha256:
                        problems.append(f"{entry.path} does not hold the bytes that were published")
                    elif is_of_this_form and content_hash(connection, path) != (entry.content_hash, entry.rows):
                        problems.append(f"{entry.path} does not hold the rows that were published")
                if table["content_hash"] != table_hash([(entry.path, entry.content_hash) for entry in entries]):
                    problems.append(f"the hash of table {name} does not follow from its files")
    present = {path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir()}
    problems.extend(f"{path} is not in the manifest" for path in sorted(present - listed))
    return problems


def require_ledger(settings: Settings, manifest: dict[str, Any] | None) -> None:
    """Makes sure that the lake holds the ledger that a release (None: none yet) was published with.

    Raises: `ChainError` where it does not, or where an entry was taken away or changed.
    """
    from quality.ledger.store import Ledger, LedgerDamagedError

    ledger = Ledger(settings.lake_dir)
    said = {} if manifest is None else manifest.get("ledger", {})
    try:
        ledger.require(str(said.get("entry", "")), "" if manifest is None else str(manifest["release_id"]))
    except LedgerDamagedError as error:
        raise ChainError(str(error)) from error


def verify_ledger(settings: Settings) -> list[str]:
    """One sentence per thing wrong with the ledger of what was published; empty where it is whole."""
    from quality.ledger.store import Ledger

    return Ledger(settings.lake_dir).verify()


def table_hash(files: list[tuple[str, str]]) -> str:
    """A table's content hash: of its one file, else sha256 over `path content_hash` lines in the order of the paths."""
    if len(files) == 1:
        return files[0][1]
    return hashlib.sha256("".join(f"{path} {digest}\n" for path, digest in sorted(files)).encode()).hexdigest()


def sweep(settings: Settings) -> None:
    """Removes what a killed run left half-written or half-removed."""
    for leftover in settings.releases_dir.glob(".*-*"):
        if leftover.is_dir() and leftover.name.startswith((BUILDING, REMOVING)):
            shutil.rmtree(leftover)


def remove_release(settings: Settings, folder: Path) -> None:
    """Takes a release away: out of sight by rename first, so that half a release is never listed."""
    aside = settings.releases_dir / f"{REMOVING}{folder.name}"
    folder.rename(aside)
    shutil.rmtree(aside)


def retain(settings: Settings) -> list[str]:
    """Keeps the newest `keep_releases` and the one in force; returns the ids it removed."""
    current = current_id(settings)
    ids = [str(manifest["release_id"]) for manifest in list_releases(settings)]
    gone = [release_id for release_id in ids[settings.keep_releases :] if release_id != current]
    for release_id in gone:
        remove_release(settings, settings.releases_dir / release_id)
    return gone
