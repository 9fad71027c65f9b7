"""School years as they run in England: terms, half-terms, bank holidays, days on which only staff are in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import holidays
import numpy as np

from ingest.synth.config import Ints

TERM_DAYS = 195
"""190 days for pupils and five for staff alone."""


def first_weekday(year: int, month: int, weekday: int, nth: int = 1) -> date:
    """The nth Monday (0), Tuesday (1)… of a month; -1 is the last."""
    if nth > 0:
        first = date(year, month, 1)
        return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))
    following = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
    return following - timedelta(days=(following.weekday() - weekday) % 7)


@dataclass(frozen=True)
class SchoolYear:
    """One academic year of one school.

    `statuses` is every weekday from 1 September to the end of the summer term with open, closed, inset or bank_holiday;
    `half_terms` are the first and last open day of each of the six half-terms.

    """

    start: int
    statuses: dict[date, str]
    half_terms: list[tuple[date, date]]

    @property
    def name(self) -> str:
        return f"{self.start}/{(self.start + 1) % 100:02d}"

    @property
    def open_days(self) -> list[date]:
        return [day for day, status in self.statuses.items() if status == "open"]

    @property
    def day_numbers(self) -> Ints:
        """The open days as proleptic Gregorian ordinals."""
        return np.array([day.toordinal() for day in self.open_days], dtype=np.int64)

    @property
    def census_days(self) -> list[date]:
        """First Thursday of October, third of January, third of May (the school census days)."""
        return [
            first_weekday(self.start, 10, 3),
            first_weekday(self.start + 1, 1, 3, 3),
            first_weekday(self.start + 1, 5, 3, 3),
        ]


def _breaks(start: int, easter_monday: date) -> list[tuple[date, date]]:
    """The five breaks of a school year, first and last day of each, in order."""
    autumn = first_weekday(start, 10, 0, -1)
    christmas = date(start, 12, 23)
    christmas -= timedelta(days=(christmas.weekday() - 5) % 7)
    spring_term = date(start + 1, 1, 3)
    spring_term += timedelta(days=(7 - spring_term.weekday()) % 7)
    february = first_weekday(start + 1, 2, 0, 3)
    easter_break = easter_monday - timedelta(days=7)
    may = first_weekday(start + 1, 5, 0, -1)
    return [
        (autumn, autumn + timedelta(days=4)),
        (christmas, spring_term - timedelta(days=1)),
        (february, february + timedelta(days=4)),
        (easter_break, easter_break + timedelta(days=11)),
        (may, may + timedelta(days=4)),
    ]


def statistical_terms(start: int) -> dict[str, tuple[date, date]]:
    """First and last day of DfE's terms of the academic year that begins in August `start`.

    Autumn ends on 31 December, spring on Easter Sunday, the first half of summer on the day before the spring bank
    holiday. Source: DfE, Pupil absence in schools in England: methodology, table 6.
    """
    bank = holidays.country_holidays("GB", subdiv="ENG", years=[start + 1])
    easter_monday = next(one for one, name in bank.items() if "Easter Monday" in name)
    spring_bank = first_weekday(start + 1, 5, 0, -1)
    day = timedelta(days=1)
    return {
        "AUT": (date(start, 8, 1), date(start, 12, 31)),
        "SPR": (date(start + 1, 1, 1), easter_monday - day),
        "SUM1": (easter_monday, spring_bank - day),
        "SUM2": (spring_bank, date(start + 1, 7, 31)),
    }


def school_year(start: int, variant: int = 0) -> SchoolYear:
    """The academic year that begins in September `start`.

    Parameters: `variant`, schools differ in when one of their five staff days falls.
    The summer term ends when the year has its 195 days.
    """
    bank = holidays.country_holidays("GB", subdiv="ENG", years=[start, start + 1])
    easter_monday = next(one for one, name in bank.items() if one.year == start + 1 and "Easter Monday" in name)
    breaks = _breaks(start, easter_monday)
    day = date(start, 9, 1)
    statuses: dict[date, str] = {}
    term_days: list[date] = []
    while len(term_days) < TERM_DAYS:
        if day.weekday() < 5:
            if day in bank:
                statuses[day] = "bank_holiday"
            elif any(first <= day <= last for first, last in breaks):
                statuses[day] = "closed"
            else:
                statuses[day] = "open"
                term_days.append(day)
        day += timedelta(days=1)

    def first_after(moment: date) -> date:
        return next(one for one in term_days if one > moment)

    november = first_weekday(start, 11, 4, -1)
    fourth = [first_after(breaks[3][1]), november, first_after(breaks[4][1])][variant % 3]
    for staff_day in (term_days[0], term_days[1], first_after(breaks[1][1]), fourth, term_days[-1]):
        statuses[staff_day] = "inset"
    opened = [one for one, status in statuses.items() if status == "open"]
    edges = [date(start, 8, 31), *(first for first, _ in breaks), date(start + 1, 8, 31)]
    half_terms = []
    for left, right in pairwise(edges):
        inside = [one for one in opened if left <= one < right]
        half_terms.append((inside[0], inside[-1]))
    return SchoolYear(start, statuses, half_terms)
