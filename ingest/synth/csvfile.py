"""CSV files, row by row or as bytes put together by numpy."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    """Writes one UTF-8 CSV and gives its number of data rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    n_rows = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow(row)
            n_rows += 1
    return n_rows


def write_bytes(path: Path, header: Sequence[str], body: bytes) -> int:
    """Writes one CSV whose rows stand already as bytes, each ended by a newline; gives their number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write((",".join(header) + "\n").encode())
        file.write(body)
    return body.count(b"\n")
