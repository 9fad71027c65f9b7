"""DfE's published attendance counts, made again from their own counts by register code.

Source of the arithmetic: Department for Education, Pupil attendance in schools, year to date: possible sessions are
attendance and absence, attendance is present and approved educational activity, and late sessions are L and U.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

SUPPRESSED = "c"
COUNTS = (
    "present_sessions",
    "approved_educational_activity",
    "overall_attendance",
    "unauthorised_absence",
    "late_sessions",
    "authorised_absence",
    "overall_absence",
    "possible_sessions",
)
RATES = {
    "attendance_perc": "overall_attendance",
    "overall_absence_perc": "overall_absence",
    "authorised_absence_perc": "authorised_absence",
    "unauthorised_absence_perc": "unauthorised_absence",
}
REASON_RATES = {
    "illness_perc": "I",
    "appointments_perc": "M",
    "auth_religious_perc": "R",
    "auth_study_perc": "S",
    "auth_mob_perc": "T",
    "auth_excluded_perc": "E",
    "auth_performance_perc": "C1",
    "auth_interview_perc": "J1",
    "auth_part_time_perc": "C2",
    "auth_other_perc": "C",
    "unauth_hol_perc": "G",
    "unauth_oth_perc": "O",
    "unauth_late_registers_closed_perc": "U",
    "unauth_not_yet_perc": "N",
}
_REASON = re.compile(r"reason_([a-z]\d?)_.+")


@dataclass(frozen=True)
class Contribution:
    """What one session under a code adds to each count, 0 or 1."""

    is_present: bool
    aea: int
    attended: int
    authorised: int
    unauthorised: int
    late: int
    possible: int


@dataclass(frozen=True)
class Recount:
    """One published row counted again.

    `counts` and `rates` (0 to 100), by the published column's name, from the reasons alone; `differences`, published
    less counted again; `authorised_other`, sessions of authorised absence for which no reason is published.
    """

    counts: dict[str, int]
    differences: dict[str, int]
    rates: dict[str, float]
    authorised_other: int


def contributions(seed: Path, nation: str, day: date) -> dict[str, Contribution]:
    """What each register code of a nation means on a day; a withdrawn code keeps its old meaning.

    Parameters: `seed`, the register-code seed as CSV.
    """
    newest: dict[str, tuple[str, Contribution]] = {}
    with seed.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            begins, code = row["valid_from"], row["code"]
            if row["nation"] != nation or date.fromisoformat(begins) > day:
                continue
            if code not in newest or newest[code][0] < begins:
                numbers = {name: int(row[name]) for name in Contribution.__annotations__ if name != "is_present"}
                newest[code] = (begins, Contribution(is_present=row["category"] == "present", **numbers))
    return {code: contribution for code, (_, contribution) in newest.items()}


def code_of_column(column: str) -> str | None:
    """The register code whose sessions a published column counts; None for any other column."""
    if column in ("reason_present_am", "reason_present_pm"):
        return "/" if column.endswith("am") else "\\"
    matched = _REASON.fullmatch(column)
    return matched[1].upper() if matched else None


def recount(row: Mapping[str, str], meaning: Mapping[str, Contribution]) -> Recount | None:
    """Counts one published row again from its reasons; None for a suppressed row.

    Parameters: `row`, texts by column as published; `meaning`, from `contributions`.
    Raises: `KeyError` for a reason whose code is in no code set.
    """
    if row["possible_sessions"] == SUPPRESSED:
        return None
    sessions = {code: int(text) for column, text in row.items() if (code := code_of_column(column)) is not None}

    def total(name: str) -> int:
        return sum(n * int(getattr(meaning[code], name)) for code, n in sessions.items())

    authorised, unauthorised = total("authorised"), total("unauthorised")
    counts = {
        "present_sessions": total("is_present"),
        "approved_educational_activity": total("aea"),
        "overall_attendance": total("attended"),
        "unauthorised_absence": unauthorised,
        "late_sessions": total("late"),
        "authorised_absence": authorised,
        "overall_absence": authorised + unauthorised,
        "possible_sessions": total("possible"),
    }
    possible = counts["possible_sessions"]
    numerators = {rate: counts[name] for rate, name in RATES.items()}
    numerators |= {rate: sessions[code] for rate, code in REASON_RATES.items()}
    differences = {name: int(row[name]) - n for name, n in counts.items()}
    return Recount(
        counts,
        differences,
        {rate: 100 * n / possible for rate, n in numerators.items()},
        authorised_other=differences["authorised_absence"],
    )
