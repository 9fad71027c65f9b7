"""The words of figures: status, names of groups and columns, numbers as people read them. Screen and workbook share
them.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Collection
from decimal import Decimal
from typing import Any

from ingest.registry import Registry

STATUS_WORDS = {
    "c": "hidden to protect pupils (c)",
    "x": "not available (x)",
    "z": "not applicable (z)",
    "low": "rounds to 0 (low)",
    "u": "not reliable enough (u)",
}
STATUS_MEANINGS = {
    "c": "hidden to protect pupils: too few of them, or another hidden figure could be worked out from it",
    "x": "not available: nothing was delivered, or not enough to say",
    "z": "not applicable: the figure does not exist for this row",
    "low": "rounds to 0 but is not 0",
    "u": "not reliable enough: too few pupils or too little of the expected data",
}
# Columns that a status other than ok hides. Counts of pupils stay unless the release itself hides them.
FIGURES = frozenset(
    [
        "value",
        "value_before",
        "value_compared",
        "ci_low",
        "ci_high",
        "gap",
        "effect_size",
        "value_group",
        "value_comparator",
        "within_school",
        "between_school",
        "undecomposed",
        "placebo_share",
        "numerator",
        "denominator",
        "raw_mean",
        "raw_ci_low",
        "raw_ci_high",
        "shrunken",
        "shrunken_se",
        "shrunken_ci_low",
        "shrunken_ci_high",
        "reliability",
        "probability_above",
        "var_school",
        "var_pupil",
        "icc",
        "deviance",
    ]
)
UNIT_FIGURES = frozenset(
    [
        "value",
        "ci_low",
        "ci_high",
        "gap",
        "value_before",
        "value_compared",
        "national_value",
        "region_value",
        "value_group",
        "value_comparator",
        "within_school",
        "between_school",
        "undecomposed",
    ]
)
SHARES = frozenset(
    {"value", "value_before", "value_compared", "value_group", "value_comparator", "national_value", "region_value"}
)
PERCENT_COLUMNS = frozenset({"coverage", "percent_hidden", "share", "placebo_share"})
# By mart, columns in which nothing stands where there is nothing that could: a rule that counts sessions has no spells.
NOT_APPLICABLE = {
    "attendance_signal": frozenset(
        {"spells", "sessions", "possible", "spell_starts", "action_taken", "school_days_to_action"}
    ),
    "attendance_signal_backtest": frozenset(
        [
            *("precision_percent", "recall_percent", "false_alarm_percent"),
            *("true_positives_in_queue", "recall_in_queue_percent"),
        ]
    ),
}
_SHARE = re.compile(r".+_percent(_low|_high)?")

_LABELS = {
    "academic_year": "Academic year",
    "against_before": "Compared with the year before",
    "ci_high": "95% interval, to",
    "ci_low": "95% interval, from",
    "interval": "95% interval",
    "raw_interval": "Raw mean, 95% interval",
    "shrunken_interval": "Shrunken estimate, 95% interval",
    "comparator": "Compared with",
    "comparator_name": "Compared with, name",
    "feed_name": "Feed, name",
    "coverage": "Coverage (% of expected data received)",
    "definition_version": "Definition version",
    "effect_pp": "Effect on the headline (percentage points)",
    "effect_size": "Effect size (gap in standard deviations)",
    "gap": "Gap (comparator less group)",
    "gap_reading": "What the interval says",
    "group_dimension": "Group type",
    "group_type": "Group type, name",
    "group_name": "Group",
    "icc": "Share of variance between schools",
    "la_code": "Local authority code",
    "la_name": "Local authority",
    "laestab": "LAESTAB",
    "measure_name": "Measure",
    "n": "Pupils (n)",
    "n_comparator": "Pupils compared with (n)",
    "n_group": "Pupils in the group (n)",
    "n_rows": "Rows",
    "period_name": "Period, name",
    "probability_above": "Probability that the school is above 0",
    "raw_ci_high": "Raw mean, 95% interval, to",
    "raw_ci_low": "Raw mean, 95% interval, from",
    "raw_mean": "Raw mean residual",
    "registers": "Registers came from",
    "reliability": "Reliability",
    "school_name": "School",
    "share": "Share received (%)",
    "shrunken": "Shrunken estimate",
    "shrunken_ci_high": "Shrunken estimate, 95% interval, to",
    "shrunken_ci_low": "Shrunken estimate, 95% interval, from",
    "shrunken_se": "Standard error of the shrunken estimate",
    "status": "Status",
    "status_words": "Status",
    "unit": "Unit",
    "unit_code": "Unit code",
    "urn": "URN",
    "compared_over": "Compared over",
    "value_before": "Same part, year before",
    "value_compared": "Same part, this year",
    "value_comparator": "Value, compared with",
    "value_group": "Value, group",
}
_PERIODS = {
    "YTD": "Year to date",
    "Y5": "First five half-terms",
    "Y6": "All six half-terms",
    "AUT": "Autumn term",
    "SPR": "Spring term",
    "SUM1": "First half of the summer term",
    "SUM2": "Second half of the summer term",
}
# The words of DfE's `geographic_level`; a model is fitted over all schools at once.
_LEVELS = {
    "school": "School",
    "trust": "Trust",
    "la": "Local authority",
    "region": "Regional",
    "national": "National",
    "model": "All schools",
}


def label(column: str) -> str:
    """The heading of a column."""
    return _LABELS.get(column) or column.replace("_", " ").capitalize()


def period_order(period: str) -> tuple[int, str]:
    """Where a period stands in a list: the year so far, what it is made of from long to short, weeks and days last."""
    longest_first = [*_PERIODS, *(f"HT{number}" for number in range(1, 7))]
    return longest_first.index(period) if period in longest_first else len(longest_first), period


def period_name(period: str) -> str:
    """A period in words: `YTD` is year to date, `HT3` half-term 3."""
    if period in _PERIODS:
        return _PERIODS[period]
    if period.startswith("HT"):
        return f"Half-term {period[2:]}"
    if period.startswith("D"):
        return day(period[1:])
    return f"Week {period[-2:]} of {period[1:5]}" if period.startswith("W") else period


def level_name(level: str) -> str:
    """What a row stands for in words: `la` is Local authority. A level without a name comes back as it is."""
    return _LEVELS.get(level, level)


def day(value: str | dt.date) -> str:
    """A date as people write it: 3 September 2025. A text that is no ISO date comes back as it is."""
    if isinstance(value, dt.date):
        return f"{value.day} {value:%B %Y}"
    try:
        return day(dt.datetime.fromisoformat(value))
    except ValueError:
        return value


def group_name(registry: Registry, dimension: str, value: str) -> str:
    """The name of a group's value from the registry, else the value itself."""
    for group in registry.data["groups"]:
        if group["dimension"] == dimension:
            for entry in group["values"]:
                if entry["value"] == value:
                    return str(entry["name"])
            if dimension == "nc_year" and value != "unknown":
                return f"Year {value}" if value.isdigit() else value
    return "Not known" if value == "unknown" else value


