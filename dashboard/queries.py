"""Every question that the pages and the exports ask of a release. Values, and names of tables, go in as parameters
only.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dashboard.reader import Release, ReleaseError

UNIT_COVERAGE = "unit_coverage"
_ALL = "FROM query_table(?)"
_BY_URN = "FROM query_table(?) WHERE urn = ?"
_BY_SCHOOL_KEY = "FROM query_table(?) WHERE school_key = ?"
_BY_UNIT = "FROM query_table(?) WHERE level = 'school' AND unit_code IN (?, ?)"
_BY_LAESTAB = "FROM query_table(?) WHERE laestab = ?"
_SCHOOLS = "SELECT * FROM query_table(?) ORDER BY phase, school_name, urn"
_MEASURES = "SELECT * FROM query_table(?) ORDER BY measure_id, definition_version"
_YEARS = """
SELECT DISTINCT academic_year FROM (
    SELECT academic_year FROM query_table(?) UNION ALL SELECT academic_year FROM query_table(?)
) ORDER BY academic_year DESC
"""
_MEASURE_IDS = "SELECT DISTINCT measure_id FROM query_table(?) WHERE academic_year = ? ORDER BY measure_id"
_PERIODS = "SELECT DISTINCT period FROM query_table(?) WHERE academic_year = ? AND measure_id = ? ORDER BY period"
_VALUES = """
SELECT * FROM query_table($source)
WHERE academic_year = $academic_year AND measure_id = $measure_id AND level = $level AND group_dimension = $dimension
  AND ($period IS NULL OR period = $period)
ORDER BY period, unit_code, group_value
"""
_VALUES_OVER_YEARS = """
SELECT * FROM query_table($source)
WHERE measure_id = $measure_id AND level = $level AND group_dimension = 'all' AND period = $period
ORDER BY academic_year, unit_code
"""
_GAPS = """
SELECT * FROM query_table($source)
WHERE academic_year = $academic_year AND measure_id = $measure_id AND group_dimension = $dimension AND level = $level
  AND ($period IS NULL OR period = $period)
ORDER BY period, unit_code
"""
_PROGRESS = "SELECT * FROM query_table(?) WHERE academic_year = ? AND measure_id = ? ORDER BY school_key"
_MODELS = "SELECT * FROM query_table(?) WHERE academic_year = ? AND measure_id = ? ORDER BY method"
_COVERAGE = """
SELECT * FROM query_table(?) WHERE academic_year = ? ORDER BY period, feed, school_key
"""
_UNIT_COVERAGE = """
SELECT * FROM query_table(?) WHERE academic_year = ? AND period = ? AND level = ? AND unit_code = ?
"""
_PUBLISHED_COMPARATORS = """
SELECT * FROM query_table(?) WHERE academic_year = ? AND measure_id = ? AND period = ?
ORDER BY level, unit_code, comparator
"""
_LOSS = """
SELECT academic_year, table_name, level, cells, hidden, percent_hidden, is_over_limit
FROM query_table(?) WHERE reason = 'any' ORDER BY academic_year DESC, table_name, level
"""
_ISSUES = """
SELECT rule_id, any_value(sentence) AS rule, severity, status, count(DISTINCT school_key) AS schools,
       CAST(sum(n_rows) AS BIGINT) AS n_rows, count(*) FILTER (n_rows IS NULL) AS n_hidden,
       min(first_seen) AS first_seen, max(last_seen) AS last_seen
