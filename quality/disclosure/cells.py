"""What is published together, read from the marts: rows that count pupils, and how units and periods nest."""

from __future__ import annotations

from dataclasses import dataclass, field

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ingest.registry import Registry
from quality.suites.marts import FIGURE_KEY
from quality.suites.marts import GAP_KEY as GAP_FIGURE_KEY

MEASURE_VALUE_KEY = list(FIGURE_KEY)
GAP_KEY = list(GAP_FIGURE_KEY)
PROGRESS_SCHOOL_KEY = ["academic_year", "measure_id", "school_key"]
PROGRESS_MODEL_KEY = ["academic_year", "measure_id", "method"]
CELL = ["table_name", "period", "level", "unit_code", "group_definition", "group_dimension", "group_value"]
YEAR_TO_DATE = "YTD"
WHOLE_YEARS = (YEAR_TO_DATE, "Y5", "Y6")
RATIO, PROPORTION = "ratio", "proportion"


# The periods that have figures. A week belongs where its Monday lies; a whole is the sum of the terms within it, of its
# half-terms and of its weeks.
_SPAN = """
    used as (select distinct academic_year, period from marts.measure_value),
    span as (
        select academic_year, period, start_date, end_date,
            case when is_term then 2 when period like 'HT%' then 1 else 3 end as size
        from staging.academic_period semi join used using (academic_year, period)
        union all by name
        select academic_year, period, strptime(substr(period, 2) || '-1', '%G-%V-%u')::date as start_date,
            start_date as end_date, 0 as size
        from used where period like 'W%'
    )
"""


# The terms that totals tell, with every period that holds them.
_TOTALS = """
    totals as (
        select distinct academic_year, term, period, school_key
        from intermediate.int_term_total join intermediate.int_term_period using (academic_year, term)
        where possible > 0
    )
"""
_NO_TOTALS = pd.DataFrame(columns=["academic_year", "whole", "level", "unit_code", "breaks_halves"])


@dataclass(frozen=True)
class Marts:
    """What is published together, as frames with the columns of the marts.

    measure_value, gap, progress_school, progress_model: the marts. schools: school_key, urn, and the unit codes trust
    and la (or None). periods: academic_year, whole, part: the parts of one sort add up to their whole. renamed:
    academic_year, period, also: two names of one span of time. by_totals: academic_year, whole, level, unit_code: a
    unit's period of which totals tell a term, so that weeks do not add up to it, nor, if breaks_halves, half-terms.
    """

    measure_value: pd.DataFrame
    gap: pd.DataFrame
    progress_school: pd.DataFrame
    progress_model: pd.DataFrame
    schools: pd.DataFrame
    periods: pd.DataFrame
    renamed: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["academic_year", "period", "also"]))
    by_totals: pd.DataFrame = field(default_factory=_NO_TOTALS.copy)


def read_marts(connection: duckdb.DuckDBPyConnection) -> Marts:
    """The published tables of a warehouse, and how its schools and periods nest."""
    key = ", ".join(MEASURE_VALUE_KEY)
    columns = {row[0] for row in connection.execute("describe marts.dim_school").fetchall()}
    trust = "trust_code" if "trust_code" in columns else "trust_name"
    return Marts(
        measure_value=connection.execute(
            f"""
            select {key}, n, cast(numerator as double) as numerator, cast(denominator as double) as denominator
            from marts.measure_value order by all
            """
        ).df(),
        gap=connection.execute(f"select {key}, comparator, n_group, n_comparator from marts.gap order by all").df(),
        progress_school=connection.execute(
            "select academic_year, measure_id, school_key, urn, n from marts.progress_school order by all"
        ).df(),
        progress_model=connection.execute(
            "select academic_year, measure_id, method, n_pupils from marts.progress_model order by all"
        ).df(),
        schools=connection.execute(
            f"select school_key, urn, {trust} as trust, la_code as la from marts.dim_school order by all"
        ).df(),
        periods=connection.execute(
            f"""
            with {_SPAN}
            select academic_year, whole.period as whole, part.period as part
            from span as whole
            join span as part using (academic_year)
            where part.size < whole.size and part.start_date >= whole.start_date and part.end_date <= whole.end_date
            order by all
            """
        ).df(),
        renamed=connection.execute(
            f"""
            with {_SPAN}, {_TOTALS},
            -- Until sessions of a later half-term are told a longer period is the shorter one under another name; a
            -- term of which totals tell is none of its half-terms.
            part as (
                select distinct span.academic_year, span.period, half.period as half
                from span
                join span as half on half.academic_year = span.academic_year and half.size = 1
                    and half.start_date >= span.start_date and half.end_date <= span.end_date
                semi join marts.measure_value as told on told.academic_year = half.academic_year
                    and told.period = half.period and told.n > 0
                union
                select academic_year, period, concat('totals of ', term) from totals
            ),
            held as (
                select academic_year, period, list(half order by half) as halves from part group by all
            )
            select academic_year, one.period as period, other.period as also
            from span as one
            join span as other using (academic_year)
            left join held as of_one on of_one.academic_year = one.academic_year and of_one.period = one.period
            left join held as of_other
                on of_other.academic_year = one.academic_year and of_other.period = other.period
            where one.period < other.period and (
                (one.start_date = other.start_date and one.end_date = other.end_date)
                or of_one.halves = of_other.halves)
            order by all
            """
        ).df(),
        by_totals=connection.execute(
            f"""
            with {_TOTALS}
            select academic_year, period as whole, level, unit_code, bool_or(half.term is null) as breaks_halves
            from totals
            left join (
                select distinct academic_year, term from intermediate.int_term_period where period like 'HT%'
            ) as half using (academic_year, term)
            join aggregates.school_unit using (school_key)
            group by all order by all
            """
        ).df(),
    )