def dimension_name(registry: Registry, dimension: str) -> str:
    """The name of a group dimension from the registry, else the dimension itself."""
    for group in registry.data["groups"]:
        if group["dimension"] == dimension:
            return str(group["name"])
    return dimension


def topic_of(registry: Registry, measure_id: str) -> str:
    """The topic of a measure (attendance, attainment, progress); `other` for one that the registry no longer has."""
    for measure in registry.measures:
        if measure["measure_id"] == measure_id:
            return str(measure["topic"])
    return "other"


def literal(text: str) -> str:
    """Text for a place that reads Markdown, so that none of it is markup: a file's name must not fetch a picture."""
    return re.sub(r"([\\\[\]()!*_<>#$:`~|])", r"\\\1", text)


def phase_name(phase: str) -> str:
    """A phase of education in words; GIAS says `Not applicable` of a special school, which has no phase."""
    return "No single phase" if phase.casefold() == "not applicable" else phase


def probability(value: float) -> str:
    """A probability to two decimals, never a certainty: below 0.01 and above 0.99 say so."""
    return "< 0.01" if value < 0.01 else "> 0.99" if value > 0.99 else number(value, 2)


def plain(value: Any) -> Any:
    """A DECIMAL as a whole number or a float; everything else as it is."""
    if isinstance(value, Decimal):
        return int(value) if value.as_tuple().exponent == 0 else float(value)
    return value


def missing(value: Any) -> bool:
    """Whether there is no value. pandas' own mark of that is known by its type: a text `<NA>` is a text."""
    return value is None or (isinstance(value, float) and math.isnan(value)) or type(value).__name__ == "NAType"


def decimals(column: str, unit: str | None) -> int:
    """Decimal places shown for a column of a measure with this unit."""
    if column in PERCENT_COLUMNS or _SHARE.fullmatch(column) or (column in UNIT_FIGURES and unit == "percent"):
        return 1
    if column in {"expected", "received"}:
        return 0
    return 3 if column in {"var_school", "var_pupil", "icc", "deviance", "shrunken_se", "reliability"} else 2


def status_of(column: str, value: Any, status: str | None, not_applicable: Collection[str] = frozenset()) -> str | None:
    """The status letter that stands in a cell instead of its value, or None where the value may be shown.

    A figure of a row whose status is not ok is never shown; nothing is ever left blank: a missing value has the row's
    status, else `c` for the coverage of a figure that is shown, which is hidden alone where it would tell of few pupils
    who are not counted, `z` for a date (it has not happened) and for a column of `not_applicable`, and `x` for the
    rest.
    """
    bad = status is not None and status in STATUS_WORDS
    if bad and (column in FIGURES or missing(value)):
        return status
    if missing(value):
        if column == "coverage" and status == "ok":
            return "c"
        is_none = column in not_applicable or column.endswith(("_date", "_to")) or column == "boundary"
        return "z" if is_none else "x"
    return None


def is_low(column: str, value: Any, unit: str | None) -> bool:
    """Whether a share would be read as 0 and is not: it rounds to 0 in the places shown."""
    if unit != "percent" or column not in SHARES or not isinstance(value, float):
        return False
    return value != 0 and round(value, decimals(column, unit)) == 0


def number(value: float, places: int) -> str:
    """A number with a real minus sign and thousands separated, never `-0.0`."""
    text = f"{value:,.{places}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def cell_text(
    column: str,
    value: Any,
    status: str | None,
    unit: str | None,
    not_applicable: Collection[str] = frozenset(),
) -> str:
    """A cell as text on the screen; a status in words where there is no value to show."""
    letter = status_of(column, value, status, not_applicable)
    if letter is not None:
        return STATUS_WORDS[letter]
    if is_low(column, value, unit):
        return STATUS_WORDS["low"]
    if column == "status":
        return "shown" if value == "ok" else STATUS_WORDS.get(str(value), str(value))
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, int) and not column.endswith("_key"):
        return number(value, 0)
    if column == "phase":
        return phase_name(str(value))
    if column == "probability_above":
        return probability(float(value))
    if isinstance(value, float):
        places = decimals(column, unit)
        return number(value, places) + (
            "%"
            if places == 1 and unit == "percent" and (column in UNIT_FIGURES - {"gap"} or _SHARE.fullmatch(column))
            else ""
        )
    if isinstance(value, dt.date):
        return day(value)
    return str(value)