FROM query_table(?) GROUP BY rule_id, severity, status ORDER BY severity DESC, rule_id, status
"""
# A place that two signals share is the first rule's. A query of one school's rows has its urn; of all schools', none.
_SIGNALS = """
SELECT * FROM query_table($signals)
WHERE $urn IS NULL OR urn = $urn
ORDER BY signal_date DESC, urn, queue_place, list_position($rules, rule_id), rule_id, enrolment_key
"""
# A spell is of the evidence where it has a day from the evidence's first to the signal's.
_SIGNALS_OF_YEAR = """
WITH signal AS (
    SELECT * FROM query_table($signals)
    WHERE urn = $urn AND academic_year = (SELECT max(academic_year) FROM query_table($signals) WHERE urn = $urn)
),
reason AS (
    SELECT signal.rule_id, signal.enrolment_key, signal.signal_date,
           string_agg(DISTINCT spell.main_reason, ',') AS main_reasons
    FROM signal
    INNER JOIN query_table($spells) AS spell
        ON signal.enrolment_key = spell.enrolment_key AND signal.academic_year = spell.academic_year
            AND spell.start_date <= signal.signal_date AND spell.end_date >= signal.evidence_from
    GROUP BY ALL
)
SELECT signal.*, reason.main_reasons
FROM signal LEFT JOIN reason USING (rule_id, enrolment_key, signal_date)
ORDER BY signal_date DESC, queue_place, list_position($rules, rule_id), rule_id, enrolment_key
"""
_BACKTEST = """
SELECT * FROM query_table($backtest)
ORDER BY academic_year DESC, term DESC, is_plain_rule, list_position($rules, rule_id), rule_id, group_dimension,
         group_value
"""
_BRIDGES = """
SELECT * FROM query_table(?) WHERE academic_year = ? AND measure_id = ? ORDER BY bridge_id, level, unit_code, step
"""
_REASONS = """
SELECT * FROM query_table(?) WHERE academic_year = ? AND period = ? AND group_dimension = 'all'
ORDER BY level, unit_code, sessions DESC, code
"""
_REASONS_BY_GROUP = """
SELECT * FROM query_table(?)
WHERE academic_year = ? AND period = ? AND level = ? AND unit_code = ? AND group_dimension <> 'all'
ORDER BY group_dimension, group_value, sessions DESC, code
"""
_STATUSES = """
SELECT * FROM query_table(?) WHERE academic_year = ? AND measure_id = ?
ORDER BY group_dimension, level, unit_code, group_value, group_definition
"""
# Of a school without a calendar nothing is expected, and so nothing missing.
_STAYS = """
SELECT school_key, pupil_key, enrolment_key,
       count(*) FILTER (is_possible) AS possible, count(*) FILTER (is_attended) AS attended,
       count(*) FILTER (is_authorised) AS authorised, count(*) FILTER (is_unauthorised) AS unauthorised,
       count(*) FILTER (is_authorised OR is_unauthorised) AS absent, count(*) FILTER (is_late) AS late,
       count(*) FILTER (is_expected AND NOT is_missing) AS came, count(*) FILTER (is_expected AND is_missing) AS missing
FROM query_table($sessions)
WHERE academic_year = $academic_year AND session_date BETWEEN $first AND $last
  AND list_contains($school_keys, school_key)
