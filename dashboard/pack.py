"""What a pack holds: the summary a meeting starts from, the rows it may turn to, names in the place of keys."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from dashboard import readings, wording
from dashboard.places import Places
from ingest.registry import Registry

HEADLINE_GAPS = ("disadvantage", "sex")
SCOPE = (
    "Detail sheets hold what a meeting uses: the year to date for all pupils over two years; in the newest year also "
    "its terms and half-terms for all pupils, and groups of pupils for the year to date. In the workbook of all "
    "schools, groups of pupils of one school stand under Gaps; the rest is in that school's own workbook. Weeks, five "
    "and six half-terms and every other row are in the machine-readable tables, as everypupil export measure_value, "
    "gap or coverage with --format csv."
)
# The halves of the summer are half-terms 5 and 6.
_PARTS_OF_YEAR = ("AUT", "SPR", "SUM1", "SUM2", "HT1", "HT2", "HT3", "HT4")
_UNIT = ("academic_year", "period", "level", "unit_code")


@dataclass(frozen=True)
class Names:
    """Names and orders of what figures are keyed by.

    Parameters: `registry`, for groups and the order of measures; `schools`, the table dim_school; `measures`, the table
    measure.
    """

    registry: Registry
    schools: pd.DataFrame
    measures: pd.DataFrame

    @cached_property
    def places(self) -> Places:
        """The names of trusts, local authorities and schools."""
        return Places(self.schools)

    @cached_property
    def _measure_names(self) -> dict[str, str]:
        return dict(zip(self.measures["measure_id"], self.measures["name"], strict=True))

    @cached_property
    def units(self) -> dict[str, str]:
        """The unit of each measure."""
        return dict(zip(self.measures["measure_id"], self.measures["unit"], strict=True))

    @cached_property
    def _measure_order(self) -> list[str]:
        return [str(measure["measure_id"]) for measure in self.registry.measures]

    @cached_property
    def _group_order(self) -> list[tuple[str, str]]:
        return [
            (str(group["dimension"]), str(entry["value"]))
            for group in self.registry.data["groups"]
            for entry in group["values"]
        ]

    @cached_property
    def _dimension_order(self) -> list[str]:
        return [str(group["dimension"]) for group in self.registry.data["groups"]]

    def measure(self, measure_id: str) -> str:
        """The name of a measure."""
        return self._measure_names.get(measure_id, measure_id)

    def _columns(self, frame: pd.DataFrame) -> dict[str, tuple[str, list[str]]]:
        """Names for a frame's keys: by key column, the name's column and the name of each row."""
        found: dict[str, tuple[str, list[str]]] = {}
        for key in ("unit_code", "school_key"):
            if key in frame and "school_name" not in frame:
                levels = frame["level"] if "level" in frame else ["school"] * len(frame)
                pairs = zip(frame[key], levels, strict=True)
                found[key] = ("school_name", [self.places.name(str(level), str(code)) for code, level in pairs])
        if "measure_id" in frame and "name" not in frame:
            names = [self._measure_names.get(measure, measure) for measure in frame["measure_id"]]
            found["measure_id"] = ("measure_name", names)
        if "period" in frame:
            found["period"] = ("period_name", [wording.period_name(str(period)) for period in frame["period"]])
        if "group_dimension" in frame:
            dimensions = [str(dimension) for dimension in frame["group_dimension"]]
            named = [wording.dimension_name(self.registry, dimension) for dimension in dimensions]
            found["group_dimension"] = ("group_type", named)
            for key, column in (("group_value", "group_name"), ("comparator", "comparator_name")):
                if key in frame:
                    pairs = zip(dimensions, frame[key], strict=True)
                    values = [wording.group_name(self.registry, dimension, str(value)) for dimension, value in pairs]
                    found[key] = (column, values)
        if "feed" in frame:
            found["feed"] = ("feed_name", [wording.label(str(feed)) for feed in frame["feed"]])
        return found

    def beside(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The same rows with a column of names after each key that has names."""
        frame = frame.copy()
        for key, (column, names) in self._columns(frame).items():
            if column not in frame:
                frame.insert(list(frame.columns).index(key) + 1, column, names)
        return frame

    def worded(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Names in the place of keys, measures and groups in the registry's order, newest year first, schools in the
        order of their names and never of their figures.
        """
        records = frame.to_dict("records")
        named = self._columns(frame)
        places = named.get("unit_code", named.get("school_key", ("", [""] * len(records))))[1]
        order = sorted(range(len(records)), key=lambda at: (*self._rank(records[at]), places[at], at))
        frame = frame.copy()
        for key, (column, names) in named.items():
            frame[column] = names
            if key in ("period", "feed", "comparator", "group_dimension"):
                frame[key] = names
        if "measure_id" in frame:
            frame["unit"] = [self.units.get(measure, "") for measure in frame["measure_id"]]
        return frame.iloc[order]

    def _rank(self, row: dict[Any, Any]) -> tuple[Any, ...]:
        """Where a row stands: measure, newest year first, the whole before its parts, then period and group."""
        level = {"trust": 0, "la": 1}.get(str(row.get("level")), 2)
        dimension, value = str(row.get("group_dimension")), str(row.get("group_value"))
        return (
            _at(self._measure_order, str(row.get("measure_id"))),
            str(row.get("feed", "")),
            -int(str(row.get("academic_year", "0"))[:4]),
            _at(self._dimension_order, dimension),
            level,
            wording.period_order(str(row.get("period"))),
            _at(self._group_order, (dimension, value)),
            value.zfill(8),
        )


def _at(order: Sequence[Any], item: Any) -> int:
    return order.index(item) if item in order else len(order)


def top_level(frame: pd.DataFrame) -> str:
    """The level that stands for all schools together; `school` where a release has none."""
    levels = set(frame["level"]) if "level" in frame else set()
    return next((level for level in ("trust", "la") if level in levels), "school")


def of_a_meeting(frame: pd.DataFrame, *, whole_trust: bool) -> pd.DataFrame:
    """The rows of a figures' or gaps' table that a pack prints; `SCOPE` says which in words."""
    if frame.empty:
        return frame
    first = frame["academic_year"].astype(str).str[:4].astype(int)
    newest = first.groupby(frame["measure_id"]).transform("max") if "measure_id" in frame else first.max()
    if "period" not in frame:
        return frame[first == newest]
    year_long = frame["period"].eq(readings.YEAR_TO_DATE)
    if "group_value" not in frame:
        return frame[(first == newest) & (year_long | frame["period"].isin(_PARTS_OF_YEAR))]
    if "comparator" in frame:
        return frame[(first == newest) & year_long]
    everyone = frame["group_dimension"] == "all"
    groups = ~everyone & year_long & (first == newest)
    if whole_trust:
        groups &= frame["level"] == top_level(frame)
    years = everyone & year_long & (first >= newest - 1)
    return frame[years | groups | (everyone & frame["period"].isin(_PARTS_OF_YEAR) & (first == newest))]


def headlines(values: pd.DataFrame, level: str, as_of: dt.date) -> pd.DataFrame:
    """The newest figure of all pupils for every measure and unit of a level, with the year before's.

    Parameters: `as_of`, the day by which all of it had come: a year that still runs is set beside the year before on
    the part of it that is over (`readings.comparable_period`).
    Returns: the rows of `measure_value`, with `period_compared`, `value_compared` and `value_before` (of this year's
    part and of the year before's), their `status_compared` and `status_before`, `against_before` (above, below,
    similar, cannot tell) and `status_words`.
    """
    if values.empty:
        return values
    everyone = values[(values["group_dimension"] == "all") & (values["level"] == level)]
    newest = _newest(everyone[everyone["period"] == readings.YEAR_TO_DATE])
    known = {(r["unit_code"], r["measure_id"], r["academic_year"], r["period"]): r for r in everyone.to_dict("records")}
    periods = everyone.groupby(["unit_code", "measure_id", "academic_year"])["period"].agg(set).to_dict()
    compared, words = [], []
    for row in newest.to_dict("records"):
        unit, year = (row["unit_code"], row["measure_id"]), str(row["academic_year"])
        period = readings.comparable_period(periods[(*unit, year)], year, as_of)
        now, before = (known.get((*unit, of, period), {}) for of in (year, _year_before(year)))
        ends = [now.get("ci_low"), now.get("ci_high"), before.get("ci_low"), before.get("ci_high")]
        are_shown = all(found and readings.shown(found) for found in (now, before))
        compared.append((period, now, before))
        words.append(readings.compare(*ends) if are_shown else readings.CANNOT_TELL)
    return newest.assign(
        period_compared=[period or "" for period, _, _ in compared],
        compared_over=[wording.period_name(period) if period else "no part is over yet" for period, _, _ in compared],
        value_compared=pd.Series([now.get("value") for _, now, _ in compared], index=newest.index, dtype="Float64"),
        status_compared=[str(now.get("status", "x")) for _, now, _ in compared],
        value_before=pd.Series([before.get("value") for _, _, before in compared], index=newest.index, dtype="Float64"),
        status_before=[str(before.get("status", "x")) for _, _, before in compared],
        against_before=words,
        status_words=[status_words(row) for row in newest.to_dict("records")],
    )


def headline_gaps(gaps: pd.DataFrame, level: str) -> pd.DataFrame:
    """The newest gap of the year to date of every measure, for the dimensions a meeting asks about first.

    Returns: the rows of `gap`, with `gap_reading` (what the interval allows one to say) and `status_words`.
    """
    if gaps.empty:
        return gaps
    chosen = gaps[
        gaps["group_dimension"].isin(HEADLINE_GAPS)
        & (gaps["level"] == level)
        & (gaps["period"] == readings.YEAR_TO_DATE)
    ]
    newest = _newest(chosen)
    rows = newest.to_dict("records")
    return newest.assign(
        gap_reading=[_GAP_WORDS[readings.gap_reading(row)] for row in rows],
        status_words=[status_words(row) for row in rows],
    )


_GAP_WORDS = {"above zero": "group is lower", "below zero": "group is higher", readings.CANNOT_TELL: "cannot tell"}


def status_words(row: dict[Any, Any]) -> str:
    """A row's status in words."""
    return "shown" if row["status"] == "ok" else wording.STATUS_WORDS.get(str(row["status"]), str(row["status"]))


def _newest(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of each measure's newest year."""
    return frame[frame["academic_year"] == frame.groupby("measure_id")["academic_year"].transform("max")]


def with_registers(frame: pd.DataFrame, coverage: pd.DataFrame, attendance: Collection[str]) -> pd.DataFrame:
    """The same rows with `registers`: from how many of its schools registers came, for what rests on several schools.

    Parameters: `frame`, rows of `measure_value` or `gap`; `coverage`, rows of `unit_coverage`; `attendance`, the ids of
    the measures that registers are counted for.
    """
    known = {tuple(row[key] for key in _UNIT): readings.registers_from(row) for row in coverage.to_dict("records")}
    return frame.assign(
        registers=[
            known.get(tuple(row[key] for key in _UNIT), "[x]")
            if row["level"] != "school" and row["measure_id"] in attendance
            else "[z]"
            for row in frame.to_dict("records")
        ]
    )


def what_headlines_rest_on(
    figures: pd.DataFrame, values: pd.DataFrame, coverage: pd.DataFrame, names: Names
) -> list[str]:
    """Sentences on headline figures that rest on fewer schools than there are, or on others than the year before.

    Parameters: `figures`, as `headlines` gives them; `values`, all rows of `measure_value` of the pack; `coverage`,
    rows of `unit_coverage`.
    """
    units = {
        tuple(row[key] for key in _UNIT): names.places.name(row["level"], row["unit_code"])
        for row in figures.to_dict("records")
    }
    lines = []
    for row in coverage.to_dict("records"):
        place, sentence = units.get(tuple(row[key] for key in _UNIT)), readings.rests_on(row)
        if place and sentence:
            lines.append(f"{place}, {row['academic_year']}: {sentence}")
    for row in figures.to_dict("records"):
        same = _same_schools(row, values, names)
        if same is not None:
            before = _year_before(str(row["academic_year"]))
            sentence = readings.same_schools_sentence(
                same, str(row["academic_year"]), before, names.units[row["measure_id"]]
            )
            lines.append(
                f"{names.places.name(row['level'], row['unit_code'])}, {names.measure(row['measure_id'])}: {sentence}"
            )
    return lines


def _same_schools(row: dict[Any, Any], values: pd.DataFrame, names: Names) -> readings.SameSchools | None:
    """A headline and the year before's on the schools that have both, where both figures are shown."""
    if (
        row["level"] == "school"
        or not readings.shown(row | {"value": row["value_compared"], "status": row["status_compared"]})
        or not readings.shown(row | {"value": row["value_before"], "status": row["status_before"]})
    ):
        return None
    of_unit = values[
        (values["level"] == "school")
        & (values["period"] == row["period_compared"])
        & (values["group_dimension"] == "all")
        & (values["measure_id"] == row["measure_id"])
        & values["unit_code"].isin(names.places.schools_of(row["level"], row["unit_code"]))
    ]
    years = [
        of_unit[of_unit["academic_year"] == year] for year in (row["academic_year"], _year_before(row["academic_year"]))
    ]
    return readings.same_schools(years[0], years[1], names.units[row["measure_id"]])


def _year_before(academic_year: str) -> str:
    first = int(academic_year[:4]) - 1
    return f"{first}/{(first + 1) % 100:02d}"
