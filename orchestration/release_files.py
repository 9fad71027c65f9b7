"""One Parquet file of a release: written in key order, hashed by its content, linked where it did not change."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from orchestration.release_tables import quoted

READ_ONLY = 0o444
# Which canonical text the content hash is over: a release of another form is judged by its bytes alone.
HASH_FORM = 2
_BLOCK = 1 << 20
_BATCH_ROWS = 100_000


@dataclass(frozen=True)
class FileEntry:
    """A file as the manifest lists it.

    Parameters: `path`, relative to the release; `rows`; `content_hash`, over rows in key order; `sha256`, of the bytes;
    `slice_fingerprint`, of what the rows were built from, where the table knows it.
    """

    path: str
    rows: int
    content_hash: str
    sha256: str
    slice_fingerprint: str | None = None

    def as_manifest(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


def entry_of(content: dict[str, Any]) -> FileEntry:
    """The entry a manifest lists."""
    return FileEntry(
        path=str(content["path"]),
        rows=int(content["rows"]),
        content_hash=str(content["content_hash"]),
        sha256=str(content["sha256"]),
        slice_fingerprint=content.get("slice_fingerprint"),
    )


def sha256_of(path: Path) -> str:
    """sha256 of a file's bytes, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def content_hash(connection: duckdb.DuckDBPyConnection, path: Path) -> tuple[str, int]:
    """The content hash of a Parquet file and its number of rows.

    sha256 over a line with the columns' names and types, then one line of text per row in the order of the file, which
    is that of the key. Bytes of the file (compression, row groups) do not count. Memory is bounded by a batch.
    """
    described = connection.execute(
        "DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning = false)", [str(path)]
    ).fetchall()
    digest = hashlib.sha256((json.dumps([[row[0], row[1]] for row in described]) + "\n").encode())
    rows = 0
    reader = connection.execute(
        f"SELECT {_line(described)} AS line FROM read_parquet(?, hive_partitioning = false)",
        [str(path)],
    ).to_arrow_reader(_BATCH_ROWS)
    for batch in reader:
        lines = batch.column(0)
        rows += len(lines)
        if len(lines):
            # The lines lie one after another in one Arrow buffer; `offsets` says where this batch begins and ends.
            _, offsets, text = lines.buffers()
            wide = str(lines.type) == "large_string"
            bounds = memoryview(offsets).cast("B").cast("q") if wide else memoryview(offsets).cast("B").cast("i")
            digest.update(memoryview(text)[bounds[lines.offset] : bounds[lines.offset + len(lines)]])
    return digest.hexdigest(), rows


def _line(described: list[tuple[Any, ...]]) -> str:
    """SQL of a row's canonical text: its values in order, a unit separator between them, a line feed last.

    Text stands behind its length in bytes and a colon, so that no text can be taken for two values; `concat` leaves
    NULL out, so a missing text is a colon alone and any other missing value nothing. JSON of the whole row takes twice
    the time, which is felt on millions of rows.
    """
    values: list[str] = []
    for name, kind in ((quoted(row[0]), str(row[1])) for row in described):
        if kind == "BOOLEAN":
            values.append(f"CASE WHEN {name} THEN 1 WHEN NOT {name} THEN 0 END")
        elif kind == "VARCHAR":
            values.append(f"strlen({name}), ':', {name}")
        elif kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "JSON", "BLOB")):
            values.append(f"strlen(to_json({name})::VARCHAR), ':', to_json({name})::VARCHAR")
        else:
            values.append(name)
    return f"concat({', chr(31), '.join(values)}, chr(10))"


def write_file(
    connection: duckdb.DuckDBPyConnection, query: str, root: Path, path: str, slice_fingerprint: str | None = None
) -> FileEntry:
    """Writes the rows of a query, already ordered by its key, as one Parquet file (zstd) under `root`, and hashes
    what it holds.
    """
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    quoted = str(target).replace("'", "''")
    connection.execute(f"COPY ({query}) TO '{quoted}' (FORMAT parquet, COMPRESSION zstd)")
    digest, rows = content_hash(connection, target)
    with target.open("rb") as handle:
        os.fsync(handle.fileno())
    target.chmod(READ_ONLY)
    return FileEntry(path, rows, digest, sha256_of(target), slice_fingerprint)


def is_intact(path: Path, entry: FileEntry) -> bool:
    """Whether a file is there with the very bytes its entry names."""
    return path.is_file() and not path.is_symlink() and sha256_of(path) == entry.sha256


def link_file(previous: Path, root: Path, path: str) -> None:
    """Puts the previous release's file into this one by a hard link, in place of what may stand there."""
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(target.name + ".link")
    os.link(previous, beside)
    os.replace(beside, target)
