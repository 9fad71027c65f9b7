"""What a release hid and showed of what lasts, so that the next one starts from it.

Which cells cover a hidden one is a choice. Chosen anew after every delivery, one release would show what the last one
relied on, or rely on what the last one showed, and whoever reads both could work the hidden cell out. Results, and
attendance of a period that is over, move by corrections alone: of these a cell stays hidden until as many of its pupils
were corrected as a figure may rest on, and what was shown is not counted on to hide anything. So it is with attendance
of every period where no week is running, as in holidays: what is told of anew then is but another name of what was.
"""

from __future__ import annotations

import hashlib
import json

import duckdb

from ingest.registry import Registry
from quality.disclosure.pattern import Before
from quality.ledger import records
from quality.ledger.records import ATTENDANCE, RECORD_KEY
from quality.ledger.store import Entry

# What `lasting_rows` reads; empty where nothing was published before.
BEFORE_DDL = """
create or replace table ledger.lasting (academic_year varchar, period varchar, family varchar);
create or replace table ledger.hidden_before (tier varchar, table_name varchar, row_key varchar);
create or replace table ledger.moved_cell (academic_year varchar, period varchar, family varchar, cell varchar,
    pupils bigint);
"""
_KEY = ", ".join(RECORD_KEY)
# The rows of which it is chosen whether to hide them, with the cell that each counts: level, unit, and the group as
# `dimension=definition=value`.
_ROWS_SQL = f"""
    select 'measure_value' as table_name, concat_ws('|', academic_year, period, level, unit_code, measure_id,
            definition_version, group_definition, group_dimension, group_value) as row_key,
        academic_year, period,
        case when list_contains($attendance::varchar[], measure_id) then '{ATTENDANCE}' else measure_id end as family,
        concat_ws('|', level, unit_code, concat_ws('=', group_dimension, group_definition, group_value)) as cell
    from marts.measure_value
    union all
    select 'progress_school', concat_ws('|', academic_year, measure_id, school_key), academic_year, 'YTD', measure_id,
        concat_ws('|', 'school', coalesce(urn, school_key), 'all=all=all')
    from marts.progress_school
    union all
    select 'progress_model', concat_ws('|', academic_year, measure_id, method), academic_year, 'YTD', measure_id,
        'model||all=all=all'
    from marts.progress_model
"""


