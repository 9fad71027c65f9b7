"""What a file's name says: when it was extracted, the window it covers, its as-at date, the pupils it holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime

_DATE = r"(20\d{2})-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])"
_TIMESTAMP = re.compile(rf"(?<!\d){_DATE}[T_ -]?([01]\d|2[0-3])[:.-]?([0-5]\d)(?:[:.-]?([0-5]\d))?Z?(?!\d)")
_DAY = re.compile(rf"(?<!\d){_DATE}(?!\d)")


@dataclass(frozen=True)
class NameFacts:
    """`extracted_at` from a timestamp (else the only date, at midnight); `window` from two dates; `day`, a single
    date."""

    extracted_at: datetime | None
    window: tuple[date, date] | None
    day: date | None


def read_file_name(name: str) -> NameFacts:
    """Reads dates and times from a file name, for instance `register_2025-09-01_2025-09-05_20250905T180000.csv`.

    A date with hours and minutes (seconds optional) is the time of extraction, the last one where there are several.
    Of the other dates, two in order are a window, and one alone is the day of the list.
    """
    extracted_at = None
    days: list[date] = []
    position = 0
    while match := _DAY.search(name, position) or _TIMESTAMP.search(name, position):
        stamp = _TIMESTAMP.search(name, position)
        if stamp and stamp.start() <= match.start() and not _is_two_dates(name, stamp):
            moment = _moment(stamp)
            extracted_at = moment or extracted_at
            position = stamp.end()
            continue
        day = _date_of(match)
        if day is not None:
            days.append(day)
        position = match.end()
    window = (days[0], days[1]) if len(days) >= 2 and days[0] <= days[1] else None
    only = days[0] if len(days) == 1 else None
    if extracted_at is None and only is not None:
        extracted_at = datetime(only.year, only.month, only.day)
    return NameFacts(extracted_at, window, only)


def undated(name: str) -> str:
    """A file name in lower case without its endings, dates and times, words joined by hyphens:
    `EES_ytd_data_2026-07-23.csv` is `ees-ytd-data`."""
    stem = name.partition(".")[0]
    bare = _DAY.sub(" ", _TIMESTAMP.sub(lambda found: " " if not _is_two_dates(stem, found) else found[0], stem))
    return re.sub(r"[^0-9a-z]+", "-", bare.casefold()).strip("-")


def _date_of(match: re.Match[str]) -> date | None:
    year, month, day = match.groups()[:3]
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def _is_two_dates(name: str, stamp: re.Match[str]) -> bool:
    """`2025-09-01_2025-09-05` is two dates, not a date and the time 20:25."""
    first = _DAY.match(name, stamp.start())
    return bool(first and _DAY.match(name, first.end() + 1))


def _moment(stamp: re.Match[str]) -> datetime | None:
    year, month, day, hour, minute, second = stamp.groups()
    try:
        return datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0))
    except ValueError:
        return None


def extent_of(name: str, extent: dict[str, object]) -> str:
    """The extent that a contract gives to a file of this name: the default, or another whose words stand in the
    name."""
    words = extent.get("file_name", {})
    assert isinstance(words, dict)
    for kind, marks in words.items():
        if any(mark in name.casefold() for mark in marks):
            return str(kind)
    return str(extent["default"])
