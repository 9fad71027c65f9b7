"""How figures are read in words: pure functions, so that a page cannot claim more than an interval allows."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import pandas as pd

from dashboard import wording

CANNOT_TELL = "cannot tell"
YEAR_TO_DATE = "YTD"
# Parts of a year from its beginning or by themselves, the longest first, and what has begun once they are over.
_PARTS = (("Y5", ("SUM2", "HT6")), ("SPR", ("SUM1", "HT5")), ("AUT", ("SPR", "HT3")), ("HT1", ("HT2",)))
_LAST_MONTH, _LAST_DAY = 7, 31


def unit_words(unit: str) -> str:
    """The unit of a difference."""
    return "percentage points" if unit == "percent" else unit


def with_unit(value: float, unit: str) -> str:
    """A value with its unit: 93.1%, 0.21 standard deviations; a share that rounds to 0 and is not is said to be so."""
    if unit == "percent":
        return "less than 0.1%" if wording.is_low("value", value, unit) else f"{wording.number(value, 1)}%"
    return f"{wording.number(value, 2)} {unit}".strip()


def interval_words(low: Any, high: Any, unit: str) -> str:
    """An interval in words, or that there is none; the unit `points` is percentage points, without a % sign."""
    if wording.missing(low) or wording.missing(high):
        return "no interval"
    places = 1 if unit in ("percent", "points") else 2
    sign = "%" if unit == "percent" else ""
    return f"95% interval {wording.number(low, places)}{sign} to {wording.number(high, places)}{sign}"


def share_interval(count: int, n: int, z: float) -> tuple[float, float]:
    """The interval of a share, in percent.

    Parameters: `count` of `n` pupils; `z`, the multiplier of a standard error (the registry's `normal_multiplier`).
    Returns: both ends, not a number where there are no pupils.
    Source: Wilson (1927), Probable inference, Journal of the American Statistical Association 22, 209-212.
    """
    if n == 0:
        return math.nan, math.nan
    centre, spread = count + z * z / 2, z * math.sqrt(count * (n - count) / n + z * z / 4)
    return 100 * max(centre - spread, 0.0) / (n + z * z), 100 * min(centre + spread, n + z * z) / (n + z * z)


def compare(low: Any, high: Any, other_low: Any, other_high: Any) -> str:
    """`above`, `below` or `similar` by whether two intervals overlap; `cannot tell` where one is missing."""
    if any(wording.missing(value) for value in (low, high, other_low, other_high)):
        return CANNOT_TELL
    if low > other_high:
        return "above"
    return "below" if high < other_low else "similar"


def comparable_period(periods: Collection[str], academic_year: str, as_of: dt.date) -> str | None:
    """The part of a year on which it may be set beside the year before; None where no part is over.

    The year to date of September beside a whole year tells the seasons apart and not the years. So while a year runs
    it is the newest part of it that is over: the next has begun. What has no parts is of one sitting and not of days.

    Parameters: `periods`, those of which the year has a figure of the measure; `academic_year`, as 2025/26.
    """
    last_day = dt.date(int(academic_year[:4]) + 1, _LAST_MONTH, _LAST_DAY)
    if as_of >= last_day or set(periods) == {YEAR_TO_DATE}:
        return YEAR_TO_DATE
    for part, later in _PARTS:
        if part in periods and not set(later).isdisjoint(periods):
            return part
    return None


def against(low: Any, high: Any, reference: float) -> str:
    """`above` or `below` a fixed value by whether the interval excludes it, else `cannot tell`."""
    if wording.missing(low) or wording.missing(high):
        return CANNOT_TELL
    if low > reference:
        return "above"
    return "below" if high < reference else CANNOT_TELL


def shown(row: Mapping[Any, Any], column: str = "value") -> bool:
    """Whether a row's figure may be shown."""
    return wording.status_of(column, row.get(column), row.get("status")) is None


@dataclass(frozen=True)
class SameSchools:
    """Two years on the same schools: how many have a shown figure in both and in either, and what they come to."""

    in_both: int
    now: int
    before: int
    value_now: float
    value_before: float


def same_schools(now: pd.DataFrame, before: pd.DataFrame, unit: str) -> SameSchools | None:
    """The schools that have figures in both years, added up; None where the years have the same schools anyway.

    Parameters: `now`, `before`: rows of `measure_value` of schools, one measure and period, of one year each.
    A school without pupils in a year is not there; one whose figure is hidden is there, but cannot be added up.
    """
    there = [frame[(frame["n"] > 0) | frame["status"].eq("c")] for frame in (now, before)]
    if set(there[0]["unit_code"]) == set(there[1]["unit_code"]):
        return None
    counted = [frame[frame["numerator"].notna() & frame["denominator"].gt(0)] for frame in there]
    both = set(counted[0]["unit_code"]) & set(counted[1]["unit_code"])
    if not both:
        return None
    sums = [frame.loc[frame["unit_code"].isin(both), ["numerator", "denominator"]].sum() for frame in counted]
    value_now, value_before = (
        (100 if unit == "percent" else 1) * float(of["numerator"]) / float(of["denominator"]) for of in sums
    )
    return SameSchools(len(both), len(there[0]), len(there[1]), value_now, value_before)


def same_schools_sentence(same: SameSchools, year: str, year_before: str, unit: str) -> str:
    """What the comparison of two years is on the schools that both have."""
    schools = "1 school has" if same.in_both == 1 else f"{same.in_both} schools have"
    return (
        f"The years do not have the same schools ({same.now} in {year}, {same.before} in {year_before}). {schools} "
        f"figures in both; there it was {with_unit(same.value_before, unit)} and is {with_unit(same.value_now, unit)}."
    )


def registers_from(row: Mapping[Any, Any]) -> str:
    """From how many schools of a trust or local authority registers came, and of which share of its pupils.

    Parameters: `row` of `unit_coverage`, as the reader's tier has it: of pupils only for who may read their rows.
    """
    schools, received = int(row["schools"]), int(row["schools_received"])
    if received >= schools:
        return f"all {schools} schools" if schools > 1 else "the 1 school"
    told = f"{received} of {schools} schools"
    if "pupils" not in row:
        return told
    if row["status"] != "ok":
        return f"{told}, share of pupils not known, since a list of pupils is lacking too"
    # While a school is lacking it is neither none nor all.
    percent = min(max(round(100 * int(row["pupils_received"]) / int(row["pupils"])), 1), 99)
    return f"{told}, {percent}% of pupils"


def rests_on(row: Mapping[Any, Any]) -> str | None:
    """What a figure of a trust or local authority rests on, as a sentence; None where every school sent registers.

    Parameters: `row` of `unit_coverage`.
    """
    lacking = int(row["schools"]) - int(row["schools_received"])
    if lacking <= 0:
        return None
    others = "the other" if lacking == 1 else f"the other {lacking}"
    return f"Registers came from {registers_from(row)}; none came from {others}."


def beside_published(ours: Mapping[Any, Any], published: Mapping[str, Mapping[Any, Any]], unit: str) -> str:
    """Our figure of a local authority beside DfE's of it and of its statistical neighbours, as a sentence.

    Parameters: `ours`, a row of `measure_value`; `published`, rows of `published_comparator` by comparator; `unit`, the
    measure's.
    """
    own = _value_or_status(ours, unit)
    if shown(ours):
        own += f" ({interval_words(ours['ci_low'], ours['ci_high'], unit)})"
    parts = [f"{own} at our schools there"]
    if "la" in published:
        parts.append(f"{_value_or_status(published['la'], unit)} at all its schools")
    if "neighbours" in published:
        row = published["neighbours"]
        counted = f"{row['places_with_figure']} of {row['places']} with a figure"
        parts.append(f"{_value_or_status(row, unit)} on average of its statistical neighbours ({counted})")
    return f"{'; '.join(parts)}."


def _value_or_status(row: Mapping[Any, Any], unit: str) -> str:
    letter = wording.status_of("value", row["value"], str(row["status"]))
    return with_unit(float(row["value"]), unit) if letter is None else wording.STATUS_WORDS[letter]


def gap_reading(row: Mapping[Any, Any]) -> str:
    """Whether a gap's interval excludes zero: `above zero`, `below zero` or `cannot tell`."""
    if not shown(row, "gap"):
        return CANNOT_TELL
    reading = against(row.get("ci_low"), row.get("ci_high"), 0.0)
    return f"{reading} zero" if reading != CANNOT_TELL else CANNOT_TELL


def gap_sentence(row: Mapping[Any, Any], group: str, comparator: str, measure: str, unit: str) -> str:
    """A gap in words, with both n's, its interval and its effect size. Gap is comparator less group."""
    if not shown(row, "gap"):
        return (
            f"The gap between {group} and {comparator} is "
            f"{wording.STATUS_WORDS.get(str(row.get('status')), wording.STATUS_WORDS['x'])}."
        )
    gap, low, high = float(row["gap"]), row.get("ci_low"), row.get("ci_high")
    places = 1 if unit == "percent" else 2
    effect = row.get("effect_size")
    size = wording.STATUS_WORDS["x"] if wording.missing(effect) else wording.number(float(str(effect)), 2)
    interval = interval_words(low, high, "points" if unit == "percent" else unit)
    verdict = {
        "above zero": f"the interval is above zero: {group} is lower",
        "below zero": f"the interval is below zero: {group} is higher",
    }.get(gap_reading(row), "the interval holds zero, so we cannot tell")
    return (
        f"{measure} is {with_unit(float(row['value_group']), unit)} for {group} (n = {row['n_group']:,}) and "
        f"{with_unit(float(row['value_comparator']), unit)} for {comparator} (n = {row['n_comparator']:,}). "
        f"Gap {wording.number(gap, places)} {unit_words(unit)} ({interval}), effect size {size}; {verdict}."
    )


def progress_sums(row: dict[str, Any], var_school: float, var_pupil: float, z: float) -> dict[str, float]:
    """A school's progress worked out again from its n, its raw mean and the two variances.

    Parameters: `row`, with n and raw_mean (in SD); `var_school`, `var_pupil`, the model's variances (SD²);
    `z`, the multiplier of a standard error in an interval (the registry's `normal_multiplier`).
    Returns: z, sigma_e, half_width, raw_low, raw_high, reliability, shrunken, shrunken_se, shrunken_low,
    shrunken_high, probability_above.
    Source: Goldstein (2011), Multilevel Statistical Models, 4th ed., ch. 2 (the shrinkage factor nσu²/(nσu² + σe²);
    the estimate's variance σu²(1 − factor)).
    """
    n, raw = float(row["n"]), float(row["raw_mean"])
    sigma_e = math.sqrt(var_pupil)
    half = z * sigma_e / math.sqrt(n)
    reliability = n * var_school / (n * var_school + var_pupil)
    shrunken = reliability * raw
    se = math.sqrt(var_school * (1 - reliability))
    return {
        "z": z,
        "sigma_e": sigma_e,
        "half_width": half,
        "raw_low": raw - half,
        "raw_high": raw + half,
        "reliability": reliability,
        "shrunken": shrunken,
        "shrunken_se": se,
        "shrunken_low": shrunken - z * se,
        "shrunken_high": shrunken + z * se,
        "probability_above": NormalDist().cdf(shrunken / se) if se > 0 else float(shrunken > 0),
    }
