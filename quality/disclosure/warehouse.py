"""Reads a warehouse's marts and writes its schema `disclosure`: the pattern, its blocks, what follows from it."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import duckdb
import pandas as pd

from ingest.registry import Registry
from quality.disclosure.cells import GAP_KEY, MEASURE_VALUE_KEY, read_marts
from quality.disclosure.loss import write_loss
from quality.disclosure.missing_results import coverage_pattern, read_due
from quality.disclosure.pattern import BLOCK_COLUMNS, DERIVED, FEW_PUPILS, PATTERN_COLUMNS, Before, decide
from quality.disclosure.solved import Remembered, read_solved, write_solved

_LOGGER = logging.getLogger("everypupil")
# Tables that count the rows of files, with their key and the column that says whose school a file is.
_TABLES_OF_FILES = (("delivery", "delivery_id", "laestab"), ("data_quality_issue", "issue_id", "school_key"))
_BLOCK_TYPES = {
    "candidates": "bigint",
    "primary_rows": "bigint",
    "secondary_rows": "bigint",
    "weight": "double",
    "bound": "double",
    "gap": "double",
    "rounds": "bigint",
}

# What registers are told by, and what stands in their place.
ATTENDANCE_FEEDS = ("session_marks", "attendance_totals")


def write_pattern(
    connection: duckdb.DuckDBPyConnection, registry: Registry, before: Mapping[str, Before] | None = None
) -> dict[str, int]:
    """Replaces schema `disclosure`'s tables from the marts; returns the number of hidden rows per tier.

    before: by tier, what stays as it was published, as in `decide`. Raises `ValueError` as `decide` does.
    """
    tiers = list(registry.data["disclosure"]["minimum_pupils"])
    solved = Remembered(read_solved(connection))
    marts = read_marts(connection)
    before = {} if before is None else before
    decided = decide(marts, registry, tiers, solved=solved, before=before)
    gone = {
        tier: {
            *before.get(tier, Before()).hidden,
            *zip(decided[tier].pattern["table_name"], decided[tier].pattern["row_key"], strict=True),
        }
        for tier in tiers
    }
    coverage = coverage_pattern(read_due(connection, registry), marts, registry, gone, solved)
    connection.execute("create schema if not exists disclosure")
    write_solved(connection, solved.used)
    _LOGGER.info("disclosure: %d problems stood as they were decided before, %d were solved", *solved.counts)
    _replace(connection, "pattern", PATTERN_COLUMNS, {}, [decided[tier].pattern for tier in tiers])
    _replace(connection, "block", BLOCK_COLUMNS, _BLOCK_TYPES, [decided[tier].blocks for tier in tiers])
    for tier, minimum in registry.data["disclosure"]["minimum_pupils"].items():
        _hide_parts_of_terms_of_two_feeds(connection, registry, tier)
        _hide_counts_of_rows(connection, registry, tier, int(minimum))
    _add(connection, coverage)
    _hide_rows_of_results(connection)
    _log_blocks(pd.concat([decided[tier].blocks for tier in tiers], ignore_index=True))
    write_loss(connection, registry)
    counted = "select tier, count(*) from disclosure.pattern group by tier"
    return dict.fromkeys(tiers, 0) | dict(connection.execute(counted).fetchall())


def _log_blocks(blocks: pd.DataFrame) -> None:
    """A line per tier, stage and method: how many blocks, what they lost and how far from the least that may be."""
    for (tier, stage, method), rows in blocks.groupby(["tier", "stage", "method"], sort=True):
        _LOGGER.info(
            "disclosure, %s, %s: %d blocks by %s hide %d rows besides, loss %.1f, at the least %.1f",
            *(tier, stage, len(rows), method, rows["secondary_rows"].sum(), rows["weight"].sum(), rows["bound"].sum()),
        )


def _replace(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    columns: list[str],
    types: dict[str, str],
    frames: list[pd.DataFrame],
) -> None:
    """A table of text columns, but for those with a type of their own, in the order of all its columns."""
    declared = ", ".join(f"{name} {types.get(name, 'varchar')}" for name in columns)
    connection.execute(f"create or replace table disclosure.{table} ({declared})")
    rows = pd.concat(frames, ignore_index=True)
    if len(rows):
        connection.register("disclosure_rows", rows)
        connection.execute(
            f"insert into disclosure.{table} select {', '.join(columns)} from disclosure_rows order by all"
        )
        connection.unregister("disclosure_rows")


def _add(connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame) -> None:
    """Adds rows to the pattern, but for those that it has."""
    if len(rows):
        connection.register("disclosure_rows", rows)
        connection.execute(
            f"""
            insert into disclosure.pattern by name
            select {", ".join(PATTERN_COLUMNS)} from disclosure_rows
            anti join disclosure.pattern using (tier, table_name, row_key)
            order by all
            """
        )
        connection.unregister("disclosure_rows")


def _hide_parts_of_terms_of_two_feeds(connection: duckdb.DuckDBPyConnection, registry: Registry, tier: str) -> None:
    """Adds the weeks and half-terms, of all pupils, of a term of which some of a school's pupils have a register and
    some totals, in the school and in every unit that it is in.

    A term less its half-terms is what totals tell, and totals of a few pupils beside registers are those pupils' own
    figures. Where a school's term is told by totals alone the difference is the school's own row, which is protected.
    """
    row_key = f"concat_ws('|', {', '.join(f'v.{column}' for column in MEASURE_VALUE_KEY)})"
    connection.execute(
        f"""
        insert into disclosure.pattern (tier, table_name, row_key, status, reason, rule_id)
        with total as (
            select distinct academic_year, term, school_key from intermediate.int_term_total where possible > 0
        ),
        mixed as (
            select distinct total.*, span.start_date, span.end_date
            from total
            join intermediate.int_enrolment_week as week using (academic_year, term, school_key)
            join staging.academic_period as span
                on span.academic_year = total.academic_year and span.period = total.term
            where week.received > 0 or week.possible > 0
        ),
        part as (
            select academic_year, period, start_date, end_date from staging.academic_period where period like 'HT%'
            union all
            select distinct academic_year, period, strptime(substr(period, 2) || '-1', '%G-%V-%u')::date,
                strptime(substr(period, 2) || '-7', '%G-%V-%u')::date
            from marts.measure_value where period like 'W%'
        )
        select distinct $tier, 'measure_value', {row_key}, 'c', 'derived', $rule
        from mixed
        join part on part.academic_year = mixed.academic_year
            and part.start_date <= mixed.end_date and part.end_date >= mixed.start_date
        join aggregates.school_unit as unit using (school_key)
        join marts.measure_value as v on v.academic_year = part.academic_year and v.period = part.period
            and v.level = unit.level and v.unit_code = unit.unit_code
        -- A half of the summer is a term under another name.
        where (part.start_date <> mixed.start_date or part.end_date <> mixed.end_date)
            and v.measure_id in (select unnest($attendance::varchar[]))
            and not exists (from disclosure.pattern as p where p.tier = $tier and p.table_name = 'measure_value'
                and p.row_key = {row_key})
        order by all
        """,
        {"tier": tier, "rule": DERIVED, "attendance": _of_source(registry, "attendance")},
    )


def _hide_counts_of_rows(connection: duckdb.DuckDBPyConnection, registry: Registry, tier: str, minimum: int) -> None:
    """Adds what says how many rows a school sent or was to send, where that would give its hidden number of pupils.

    A school's results expected and received, and the rows of its lists, are counts of its pupils; its expected
    sessions are the denominator of its attendance, and of a school that sent none the size of its roll. A file of
    suspensions or actions has a row for each of a few pupils.
    """
    measures = [
        [measure["measure_id"], measure["source_model"]]
        for measure in registry.measures
        if measure["kind"] != "proportion"
    ]
    connection.execute(
        """
        create or replace temp table hidden_school as
        select distinct v.academic_year, v.period, s.school_key, s.laestab, m[2] = 'attendance' as is_attendance
        from marts.measure_value as v
        join disclosure.pattern as p on p.tier = $tier and p.table_name = 'measure_value' and p.row_key = concat_ws(
            '|', v.academic_year, v.period, v.level, v.unit_code, v.measure_id, v.definition_version,
            v.group_definition, v.group_dimension, v.group_value)
        join (select unnest($of_counts::varchar[][]) as m) as m on m[1] = v.measure_id
        join marts.dim_school as s on v.unit_code in (s.urn, s.school_key)
        where v.level = 'school' and v.group_dimension = 'all'
        """,
        {"tier": tier, "of_counts": measures},
    )
    # No pupil was to send more: by so many sessions each, what was expected of a school is its pupils at the least.
    connection.execute(
        """
        create or replace temp table most_expected as
        select academic_year, period, max(expected) as sessions from aggregates.attendance_enrolment_period group by all
        """
    )
    connection.execute(
        """
        create or replace temp table small_school as
        select academic_year, period, 'session_marks' as feed, school_key
        from aggregates.attendance_enrolment_period
        join most_expected using (academic_year, period)
        where expected > 0
        group by all
        having count(*) < $minimum or sum(expected) < $minimum * most_expected.sessions
        union all
        -- Where one feed tells of few and the other of the rest, the rest of all that came tells of the few; and so do
        -- few of whom neither told, by what was expected.
        select academic_year, period, unnest($attendance_feeds::varchar[]) as feed, school_key
        from (
            select total.academic_year, span.period, total.school_key, total.enrolment_id, 'total' as told_by
            from intermediate.int_term_total as total
            join intermediate.int_term_period as span using (academic_year, term)
            where total.possible > 0
            union all
            select stay.academic_year, stay.period, stay.school_key, cast(stay.enrolment_id as bigint),
                case
                    when stay.received > stay.received_of_totals or stay.possible > stay.possible_of_totals
                        then 'register'
                    else 'neither'
                end
            from aggregates.attendance_enrolment_period as stay
            semi join intermediate.int_term_total as total using (academic_year, school_key)
            where stay.received > stay.received_of_totals or stay.possible > stay.possible_of_totals
                or (stay.expected > 0 and stay.received = 0 and stay.possible = 0)
        )
        group by academic_year, period, school_key
        having count(*) filter (where told_by = 'total') > 0 and (
            count(distinct enrolment_id) filter (where told_by = 'total') < $minimum
            or count(distinct enrolment_id) filter (where told_by = 'register') between 1 and $minimum - 1
            or count(distinct enrolment_id) filter (where told_by = 'neither') between 1 and $minimum - 1)
        union all
        -- A pupil has a result of every measure of the year.
        select c.academic_year, c.period, c.feed, c.school_key
        from marts.coverage as c
        left join (
            select academic_year, count(distinct measure_id) as measures
            from marts.measure_value
            where measure_id in (select unnest($attainment::varchar[]))
            group by academic_year
        ) as year using (academic_year)
        where c.feed = 'assessment_results' and (
            c.expected between 1 and $minimum * greatest(coalesce(year.measures, 1), 1) - 1
            or c.received between 1 and $minimum * greatest(coalesce(year.measures, 1), 1) - 1)
        """,
        {
            "minimum": minimum,
            "attainment": _of_source(registry, "attainment"),
            "attendance_feeds": list(ATTENDANCE_FEEDS),
        },
    )
    connection.execute(
        """
        insert into disclosure.pattern (tier, table_name, row_key, status, reason, rule_id)
        select $tier, 'coverage', concat_ws('|', c.academic_year, c.period, c.feed, c.school_key), 'c',
            case when few then 'primary' else 'derived' end, case when few then $few_rule else $derived_rule end
        from (
            select *, coalesce(expected, received, 0) > 0 and exists (
                from small_school as small
                where small.academic_year = coverage.academic_year and small.period = coverage.period
                    and small.feed = coverage.feed and small.school_key = coverage.school_key) as few
            from marts.coverage
        ) as c
        where few or exists (
            from hidden_school as h where h.school_key = c.school_key and h.academic_year = c.academic_year
                and ((h.is_attendance and h.period = c.period
                        and c.feed in (select unnest($attendance_feeds::varchar[])))
                    or (c.feed = 'assessment_results' and not h.is_attendance)))
        order by all
        """,
        {
            "tier": tier,
            "few_rule": FEW_PUPILS,
            "derived_rule": DERIVED,
            "attendance_feeds": list(ATTENDANCE_FEEDS),
        },
    )
    # A year less its other terms is the term that is hidden, and what came by both feeds less what came by one came by
    # the other: where totals count, a school's year is hidden by both feeds or shown.
    connection.execute(
        """
        insert into disclosure.pattern (tier, table_name, row_key, status, reason, rule_id)
        with own as (
            select *, concat_ws('|', academic_year, period, feed, school_key) as row_key
            from marts.coverage where feed in (select unnest($attendance_feeds::varchar[]))
        ),
        gone as (
            select row_key from disclosure.pattern where tier = $tier and table_name = 'coverage'
        )
        select $tier, 'coverage', row_key, 'c', 'derived', $rule
        from own
        semi join (from own where feed = 'attendance_totals') as told using (academic_year, school_key)
        semi join (from own semi join gone using (row_key)) as hidden using (academic_year, school_key)
        anti join gone using (row_key)
        order by all
        """,
        {"tier": tier, "rule": DERIVED, "attendance_feeds": list(ATTENDANCE_FEEDS)},
    )
    _hide_coverage_of_registers(connection, registry, tier, minimum)
    for table, key, school in _TABLES_OF_FILES:
        connection.execute(
            f"""
            insert into disclosure.pattern (tier, table_name, row_key, status, reason, rule_id)
            select $tier, '{table}', {key}, 'c', 'derived', $rule
            from marts.{table}
            where {school} in (select {school} from hidden_school) or feed in (select unnest($of_few_pupils::varchar[]))
            order by all
            """,
            {"tier": tier, "rule": DERIVED, "of_few_pupils": registry.data["disclosure"]["feeds_of_few_pupils"]},
        )
    connection.execute("drop table hidden_school; drop table small_school; drop table most_expected")


def _hide_rows_of_results(connection: duckdb.DuckDBPyConnection) -> None:
    """Adds how many rows a school's files of results had, where `coverage` hides how many results it was to send: a
    file is a row for each result, and what was to come follows from it.
    """
    for table, key, school in _TABLES_OF_FILES:
        connection.execute(
            f"""
            insert into disclosure.pattern (tier, table_name, row_key, status, reason, rule_id)
            with hidden as (
                select distinct p.tier, s.school_key, s.laestab
                from disclosure.pattern as p
                join marts.coverage as c on p.table_name = 'coverage' and c.feed = 'assessment_results'
                    and p.row_key = concat_ws('|', c.academic_year, c.period, c.feed, c.school_key)
                join marts.dim_school as s using (school_key)
            )
            select distinct hidden.tier, '{table}' as table_name, t.{key} as row_key, 'c', 'derived', $rule
            from marts.{table} as t
            join hidden using ({school})
            anti join disclosure.pattern as p
                on p.tier = hidden.tier and p.table_name = '{table}' and p.row_key = t.{key}
            where t.feed = 'assessment_results'
            order by all
            """,
            {"rule": DERIVED},
        )


def _hide_coverage_of_registers(
    connection: duckdb.DuckDBPyConnection, registry: Registry, tier: str, minimum: int
) -> None:
    """Adds the coverage, alone, of figures of registers to which few pupils of a school sent nothing.

    What came of the others is shown, so the share of all that was expected tells what was expected of these: how many
    they are. So it is of a trust or authority, and in the school itself of a group that sent nothing: the coverage of
    the other groups of its dimension leaves its own. Reads `most_expected`.
    A table_name with a column after it hides this column of the row alone.
    """
    connection.execute(
        """
        create or replace temp table lacking as
        select distinct s.academic_year, s.period, unit.level, unit.unit_code, s.measure_id, s.group_definition,
            s.group_dimension
        from aggregates.measure_sum as s
        join aggregates.school_unit as unit using (school_key)
        left join most_expected as most using (academic_year, period)
        where (unit.level <> 'school' or s.group_dimension <> 'all')
            and s.measure_id in (select unnest($attendance::varchar[]))
            and s.received = 0 and s.expected between 1 and $minimum * coalesce(most.sessions, $of_week) - 1
        """,
        {
            "minimum": minimum,
            "attendance": _of_source(registry, "attendance"),
            "of_week": int(registry.data["school_year"]["sessions_per_week"]),
        },
    )
    for table, key in (("measure_value", MEASURE_VALUE_KEY), ("gap", GAP_KEY)):
        connection.execute(
            f"""
            insert into disclosure.pattern (tier, table_name, row_key, status, reason, rule_id)
            select distinct $tier, '{table}.coverage', concat_ws('|', {", ".join(f"v.{column}" for column in key)}),
                'c', 'derived', $rule
            from marts.{table} as v
            join lacking using (
                academic_year, period, level, unit_code, measure_id, group_definition, group_dimension)
            order by all
            """,
            {"tier": tier, "rule": DERIVED},
        )
    connection.execute("drop table lacking")


def _of_source(registry: Registry, source_model: str) -> list[str]:
    return [measure["measure_id"] for measure in registry.measures if measure["source_model"] == source_model]
