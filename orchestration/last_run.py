"""What the newest run came to: `releases/LAST_RUN.json`, read by the dashboard and by `everypupil status`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from ingest.settings import Settings
from orchestration.errors import ExitCode
from orchestration.files import write_json

Outcome = Literal["published", "nothing_new", "refused", "failed", "gate_broken"]
FILE = "LAST_RUN.json"
_SCHOOLS_NAMED = 5


@dataclass(frozen=True)
class LastRun:
    """The end of one run; counts only, no keys and no values.

    Parameters: `failures`, one {rule_id, table, n_failing, schools, sentence} per rule that refused; `release_id`, the
    release in force after the run (None where none was ever published); `warnings`, the same of what did not
    refuse.
    """

    run_id: str
    started_at: str
    finished_at: str
    outcome: Outcome
    exit_code: int
    sentence: str
    failures: list[dict[str, Any]] = field(default_factory=list)
    refused_files: list[dict[str, str]] = field(default_factory=list)
    release_id: str | None = None
    warnings: list[dict[str, Any]] = field(default_factory=list)


def now() -> str:
    """The present instant, UTC, ISO 8601 to the second."""
    return datetime.now(UTC).replace(microsecond=0).isoformat()


def write_last_run(settings: Settings, run: LastRun) -> None:
    """Replaces the record of the newest run."""
    write_json(settings.releases_dir / FILE, asdict(run) | {"exit_code": int(run.exit_code)})


def read_last_run(settings: Settings) -> dict[str, Any] | None:
    """The record of the newest run, or None where no run has ended here."""
    path = settings.releases_dir / FILE
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return content


def exit_code_of(outcome: Outcome, refused_files: int) -> ExitCode:
    """The exit code of a run: published without a refused file, which is named, is 1."""
    if outcome == "refused":
        return ExitCode.REFUSED
    if outcome in ("failed", "gate_broken") or refused_files:
        return ExitCode.FAILED
    return ExitCode.DONE


def rows_of(entry: Mapping[str, Any]) -> str:
    """How many rows a rule found and of which schools, the first few named: for a failure or a warning of a run."""
    schools = entry.get("schools", [])
    named = ", ".join(schools[:_SCHOOLS_NAMED])
    left = len(schools) - _SCHOOLS_NAMED
    of = f" of school{'' if len(schools) == 1 else 's'} {named}" if schools else ""
    return f"{entry['n_failing']} rows{of}{f' and {left} more' if left > 0 else ''}"