GROUP BY ALL ORDER BY ALL
"""
# By day or, where it is said how many days are a break, by sort of day: a day counts under its weekday and, beside a
# break of its school, as the first or the last day as well.
_DAYS = """
WITH school_day AS (
    SELECT DISTINCT school_key, session_date FROM query_table($sessions)
    WHERE academic_year = $academic_year AND (is_possible OR is_expected) AND list_contains($school_keys, school_key)
),
beside AS (
    SELECT school_key, session_date,
           session_date - lag(session_date) OVER in_order >= $break_days AS is_after,
           lead(session_date) OVER in_order - session_date >= $break_days AS is_before
    FROM school_day WINDOW in_order AS (PARTITION BY school_key ORDER BY session_date)
),
sort_of_day AS (
    SELECT school_key, session_date, unnest([
        isodow(session_date)::VARCHAR, CASE WHEN is_after THEN 'after' END, CASE WHEN is_before THEN 'before' END
    ]) AS day
    FROM beside
),
named AS (
    SELECT school_key, session_date, session_date::VARCHAR AS day FROM school_day WHERE $break_days IS NULL
    UNION ALL
    SELECT * FROM sort_of_day WHERE $break_days IS NOT NULL AND day IS NOT NULL
),
pupil AS (
    SELECT day, school_key, pupil_key, count(*) FILTER (is_possible) AS den, count(*) FILTER (is_attended) AS num,
           count(*) FILTER (is_expected AND NOT is_missing) AS came,
           count(*) FILTER (is_expected AND is_missing) AS missing
    FROM query_table($sessions) JOIN named USING (school_key, session_date)
    WHERE academic_year = $academic_year AND session_date BETWEEN $first AND $last
    GROUP BY ALL
),
once AS (
    SELECT day, count(DISTINCT pupil_key) AS pupils FROM pupil WHERE den > 0 GROUP BY ALL
),
dated AS (
    SELECT day, session_date, count(*) FILTER (is_possible) AS den, count(*) FILTER (is_attended) AS num
    FROM query_table($sessions) JOIN named USING (school_key, session_date)
    WHERE academic_year = $academic_year AND session_date BETWEEN $first AND $last
    GROUP BY ALL HAVING den > 0
),
of_dates AS (
    SELECT day, count(*) AS dates, sum(num * num)::BIGINT AS date_num_num, sum(num * den)::BIGINT AS date_num_den,
           sum(den * den)::BIGINT AS date_den_den
    FROM dated GROUP BY day
)
SELECT day, school_key, any_value(coalesce(pupils, 0)) AS pupils, any_value(coalesce(dates, 0)) AS dates,
       any_value(date_num_num) AS date_num_num, any_value(date_num_den) AS date_num_den,
       any_value(date_den_den) AS date_den_den, count(*) FILTER (den > 0) AS n,
       sum(num)::BIGINT AS sum_num, sum(den)::BIGINT AS sum_den, sum(num * num)::BIGINT AS sum_num_num,
       sum(num * den)::BIGINT AS sum_num_den, sum(den * den)::BIGINT AS sum_den_den,
       sum(came)::BIGINT AS came, sum(missing)::BIGINT AS missing
