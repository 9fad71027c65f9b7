"""What the gate says: rules, schools and counts. There is no field that could hold a pupil's value or key."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from quality.rules import Severity

Outcome = Literal["passed", "refused", "broken"]
EXIT_CODES: dict[Outcome, int] = {"passed": 0, "refused": 3, "broken": 1}


@dataclass(frozen=True)
class RuleResult:
    """One rule's verdict on one table, or, where it failed and the table names schools, on one school's rows of it.

    Every failing row is counted in exactly one result, so `n_failing` may be summed over schools. `school` is a URN.
    """

    rule_id: str
    suite: str
    table: str
    school: str | None
    severity: Severity
    success: bool
    n_rows: int
    n_failing: int
    sentence: str


@dataclass(frozen=True)
class GateReport:
    """The verdict of one gate run, as it is written to `gate.json`; `seconds` says how long each part of it took."""

    run_id: str
    outcome: Outcome
    results: tuple[RuleResult, ...]
    sentence: str
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.outcome]


class BrokenGateError(Exception):
    """The gate itself could not judge; its text is one sentence for people and never holds a value of the data."""


def verdict(run_id: str, results: Sequence[RuleResult]) -> GateReport:
    """Refused if a critical rule failed, else passed; warnings are counted in the sentence."""
    critical = {
        (result.rule_id, result.table) for result in results if not result.success and result.severity == "critical"
    }
    warnings = {
        (result.rule_id, result.table) for result in results if not result.success and result.severity == "warning"
    }
    judged = len({(result.rule_id, result.table) for result in results})
    noted = f"; {len(warnings)} warnings are recorded" if warnings else ""
    if critical:
        named = ", ".join(f"{rule_id} on {table}" for rule_id, table in sorted(critical)[:5])
        more = f" and {len(critical) - 5} more" if len(critical) > 5 else ""
        sentence = (
            f"Refused: {len(critical)} of {judged} rules failed ({named}{more}){noted}; "
            f"mend what they name and run again, the old release stands."
        )
        return GateReport(run_id, "refused", tuple(results), sentence)
    return GateReport(run_id, "passed", tuple(results), f"Passed: {judged} rules hold or only warn{noted}.")


def write_report(report: GateReport, path: Path) -> None:
    """Writes `gate.json` whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    building = path.with_name(f".{path.name}.building")
    building.write_text(json.dumps(asdict(report), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(building, path)