def counted_rows(marts: Marts, registry: Registry) -> pd.DataFrame:
    """Every row that carries a count of pupils, of the three tables, as one frame in key order.

    Columns: table_name, row_key, academic_year, measure_id, the rest of CELL, n, numerator, denominator, family
    (measures of one family count the same pupils), kind, and bounding: of a share with a boundary the sessions that it
    is about, of all its pupils; infinite where there are none. A row of progress_school is a school's cell under a
    table name of its own, a progress_model the total of those.
    Raises `ValueError` for a measure that the registry lacks.
    """
    values = marts.measure_value.assign(
        table_name="measure_value", row_key=lambda rows: row_key(rows, MEASURE_VALUE_KEY)
    )
    progress = marts.progress_school.assign(
        table_name="progress_school",
        row_key=lambda rows: row_key(rows, PROGRESS_SCHOOL_KEY),
        level="school",
        unit_code=lambda rows: rows["urn"].fillna(rows["school_key"]),
    )
    model = marts.progress_model.assign(
        table_name="progress_model",
        row_key=lambda rows: row_key(rows, PROGRESS_MODEL_KEY),
        level="model",
        unit_code=lambda rows: rows["method"],
        n=lambda rows: rows["n_pupils"],
    )
    fitted = pd.concat([frame for frame in (progress, model) if len(frame)] or [progress])
    fitted = fitted.assign(
        period=YEAR_TO_DATE,
        group_definition="all",
        group_dimension="all",
        group_value="all",
        numerator=np.nan,
        denominator=np.nan,
    )
    columns = ["table_name", "row_key", "academic_year", "measure_id", *CELL[1:], "n", "numerator", "denominator"]
    rows = pd.concat([values[columns], fitted[columns]], ignore_index=True)
    rows = rows[rows["n"].notna()].sort_values(["table_name", "row_key"], kind="stable", ignore_index=True)
    text = [column for column in columns if column not in ("n", "numerator", "denominator")]
    rows[text] = rows[text].astype(str)
    rows["n"] = rows["n"].astype("int64")
    rows[["numerator", "denominator"]] = rows[["numerator", "denominator"]].astype("float64")
    measures = {measure["measure_id"]: measure for measure in registry.measures}
    unknown = set(rows["measure_id"]) - measures.keys()
    if unknown:
        raise ValueError(
            f"The marts hold measures that the registry lacks: {', '.join(sorted(unknown))}; rebuild them."
        )
    # Attendance measures count the same enrolments: a count hidden in one is hidden in all; other populations differ.
    rows["family"] = [
        "attendance" if measures[measure]["source_model"] == "attendance" else measure for measure in rows["measure_id"]
    ]
    rows["kind"] = [measures[measure]["kind"] for measure in rows["measure_id"]]
    rows["bounding"] = _sessions_bounding(rows, registry)
    return rows


def _sessions_bounding(rows: pd.DataFrame, registry: Registry) -> NDArray[np.float64]:
    ratios = {
        (measure["source_model"], measure["numerator"]): measure["measure_id"]
        for measure in registry.measures
        if measure["kind"] == RATIO
    }
    told_by = {
        measure["measure_id"]: ratios.get((measure["source_model"], measure["boundary"]["numerator"]))
        for measure in registry.measures
        if "boundary" in measure
    }
    key = ["academic_year", *CELL]
    told = rows[rows["measure_id"].isin(set(told_by.values()))]
    sessions = told.groupby(["measure_id", *key])["numerator"].first().rename("sessions").reset_index()
    asking = rows[key].assign(measure_id=rows["measure_id"].map(told_by))
    found = asking.merge(sessions, on=["measure_id", *key], how="left")["sessions"]
    return np.asarray(found.fillna(np.inf), dtype=np.float64)


def minimum_pupils(registry: Registry, tier: str) -> dict[str, int]:
    """The least number of pupils that a row of each measure may be shown with."""
    return {measure["measure_id"]: int(measure["minimum_n"][tier]) for measure in registry.measures}


def subset_measures(registry: Registry) -> list[tuple[str, str]]:
    """(measure, measure it is part of): who is counted in the first is counted in the second.

    Value added counts pupils whose outcome the mean score counts; of two boundaries on one share, who passes the higher
    passes the lower.
    """
    found = []
    outcomes = {model["measure_id"]: model["outcome"] for model in registry.data.get("value_added", [])}
    for part, outcome in outcomes.items():
        found += [(part, m["measure_id"]) for m in registry.measures if m.get("assessment") == outcome]
    bounded = [measure for measure in registry.measures if "boundary" in measure]
    for part in bounded:
        for whole in bounded:
            p, w = part["boundary"], whole["boundary"]
            same_share = (p["numerator"], p["denominator"]) == (w["numerator"], w["denominator"])
            if same_share and p["percent"] > w["percent"]:
                found.append((part["measure_id"], whole["measure_id"]))
    return sorted(found)


def row_key(rows: pd.DataFrame, key: list[str]) -> pd.Series[str]:
    """Key columns joined by `|` in the order of the table's grain."""
    joined = rows[key[0]].astype(str)
    for column in key[1:]:
        joined = joined + "|" + rows[column].astype(str)
    return joined