FROM pupil LEFT JOIN once USING (day) LEFT JOIN of_dates USING (day) GROUP BY day, school_key ORDER BY day, school_key
"""
_SESSION_DAYS = """
SELECT min(session_date) AS first, max(session_date) AS last FROM query_table(?)
WHERE academic_year = ? AND is_possible
"""
_DELIVERIES = "SELECT * FROM query_table(?) ORDER BY extracted_at DESC, feed, file_name"


def source(release: Release, table: str) -> str:
    """The view that holds a table for this reader: `marts` where its tier has it, else `exports`; a qualified name
    stands.

    Raises: `ReleaseError` where this reader has no such table.
    """
    candidates = [table] if "." in table else [f"marts.{table}", f"exports.{table}"]
    for candidate in candidates:
        if release.has(candidate):
            return candidate
    raise ReleaseError(
        f"Release {release.release_id} has no table '{table}' at this tier; it has {', '.join(release.tables)}."
    )


def published(release: Release, table: str) -> str:
    """The view of a table as the pages show it, with the tier's suppression. Raises `ReleaseError` where there is
    none.
    """
    return source(release, f"exports.{table}")


def whole_table(release: Release, view: str) -> pd.DataFrame:
    return release.frame(_ALL, [view])


def columns_of(release: Release, view: str) -> list[str]:
    names: list[str] = release.query("FROM query_table(?) LIMIT 0", [view]).column_names
    return names


def table_of_school(release: Release, view: str, school: dict[str, Any]) -> pd.DataFrame:
    """The rows of one school, by whichever key the table has. Raises `ReleaseError` for a table that has no school in
    it.
    """
    columns = columns_of(release, view)
    if "urn" in columns:
        return release.frame(_BY_URN, [view, school["urn"]])
    if "school_key" in columns:
        return release.frame(_BY_SCHOOL_KEY, [view, school["school_key"]])
    if "unit_code" in columns:
        return release.frame(_BY_UNIT, [view, school["school_key"], school["urn"]])
    if "laestab" in columns:
        return release.frame(_BY_LAESTAB, [view, school["laestab"]])
    raise ReleaseError(f"Table {view} is not about schools; export it without a unit.")


def schools(release: Release) -> pd.DataFrame:
    """Schools grouped by phase and in the order of their names."""
    return release.frame(_SCHOOLS, [published(release, "dim_school")])


def measures(release: Release) -> pd.DataFrame:
    return release.frame(_MEASURES, [published(release, "measure")])


def academic_years(release: Release) -> list[str]:
    """Newest first."""
    rows = release.rows(_YEARS, [published(release, "measure_value"), published(release, "progress_school")])
    return [str(row["academic_year"]) for row in rows]


def measure_ids(release: Release, table: str, academic_year: str) -> list[str]:
    rows = release.rows(_MEASURE_IDS, [published(release, table), academic_year])
    return [str(row["measure_id"]) for row in rows]


def periods(release: Release, table: str, academic_year: str, measure_id: str) -> list[str]:
    rows = release.rows(_PERIODS, [published(release, table), academic_year, measure_id])
    return [str(row["period"]) for row in rows]


def values(
    release: Release, academic_year: str, measure_id: str, level: str, dimension: str = "all", period: str | None = None
) -> pd.DataFrame:
    """Rows of `measure_value` of one measure, year, level and group dimension."""
    return release.frame(
        _VALUES,
        {
            "source": published(release, "measure_value"),
            "academic_year": academic_year,
            "measure_id": measure_id,
            "level": level,
            "dimension": dimension,
            "period": period,
        },
    )


def values_over_years(release: Release, measure_id: str, level: str, period: str) -> pd.DataFrame:
    return release.frame(
        _VALUES_OVER_YEARS,
        {"source": published(release, "measure_value"), "measure_id": measure_id, "level": level, "period": period},
    )


def gaps(
    release: Release, academic_year: str, measure_id: str, dimension: str, level: str, period: str | None = None
) -> pd.DataFrame:
    """Rows of `gap` of one measure, year, level and group dimension."""
    return release.frame(
        _GAPS,
        {
            "source": published(release, "gap"),
            "academic_year": academic_year,
            "measure_id": measure_id,
            "dimension": dimension,
            "level": level,
            "period": period,
        },
    )


def progress(release: Release, academic_year: str, measure_id: str) -> pd.DataFrame:
    return release.frame(_PROGRESS, [published(release, "progress_school"), academic_year, measure_id])


def models(release: Release, academic_year: str, measure_id: str) -> pd.DataFrame:
    return release.frame(_MODELS, [published(release, "progress_model"), academic_year, measure_id])


def coverage(release: Release, academic_year: str) -> pd.DataFrame:
    return release.frame(_COVERAGE, [published(release, "coverage"), academic_year])


def unit_coverage(release: Release, academic_year: str, period: str, level: str, unit_code: str) -> pd.DataFrame:
    """How many schools a figure of a trust or local authority rests on, and of how many pupils for who may read their
    rows: one row, or none where no register came, or where the release was published before such rows were.
    """
    if not release.has(f"exports.{UNIT_COVERAGE}"):
        return pd.DataFrame()
    return release.frame(_UNIT_COVERAGE, [source(release, UNIT_COVERAGE), academic_year, period, level, unit_code])


def all_unit_coverage(release: Release) -> pd.DataFrame:
    """The rows of every trust and local authority, year and period; none where the release is older than such rows."""
    if not release.has(f"exports.{UNIT_COVERAGE}"):
        return pd.DataFrame()
    return whole_table(release, published(release, UNIT_COVERAGE))


def published_comparators(release: Release, academic_year: str, measure_id: str, period: str) -> pd.DataFrame:
    """What DfE published beside the figures of units; none where the release is older than such rows."""
    if not release.has("exports.published_comparator"):
        return pd.DataFrame()
    rows = published(release, "published_comparator")
    return release.frame(_PUBLISHED_COMPARATORS, [rows, academic_year, measure_id, period])


def loss(release: Release) -> pd.DataFrame:
    """How many rows the tier does not show, by academic year, table and level; the reasons apart would tell of rows."""
    return release.frame(_LOSS, [published(release, "disclosure_loss")])


def issues(release: Release) -> pd.DataFrame:
    """Open findings by rule, with counts only."""
    return release.frame(_ISSUES, [published(release, "data_quality_issue")])


def bridges(release: Release, view: str, academic_year: str, measure_id: str) -> pd.DataFrame:
    """Every step of every bridge of one measure and year that this reader may see."""
    return release.frame(_BRIDGES, [view, academic_year, measure_id])


def reasons(release: Release, view: str, academic_year: str, period: str) -> pd.DataFrame:
    """Sessions by register code of every unit that this reader may see, the most frequent first."""
    return release.frame(_REASONS, [view, academic_year, period])


def reasons_by_group(
    release: Release, view: str, academic_year: str, period: str, level: str, unit_code: str
) -> pd.DataFrame:
    """Sessions by register code of one unit's groups; none for half-terms, which are of all pupils."""
    return release.frame(_REASONS_BY_GROUP, [view, academic_year, period, level, unit_code])


