"""The lake: append-only folders of deliveries, their parses, originals, receipts, refusals and decisions."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ingest.contracts import LAKE_FEEDS
from ingest.keys import KeyMismatch
from ingest.settings import Settings

LAKE_FILE = "LAKE.json"


def short_hash(*parts: object) -> str:
    """The first 16 hex digits of the sha256 of the parts, one a line."""
    return hashlib.sha256("\n".join(str(part) for part in parts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Parse:
    """One delivery as its newest parse reads it; `manifest` is its manifest.json."""

    feed: str
    delivery_id: str
    parse_id: str
    folder: Path
    manifest: dict[str, Any]

    @property
    def accepted_path(self) -> Path:
        return self.folder / "accepted.parquet"

    @property
    def quarantine_path(self) -> Path:
        return self.folder / "quarantine.parquet"


@dataclass(frozen=True)
class Receipt:
    """One arrival of a delivery."""

    delivery_id: str
    file_name: str
    path: str
    size: int
    mtime_ns: int
    extracted_at: datetime
    extracted_at_basis: str


@dataclass(frozen=True)
class Refusal:
    """A file that could not be taken: `sentence` says which, where and what to do."""

    refusal_id: str
    file_name: str
    path: str
    feed: str | None
    sentence: str


class Lake:
    """The lake of one home."""

    def __init__(self, settings: Settings) -> None:
        self.root = settings.lake_dir
        self._landing = settings.landing_dir

    # ------------------------------------------------------------------ reading

    def parses(self) -> list[Parse]:
        """The newest parse of every delivery, by feed and delivery id."""
        found = []
        for feed in LAKE_FEEDS:
            for delivery in _folders(self.root / feed):
                candidates = [
                    (json.loads(manifest.read_text(encoding="utf-8")), manifest.parent)
                    for manifest in sorted(delivery.glob("*/manifest.json"))
                ]
                if candidates:
                    manifest, folder = max(candidates, key=lambda one: _parse_order(one[0]))
                    found.append(Parse(feed, delivery.name, folder.name, folder, manifest))
        return found

    def receipts(self) -> list[Receipt]:
        """Every arrival, by delivery and receipt id."""
        found = []
        for folder in _folders(self.root / "receipts"):
            for path in sorted(folder.glob("*.json")):
                content = json.loads(path.read_text(encoding="utf-8"))
                content.pop("received_at")
                content["extracted_at"] = datetime.fromisoformat(content["extracted_at"])
                found.append(Receipt(**content))
        return found

    def newest_receipts(self) -> dict[str, Receipt]:
        """For each delivery the receipt with the greatest extraction time (then basis and name): the one that
        counts."""
        newest: dict[str, Receipt] = {}
        for receipt in self.receipts():
            known = newest.get(receipt.delivery_id)
            if known is None or _receipt_order(receipt) > _receipt_order(known):
                newest[receipt.delivery_id] = receipt
        return newest

    def refusals(self) -> list[Refusal]:
        """Refused files that still lie in the landing folder as they were refused."""
        found = []
        for path in sorted((self.root / "refusals").glob("*.json")):
            content = json.loads(path.read_text(encoding="utf-8"))
            try:
                status = (self._landing / content["path"]).lstat()
            except OSError:
                continue
            if (status.st_size, status.st_mtime_ns) == (content["size"], content["mtime_ns"]):
                found.append(
                    Refusal(path.stem, content["file_name"], content["path"], content["feed"], content["sentence"])
                )
        return found

    def decisions(self) -> set[str]:
        """Delivery ids that a person accepted although they were held."""
        return {path.stem.removeprefix("accept-") for path in (self.root / "decisions").glob("accept-*.json")}

    def input_state(self) -> list[tuple[str, str, str, bool]]:
        """What a release is a function of: (delivery_id, parse_id, extracted_at, accepted as partial), sorted."""
        newest, accepted = self.newest_receipts(), self.decisions()
        return sorted(
            (
                parse.delivery_id,
                parse.parse_id,
                newest[parse.delivery_id].extracted_at.isoformat(),
                parse.delivery_id in accepted,
            )
            for parse in self.parses()
            if parse.delivery_id in newest
        )

    @property
    def lake_id(self) -> str | None:
        """A random id given when the lake was made; None before."""
        return self._identity().get("lake_id")

    def _identity(self) -> dict[str, str]:
        path = self.root / LAKE_FILE
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    # ------------------------------------------------------------------ writing

    def open_for_writing(self, key_id: str) -> None:
        """Makes the lake, or checks that its pseudonyms were made with the key in use, and removes what a killed run
        left.

        Raises: `KeyMismatch` where the key differs: one pupil would get two identities.
        """
        known = self._identity()
        if not known:
            self.root.mkdir(parents=True, exist_ok=True)
            scratch = self.scratch()
            write_json(self.root / LAKE_FILE, {"lake_id": secrets.token_hex(8), "key_id": key_id}, scratch)
            shutil.rmtree(scratch, ignore_errors=True)
        elif known["key_id"] != key_id:
            raise KeyMismatch(
                f"The lake {self.root} was built with pseudonym key {known['key_id']}, but the key in use is {key_id}; "
                "restore the old key file, or start a new home."
            )
        for folder in _folders(self.root / ".tmp"):
            owner = folder.name.partition("-")[0]
            if not (owner.isdigit() and _is_running(int(owner))):
                shutil.rmtree(folder, ignore_errors=True)

    def scratch(self) -> Path:
        """A new folder on the lake's own file system, named by this process, for what is not finished."""
        folder = self.root / ".tmp" / f"{os.getpid()}-{secrets.token_hex(6)}"
        folder.mkdir(parents=True)
        return folder

    def parse_folder(self, feed: str, delivery_id: str, parse_id: str) -> Path:
        return self.root / feed / delivery_id / parse_id

    def has_parse(self, feed: str, delivery_id: str, parse_id: str) -> bool:
        """Whether the parse is there, whole."""
        return (self.parse_folder(feed, delivery_id, parse_id) / "manifest.json").exists()

    def commit_parse(self, feed: str, delivery_id: str, parse_id: str, finished: Path) -> None:
        """Renames a finished folder to its place; a parse that is there already stays."""
        target = self.parse_folder(feed, delivery_id, parse_id)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not self.has_parse(feed, delivery_id, parse_id):
            finished.rename(target)

    def write_receipt(self, receipt: Receipt, scratch: Path) -> None:
        """Notes an arrival; the same arrival twice is one receipt."""
        moment = receipt.extracted_at.isoformat()
        receipt_id = short_hash(receipt.file_name, moment, receipt.extracted_at_basis)
        path = self.root / "receipts" / receipt.delivery_id / f"{receipt_id}.json"
        if not path.exists():
            content = {
                **receipt.__dict__,
                "extracted_at": moment,
                "received_at": datetime.now().isoformat("T", "seconds"),
            }
            write_json(path, content, scratch)

    def write_refusal(
        self, path: str, feed: str | None, sentence: str, content_sha256: str | None, size: int, mtime_ns: int
    ) -> Refusal:
        """Notes a file that could not be taken; `path` is relative to the landing folder."""
        scratch = self.scratch()
        refusal = Refusal(
            short_hash(path, content_sha256, size, mtime_ns, sentence), Path(path).name, path, feed, sentence
        )
        content = {
            "file_name": refusal.file_name,
            "path": path,
            "feed": feed,
            "sentence": sentence,
            "content_sha256": content_sha256,
            "size": size,
            "mtime_ns": mtime_ns,
        }
        write_json(self.root / "refusals" / f"{refusal.refusal_id}.json", content, scratch)
        shutil.rmtree(scratch, ignore_errors=True)
        return refusal

    def keep_original(self, source: Path, content_sha256: str, scratch: Path) -> None:
        """Keeps a file's bytes, compressed, once."""
        import zstandard

        target = self.root / "originals" / f"{content_sha256}.zst"
        if target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = scratch / "original.zst"
        with source.open("rb") as reader, temporary.open("wb") as writer:
            zstandard.ZstdCompressor(level=1).copy_stream(reader, writer)
            writer.flush()
            os.fsync(writer.fileno())
        temporary.rename(target)

    def accept_partial(self, delivery_id: str) -> None:
        """Applies a held delivery from now on. Raises `KeyError` for a delivery that the lake lacks."""
        if not any((self.root / feed / delivery_id).is_dir() for feed in LAKE_FEEDS):
            raise KeyError(f"The lake has no delivery '{delivery_id}'; 'everypupil status' lists what is held.")
        scratch = self.scratch()
        content = {"delivery_id": delivery_id, "decided_at": datetime.now().isoformat("T", "seconds")}
        write_json(self.root / "decisions" / f"accept-{delivery_id}.json", content, scratch)
        shutil.rmtree(scratch, ignore_errors=True)


def write_json(path: Path, content: dict[str, Any], scratch: Path) -> None:
    """Writes JSON by way of a synced temporary file and a rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = scratch / f"{secrets.token_hex(4)}.json"
    with temporary.open("w", encoding="utf-8") as handle:
        json.dump(content, handle, ensure_ascii=False, default=str)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.rename(path)


def _folders(root: Path) -> Iterator[Path]:
    if root.is_dir():
        yield from sorted(Path(entry.path) for entry in os.scandir(root) if entry.is_dir())


def _parse_order(manifest: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(manifest[name]) for name in ("parser_version", "contract_version", "parsed_at", "parse_id"))


def _receipt_order(receipt: Receipt) -> tuple[datetime, bool, str]:
    return receipt.extracted_at, receipt.extracted_at_basis != "mtime", receipt.file_name


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
