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
    """One figure: what was done, what it is held against, both net of an empty run, and the bound on their ratio.

    `at_most` is None for what is told without a target; `unit` is of both figures.
    """

    what: str
    measured: float
    yardstick: str
    yardstick_measured: float
    at_most: float | None
    empty_seconds: float = 0.0
    peak_bytes: int | None = None
    peak_at_most_bytes: int | None = None
    note: str = ""
    unit: str = "s"

    @property
    def ratio(self) -> float:
        return self.measured / self.yardstick_measured

    @property
    def is_met(self) -> bool:
        in_memory = self.peak_at_most_bytes is None or (self.peak_bytes or 0) <= self.peak_at_most_bytes
        return in_memory and (self.at_most is None or self.ratio <= self.at_most)

    @property
    def is_target(self) -> bool:
        return self.at_most is not None or self.peak_at_most_bytes is not None

    @property
    def figures(self) -> tuple[str, str]:
        """Both figures with their unit: seconds to the thousandth, whatever is counted whole."""
        places = 3 if self.unit == "s" else 0
        return f"{self.measured:,.{places}f} {self.unit}", f"{self.yardstick_measured:,.{places}f} {self.unit}"

    @property
    def bound(self) -> str:
        return "" if self.at_most is None else f"{self.at_most:g}"


@dataclass(frozen=True)
class Missing:
    """A target that could not be measured, and why: never left out in silence."""

    what: str
    reason: str


def in_a_line(row: Row | Missing) -> str:
    """A row as soon as it is known: a run that is stopped has still told what it measured."""
    if isinstance(row, Missing):
        return f"NOT measured: {row.what}: {row.reason}"
    measured, held_against = row.figures
    bound = f" (at most {row.bound})" if row.bound else ""
    peak = "" if row.peak_bytes is None else f", {row.peak_bytes / 1e6:,.0f} MB"
    note = f" [{row.note}]" if row.note else ""
    return f"measured: {row.what}: {measured}, {row.ratio:,.3f} of {held_against} of {row.yardstick}{bound}{peak}{note}"


def show(rows: list[Row | Missing], machine: Machine) -> None:
    """Prints the table."""
    table = Table(title="Targets, net of an empty run of the same command", title_justify="left")
    for heading in ("what", "measured", "held against", "that is", "ratio", "at most", "peak MB", "met"):
        table.add_column(heading, justify="left" if heading in {"what", "held against", "met"} else "right")
    for row in rows:
        if isinstance(row, Missing):
            table.add_row(row.what, "", f"not measured: {row.reason}", "", "", "", "", "no")
            continue
        peak = "" if row.peak_bytes is None else f"{row.peak_bytes / 1e6:,.0f}"
        measured, held_against = row.figures
        met = "" if not row.is_target else "yes" if row.is_met else "NO"
        table.add_row(row.what, measured, row.yardstick, held_against, f"{row.ratio:,.3f}", row.bound, peak, met)
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
    return {**row.__dict__, "ratio": row.ratio, "is_met": row.is_met if row.is_target else None}