def by_status(release: Release, view: str, academic_year: str, measure_id: str) -> pd.DataFrame:
    """One measure by every definition of every status, of every unit that this reader may see."""
    return release.frame(_STATUSES, [view, academic_year, measure_id])


def session_days(release: Release, view: str, academic_year: str) -> tuple[dt.date, dt.date] | None:
    """The first and the last day of a year with a possible session; None where it has none."""
    (row,) = release.rows(_SESSION_DAYS, [view, academic_year])
    return None if row["first"] is None else (row["first"], row["last"])


@dataclass(frozen=True)
class Window:
    """A run of days, both ends included, of some schools, within one academic year."""

    academic_year: str
    first: dt.date
    last: dt.date
    school_keys: tuple[str, ...]


def stays_in(release: Release, view: str, window: Window) -> pd.DataFrame:
    """Numbers of sessions of every enrolment that has a session in the window, as `windows` takes them."""
    return release.frame(_STAYS, _window(view, window))


def days_in(release: Release, view: str, window: Window, break_days: int | None = None) -> pd.DataFrame:
    """Sums over pupils of sessions attended and possible, by school and by day, as `windows` takes them.

    Parameters: `break_days`, from one school day to the next at a school: that many are a break. Where it is given
    the rows are by sort of day: the weekday (1 is Monday), and `after` and `before` a break.
    """
    return release.frame(_DAYS, _window(view, window) | {"break_days": break_days})


def _window(view: str, window: Window) -> dict[str, Any]:
    values = {name: getattr(window, name) for name in ("academic_year", "first", "last")}
    return values | {
        "sessions": view,
        "school_keys": list(window.school_keys),
    }


def signals(release: Release, view: str, urn: str | None, rules: Sequence[str]) -> pd.DataFrame:
    """Signals of early response in the order of the queue: newest day first, then school, then place.

    Parameters: `urn`, of one school (None: every school that may be read); `rules`, their ids in the registry's order.
    """
    return release.frame(_SIGNALS, {"signals": view, "urn": urn, "rules": list(rules)})


def signals_of_year(release: Release, views: tuple[str, str], urn: str, rules: Sequence[str]) -> pd.DataFrame:
    """The signals of one school in the newest academic year that has any, in the order of the queue.

    Parameters: `views`, of the signals and of the spells of absence; `urn`; `rules`, ids in the registry's order.
    Returns: rows of `attendance_signal` with `main_reasons`, of the spells of the evidence, joined by commas.
    """
    signals, spells = views
    return release.frame(_SIGNALS_OF_YEAR, {"signals": signals, "spells": spells, "urn": urn, "rules": list(rules)})


def backtest(release: Release, view: str, rules: Sequence[str]) -> pd.DataFrame:
    """What each rule of early response was worth, newest term first, the plain rule after the others."""
    return release.frame(_BACKTEST, {"backtest": view, "rules": list(rules)})


def deliveries(release: Release) -> pd.DataFrame:
    return release.frame(_DELIVERIES, [published(release, "delivery")])