def thresholds_of(registry: Registry) -> str:
    """A hash of what decides which cells are hidden for themselves: where it changed, nothing stays as it was for
    having been so.
    """
    disclosure = registry.data["disclosure"]
    said = {
        "minimum_pupils": disclosure["minimum_pupils"],
        "minimum_numerator": disclosure.get("minimum_numerator"),
        "minimum_n": {measure["measure_id"]: measure["minimum_n"] for measure in registry.data.get("measures", [])},
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def write_before(connection: duckdb.DuckDBPyConnection, registry: Registry, entries: list[Entry]) -> None:
    """Fills the tables of `BEFORE_DDL`: what lasts of what the last of the entries told, and what moved since.

    Reads the logs, `ledger_facts`, `record_kept`, `record_now`, `week_kept`, and the deltas of schema `ledger`.
    """
    if not entries or entries[-1].content.get("thresholds") != thresholds_of(registry):
        return
    last = str(entries[-1].sequence)
    connection.execute(
        f"""
        insert into ledger.lasting
        with told as (select distinct academic_year, period, family from ({records.state_sql("cell", last)})),
        over_by as (select date_trunc('week', ?::date) as monday),
        running as (
            select week_start from intermediate.int_enrolment_week, ledger_facts
            where week_start >= date_trunc('week', as_of) and (received > 0 or possible > 0)
        )
        select told.* from told where family <> '{ATTENDANCE}'
        union all
        select told.* from told semi join (
            select academic_year, period from staging.academic_period, over_by where end_date < monday
        ) using (academic_year, period) where family = '{ATTENDANCE}'
        union all
        select told.* from told, over_by where family = '{ATTENDANCE}' and period like 'W%'
            and strptime(substr(period, 2) || '-1', '%G-%V-%u')::date < monday
        union
        select told.* from told where family = '{ATTENDANCE}' and not exists (from running)
        order by all
        """,
        [entries[-1].content["as_of"]],
    )
    connection.execute(f"insert into ledger.hidden_before {records.state_sql('hidden', last)} order by all")
    _find_moved_cells(connection)


def _find_moved_cells(connection: duckdb.DuckDBPyConnection) -> None:
    """Fills `ledger.moved_cell`: of how many pupils something changed, per lasting year, period, family and cell."""
    connection.execute(
        f"""
        create or replace temp table touched as
        with week as (
            select academic_year, school_key, pupil_key, term, week_start from ledger.week_delta
            union
            -- Another group: every week of the record counts elsewhere now.
            select academic_year, school_key, pupil_key, term, week_start from week_kept
            semi join (from ledger.record_delta where family = '{ATTENDANCE}') as d
                using (academic_year, school_key, pupil_key)
        ),
        part as (
            select week.academic_year, '{ATTENDANCE}' as family, school_key, pupil_key, counted.period
            from week {records.PERIODS_OF_WEEK_SQL.format(week="week")}
            union
            select academic_year, '{ATTENDANCE}', school_key, pupil_key, strftime(week_start, 'W%G-%V') from week
            where {records.IS_WEEK_SQL}
            union
            select {_KEY}, 'YTD' from ledger.record_delta where family <> '{ATTENDANCE}'
        )
        select * from part semi join ledger.lasting using (academic_year, period, family)
        """
    )
    connection.execute(
        f"""
        insert into ledger.moved_cell
        with in_group as (
            select {_KEY}, unnest(string_split(groups, ';')) as part
            from (select {_KEY}, groups from record_kept union select {_KEY}, groups from record_now)
            semi join touched using ({_KEY})
        ),
        unit as (
            select school_key, level, unit_code from aggregates.school_unit
            union select distinct school_key, 'model', '' from aggregates.school_unit
        )
        select academic_year, period, family, concat_ws('|', level, unit_code, part), count(distinct pupil_key)
        from touched join in_group using ({_KEY}) join unit using (school_key)
        group by all order by all
        """
    )


def lasting_rows(connection: duckdb.DuckDBPyConnection, registry: Registry) -> dict[str, Before]:
    """Per tier, the rows of `marts` that stay hidden, and those that were shown and of which few or none changed.

    After a correction of a few marks whoever kept the release before still knows the number of pupils.

    Source of the rule that none or at least the minimum may have changed: Hundepool et al. (2012), 5.2.
    """
    attendance = [str(row["measure_id"]) for row in registry.measures if row["source_model"] == "attendance"]
    connection.execute(
        f"""
        create or replace temp table lasting_row as
        select table_name, row_key, coalesce(pupils, 0) as moved
        from ({_ROWS_SQL})
        semi join ledger.lasting using (academic_year, period, family)
        left join ledger.moved_cell using (academic_year, period, family, cell)
        """,
        {"attendance": attendance},
    )
    found = {}
    for tier, least in registry.data["disclosure"]["minimum_pupils"].items():
        rows = connection.execute(
            """
            select table_name, row_key, b.row_key is not null as is_hidden
            from lasting_row left join (from ledger.hidden_before where tier = $tier) as b using (table_name, row_key)
            where moved < $least
            """,
            {"tier": tier, "least": int(least)},
        ).fetchall()
        hidden, shown = (
            frozenset((str(table), str(key)) for table, key, is_hidden in rows if is_hidden is which)
            for which in (True, False)
        )
        found[str(tier)] = Before(hidden, shown)
    return found


def find_changed_hidden(connection: duckdb.DuckDBPyConnection) -> None:
    """Fills temp table `changed_hidden`: which rows are hidden now that were not by `hidden_log`, or no longer are."""
    told = records.state_sql("hidden", "(select coalesce(max(sequence), 0) from hidden_log)")
    connection.execute(
        f"""
        create or replace temp table hidden_now as
        select distinct tier, table_name, row_key from disclosure.pattern
        where table_name in ('measure_value', 'progress_school', 'progress_model')
            and reason in ('primary', 'secondary');
        create or replace temp table changed_hidden as
        select *, false as is_removed from (from hidden_now except from ({told}))
        union all
        select *, true from ({told}) as told anti join hidden_now using (tier, table_name, row_key)
        """
    )
