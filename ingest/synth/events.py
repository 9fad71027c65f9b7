"""What a year's marks come to: termly totals, suspensions, and what was done about absence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import numpy as np

from ingest.synth.attendance import AUTHORISED, CODE, UNAUTHORISED
from ingest.synth.config import Bytes, Ints
from ingest.synth.school_year import SchoolYear

_ATTENDED = ("/", "\\", "L", "B", "K", "P", "V", "W")
_REASONS = ("DB", "PP", "VA", "PA", "BU", "DM")
_SHARE_THAT_IS_SEEN = 0.15
"""Absence in a half-term, as a share of possible sessions, from which a school of the trust acts."""
_SHARE_ACTED_ON = 0.7


def _of(codes: tuple[str, ...]) -> Ints:
    """1 for the numbers of these codes, 0 for every other number that a register can hold."""
    table = np.zeros(256, dtype=np.int64)
    table[[CODE[code] for code in codes]] = 1
    return table


_COUNTED = {
    "possible": _of((*_ATTENDED, *AUTHORISED, *UNAUTHORISED)),
    "attended": _of(_ATTENDED),
    "authorised": _of(AUTHORISED),
    "unauthorised": _of(UNAUTHORISED),
    "late": _of(("L", "U")),
}
TOTALS = tuple(_COUNTED)


@dataclass(frozen=True)
class Suspension:
    """One suspension: `row`, the enrolment's row of the register; `sessions`, how many it lasted."""

    row: int
    start: date
    sessions: int
    reason: str


@dataclass(frozen=True)
class Intervention:
    """One action: `row`, the enrolment's row of the register; `end`, None where it has none."""

    row: int
    name: str
    start: date
    end: date | None


def term_totals(codes: Bytes, year: SchoolYear, first: date, last: date) -> Ints:
    """Sessions of each enrolment (row) between two days, in the order of `TOTALS`.

    Parameters: `codes`, marks of a year, enrolment by session.
    """
    inside = np.repeat([first <= day <= last for day in year.open_days], 2)
    part = codes[:, inside]
    return np.stack([table[part].sum(axis=1) for table in _COUNTED.values()], axis=1)


def suspensions(rng: np.random.Generator, codes: Bytes, year: SchoolYear) -> list[Suspension]:
    """Every run of E in a year's marks is one suspension."""
    suspended = np.pad(codes == CODE["E"], ((0, 0), (1, 1)))
    found = []
    for row in np.flatnonzero(suspended.any(axis=1)).tolist():
        edges = np.flatnonzero(np.diff(suspended[row].astype(np.int8))).tolist()
        for begin, end in zip(edges[0::2], edges[1::2], strict=True):
            reason = _REASONS[int(rng.integers(len(_REASONS)))]
            found.append(Suspension(row, year.open_days[begin // 2], end - begin, reason))
    return found


def interventions(rng: np.random.Generator, codes: Bytes, year: SchoolYear) -> list[Intervention]:
    """A letter after a half-term with much absence, a meeting after a second one running; most of them are written."""
    found = []
    seen = np.zeros((len(year.half_terms), len(codes)), dtype=np.bool_)
    for number, (first, last) in enumerate(year.half_terms):
        totals = term_totals(codes, year, first, last)
        possible, missed = totals[:, 0], totals[:, 2] + totals[:, 3]
        seen[number] = (possible > 0) & (missed >= _SHARE_THAT_IS_SEEN * possible)
    for number, ((_, _), (next_first, _)) in enumerate(pairwise(year.half_terms)):
        acted = seen[number] & (rng.random(len(codes)) < _SHARE_ACTED_ON)
        after = [day for day in year.open_days if day >= next_first]
        for row in np.flatnonzero(acted).tolist():
            start = after[int(rng.integers(min(10, len(after))))]
            if number and seen[number - 1, row]:
                found.append(Intervention(row, "Attendance meeting", start, start + timedelta(days=14)))
            else:
                found.append(Intervention(row, "Letter home", start, None))
    return found
