"""The table that `make bench` prints, and the same as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Machine, as_json


@dataclass(frozen=True)
class Row:
    """One target: what was done, what it is held against, both net of an empty run, and the bound on their ratio."""

    what: str
    seconds: float
    yardstick: str
    yardstick_seconds: float
    at_most: float
    empty_seconds: float = 0.0
    peak_bytes: int | None = None
    peak_at_most_bytes: int | None = None
    note: str = ""

    @property
    def ratio(self) -> float:
        return self.seconds / self.yardstick_seconds

    @property
    def is_met(self) -> bool:
        in_memory = self.peak_at_most_bytes is None or (self.peak_bytes or 0) <= self.peak_at_most_bytes
        return self.ratio <= self.at_most and in_memory


@dataclass(frozen=True)
class Missing:
    """A target that could not be measured, and why: never left out in silence."""

    what: str
    reason: str


def in_a_line(row: Row | Missing) -> str:
    """A row as soon as it is known: a run that is stopped has still told what it measured."""
    if isinstance(row, Missing):
        return f"NOT measured: {row.what}: {row.reason}"
    peak = "" if row.peak_bytes is None else f", {row.peak_bytes / 1e6:,.0f} MB"
    against = f"{row.yardstick_seconds:,.3f} s of {row.yardstick}"
    return f"measured: {row.what}: {row.seconds:,.3f} s, {row.ratio:,.3f} of {against} (at most {row.at_most:g}){peak}"


def show(rows: list[Row | Missing], machine: Machine) -> None:
    """Prints the table."""
    table = Table(title="Targets, net of an empty run of the same command", title_justify="left")
    for heading in ("what", "seconds", "held against", "seconds", "ratio", "at most", "peak MB", "met"):
        table.add_column(heading, justify="left" if heading in {"what", "held against", "met"} else "right")
    for row in rows:
        if isinstance(row, Missing):
            table.add_row(row.what, "", f"not measured: {row.reason}", "", "", "", "", "no")
            continue
        peak = "" if row.peak_bytes is None else f"{row.peak_bytes / 1e6:,.0f}"
        table.add_row(
            row.what,
            f"{row.seconds:,.3f}",
            row.yardstick,
            f"{row.yardstick_seconds:,.3f}",
            f"{row.ratio:,.3f}",
            f"{row.at_most:g}",
            peak,
            "yes" if row.is_met else "NO",
        )
    console = Console(width=200)
    console.print(table)
    for row in rows:
        if isinstance(row, Row) and row.note:
            console.print(f"- {row.what}: {row.note}", highlight=False)
    console.print(
        f"{machine.processor}, {machine.cores} cores, {machine.memory_gb} GB, load {machine.load_before} before; "
        f"Python {machine.python}, DuckDB {machine.duckdb}. A figure within a tenth of its bound proves little.",
        highlight=False,
    )


def write(rows: list[Row | Missing], machine: Machine, folder: Path) -> Path:
    """Writes the rows to `<folder>/<UTC time>.json` and returns the path."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    path = folder / f"{now:%Y%m%dT%H%M%SZ}.json"
    content: dict[str, Any] = {
        "measured_at": now.isoformat(timespec="seconds"),
        "machine": as_json(machine),
        "rows": [_row(row) for row in rows],
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path


def _row(row: Row | Missing) -> dict[str, Any]:
    if isinstance(row, Missing):
        return {"what": row.what, "not_measured": row.reason}
    return {**row.__dict__, "ratio": row.ratio, "is_met": row.is_met}
