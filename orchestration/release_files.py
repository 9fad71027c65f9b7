"""One Parquet file of a release: written in key order, hashed by its content, linked where it did not change."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

READ_ONLY = 0o444
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

    sha256 over a line with the columns' names and types, then one line of JSON per row in the order of the file,
    which is that
    of the key. Bytes of the file (compression, row groups) do not count. Memory is bounded by a batch.
    """
    described = connection.execute(
        "DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning = false)", [str(path)]
    ).fetchall()
    digest = hashlib.sha256((json.dumps([[row[0], row[1]] for row in described]) + "\n").encode())
    rows = 0
    reader = connection.execute(
        "SELECT to_json(t)::VARCHAR || chr(10) AS line FROM read_parquet(?, hive_partitioning = false) AS t",
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
