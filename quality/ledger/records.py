"""Records as they came and as they were published: SQL over the warehouse and over the ledger's files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

ATTENDANCE = "attendance"
WEEK_KEY = ("academic_year", "school_key", "pupil_key", "term", "week_start")
COUNTS = ("expected", "received", "possible", "attended", "authorised", "unauthorised", "late")
RECORD_KEY = ("academic_year", "family", "school_key", "pupil_key")
_WEEK_TYPES = (
    "academic_year varchar, school_key varchar, pupil_key bigint, term varchar, week_start date, "
    + ", ".join(f"{count} integer" for count in COUNTS)
)
_RECORD_TYPES = (
    "academic_year varchar, family varchar, school_key varchar, pupil_key bigint, groups varchar, result varchar"
)
_CELL_TYPES = (
    "table_name varchar, row_key varchar, academic_year varchar, period varchar, family varchar, cell varchar, "
    "status varchar, value_hash varchar, revision integer"
)
_HIDDEN_TYPES = "tier varchar, table_name varchar, row_key varchar"
# The logs; each row says what is so from its entry on.
LOGS = {
    "record": (f"{_RECORD_TYPES}, is_removed boolean", RECORD_KEY),
    "week": (f"{_WEEK_TYPES}, is_removed boolean", WEEK_KEY),
    "cell": (f"{_CELL_TYPES}, is_removed boolean", ("table_name", "row_key")),
    "hidden": (f"{_HIDDEN_TYPES}, is_removed boolean", ("tier", "table_name", "row_key")),
}

# What totals tell of a term stands among the weeks under the Sunday of the term's last one: closed when that week is,
# and no week's, which are known by their Mondays.
_TOTAL_DAY_SQL = "cast(date_trunc('week', term.end_date) + interval 6 day as date)"
IS_WEEK_SQL = "isodow(week_start) = 1"
TOTALS_SQL = f"""
    select total.academic_year, total.school_key, total.pupil_key, total.term, {_TOTAL_DAY_SQL} as week_start,
        0 as expected, total.received, total.possible, total.attended, total.authorised, total.unauthorised,
        coalesce(total.late, 0) as late
    from intermediate.int_term_total as total
    join staging.academic_period as term
        on total.academic_year = term.academic_year and total.term = term.period
    where total.received > 0 or total.possible > 0
"""
# Joins a week of a term, by the table or alias that has it, to every longer period that it counts in: counted.period.
PERIODS_OF_WEEK_SQL = """
    join (
        select half.academic_year, half.term, half.from_week, half.until_week, span.period, false as is_total
        from intermediate.int_half_term as half
        join intermediate.int_half_term_period as span using (academic_year, half_term)
        union all
        select academic_year, term, date '1900-01-01', date '9999-12-31', period, true
        from intermediate.int_term_period
    ) as counted
        on {week}.academic_year = counted.academic_year and {week}.term = counted.term
        and {week}.week_start >= counted.from_week and {week}.week_start < counted.until_week
        and (isodow({week}.week_start) <> 1) = counted.is_total
"""
# A period's figures are made of each pupil's sums: corrections that make up for each other change none of them.
_SUMMED = (
    "".join(
        f"""
    case when count(*) filter (where zone = '{zone}') > 0 then hash({
            ", ".join(f"sum({count}) filter (where zone = '{zone}')" for count in COUNTS)
        })::uhugeint else 0::uhugeint end as {zone},"""
        for zone in ("past", "mid", "later")
    )
    + """
    coalesce(sum(possible) filter (where zone <> 'later'), 0) > 0 as counts_told,
    coalesce(sum(possible) filter (where zone = 'later'), 0) > 0 as counts_later
"""
)


def read_logs(connection: duckdb.DuckDBPyConnection, entries: Sequence[tuple[int, Path]]) -> None:
    """Fills temp tables `record_log`, `week_log`, `cell_log` and `hidden_log` from the entries' files, with the entry's
    sequence. Entries of before what is hidden was written down lack the last.
    """
    for log, (types, _) in LOGS.items():
        connection.execute(f"create or replace temp table {log}_log (sequence integer, {types})")
        for sequence, folder in entries:
            path = folder / f"{log}.parquet"
            if log != "hidden" or path.is_file():
                connection.execute(f"insert into {log}_log select {sequence}, * from read_parquet(?)", [str(path)])


def state_sql(log: str, version: str) -> str:
    """The rows of a log that were so at a version (SQL of its sequence)."""
    key = ", ".join(LOGS[log][1])
    return f"""
        select * exclude (is_removed, sequence, recency) from (
            select *, row_number() over (partition by {key} order by sequence desc) as recency
            from {log}_log where sequence <= {version}
        ) where recency = 1 and not is_removed
    """


def read_arrivals(connection: duckdb.DuckDBPyConnection) -> None:
    """Fills temp tables `week_now` and `record_now` from the marts' sources, up to the last week that is closed.

    Of results the ledger keeps a hash of what enters a figure: what the pupil scored, not what a model made of it,
    since a model moves with every pupil in it.
    """
    sums = ", ".join(f"cast(sum({count}) as integer) as {count}" for count in COUNTS)
    connection.execute(
        f"""
        create or replace temp table week_now as
        select {", ".join(WEEK_KEY)}, {sums} from (
            select {", ".join(WEEK_KEY)}, {", ".join(COUNTS)} from intermediate.int_enrolment_week
            union all by name {TOTALS_SQL}
        )
        where week_start < (select date_trunc('week', as_of) from ledger_facts)
        group by all
        """
    )
    connection.execute(
        """
        create or replace temp table group_now as
        select academic_year, pupil_key, string_agg(
            concat(group_dimension, '=', group_definition, '=', group_value), ';'
            order by group_dimension, group_definition, group_value) as groups
        from intermediate.int_pupil_group where group_value is not null
        group by academic_year, pupil_key
        """
    )
    connection.execute(
        f"""
        create or replace temp table record_now as
        with came as (
            select distinct academic_year, '{ATTENDANCE}' as family, school_key, pupil_key, '' as result from week_now
            union all
            select academic_year, measure_id, school_key, pupil_key,
                md5(string_agg(concat(z_value, '|', outcome_state), ';' order by concat(z_value, '|', outcome_state)))
            from intermediate.int_outcome
            where measure_id not in (select measure_id from intermediate.int_progress_input)
            group by all
            union all
            select academic_year, measure_id, school_key, pupil_key,
                md5(string_agg(inputs, ';' order by inputs))
            from (
                select *, concat_ws('|', baseline, outcome, sex, nc_year, in_measure) as inputs
                from intermediate.int_progress_input
            )
            group by all
        )
        select academic_year, family, school_key, pupil_key, coalesce(groups, '') as groups, result
        from came left join group_now using (academic_year, pupil_key)
        """
    )


def changed_rows(connection: duckdb.DuckDBPyConnection) -> None:
    """Fills `week_change` and `record_change`: rows that came since or differ from `week_kept` and `record_kept`."""
    for log in ("week", "record"):
        types, key = LOGS[log]
        columns = ", ".join(part.split()[0] for part in types.split(", "))
        same = " and ".join(f"k.{column} = n.{column}" for column in key)
        plain = columns.removesuffix(", is_removed")
        connection.execute(
            f"""
            create or replace temp table {log}_change as
            select {plain}, false as is_removed
            from (from {log}_now select {plain} except from {log}_kept select {plain})
            union all
            select {plain}, true as is_removed from {log}_kept as k
            where not exists (from {log}_now as n where {same})
            """
        )


def print_states(connection: duckdb.DuckDBPyConnection, table: str, records: str, weeks: str, version: int) -> None:
    """Replaces a table of `rule.STATE_DDL` by the state that two tables of records and weeks stand for.

    Records have a number in `record_number`. Attendance enters its week and every longer period that holds it; a result
    the year to date. Parameters: `version`, the entry whose last week of each year parts the past from what is later.
    """
    connection.execute(
        f"""
        create or replace temp table {table} as
        with record as (
            select r.*, i.record_id from ({records}) as r join record_number as i using ({", ".join(RECORD_KEY)})
        ),
        last_week as (
            select academic_year, max(week_start) filter (where sequence <= {version}) as of_version,
                max(week_start) as of_release
            from week_log group by academic_year
        ),
        zoned as (
            select r.record_id, w.academic_year, w.term, w.week_start, {", ".join(f"w.{count}" for count in COUNTS)},
                case when w.week_start <= l.of_version then 'past' when w.week_start <= l.of_release then 'mid'
                    else 'later' end as zone
            from ({weeks}) as w
            join record as r on r.family = '{ATTENDANCE}' and r.academic_year = w.academic_year
                and r.school_key = w.school_key and r.pupil_key = w.pupil_key
            left join last_week as l on l.academic_year = w.academic_year
        ),
        printed as (
            select counted.period, record_id, {_SUMMED}
            from zoned {PERIODS_OF_WEEK_SQL.format(week="zoned")} group by counted.period, record_id
            union all
            select strftime(week_start, 'W%G-%V'), record_id, {_SUMMED} from zoned
            where {IS_WEEK_SQL} group by week_start, record_id
            union all
            select 'YTD', record_id, hash(result)::uhugeint, 0::uhugeint, 0::uhugeint, true, false
            from record where family <> '{ATTENDANCE}'
        )
        select period, record_id, r.pupil_key, past, mid, later, counts_told, counts_later, g.cells
        from printed join record as r using (record_id)
        left join group_cells as g using (academic_year, family, school_key, groups)
        """
    )


def find_changed_records(connection: duckdb.DuckDBPyConnection) -> None:
    """Fills `changed_part`, `changed_record` and `changed_year` from the changed rows."""
    key = ", ".join(RECORD_KEY)
    connection.execute(
        f"""
        create or replace temp table told_week as
        select academic_year, max(week_start) as last_week from week_log group by academic_year;
        create or replace temp table changed_part as
        select {key}, 'past' as part from record_change
        where family <> '{ATTENDANCE}' or ({key}) in (select ({key}) from record_kept)
        union
        select w.academic_year, '{ATTENDANCE}', w.school_key, w.pupil_key,
            case when w.week_start <= t.last_week then 'past' else 'later' end
        from week_change as w left join told_week as t using (academic_year);
        create or replace temp table changed_record as select distinct {key} from changed_part;
        create or replace temp table changed_year as select distinct academic_year, family from changed_record;
        """
    )


def number_records(connection: duckdb.DuckDBPyConnection, *, every: bool) -> None:
    """Fills `record_number`.

    Parameters: `every`, whether all records of the changed years are numbered; the changed ones do where nothing is
    compared but the last release, from which the others do not differ.
    """
    key = ", ".join(RECORD_KEY)
    records = f"select {key} from record_now union select {key} from record_log"
    connection.execute(
        f"""
        create or replace temp table record_number as
        select {key}, row_number() over (order by {key}) as record_id
        from ({records if every else "from changed_record"}) semi join changed_year using (academic_year, family)
        """
    )


def list_cells_of_groups(connection: duckdb.DuckDBPyConnection) -> None:
    """Fills `group_cells`, the cells that a school's groups enter, of the records that have a number.

    A cell is `year|family|level|unit|dimension|value`; a school's records enter it, its trust and its authority. It is
    asked for only where something may wait: of 60,000 pupils the lists take gigabytes.
    """
    key = ", ".join(RECORD_KEY)
    connection.execute(
        f"""
        create or replace temp table group_cells as
        with grouped as (
            select distinct academic_year, family, school_key, groups
            from (select * from record_now union all select * exclude (sequence, is_removed) from record_log)
            semi join record_number using ({key})
        ),
        split as (select *, unnest(string_split(groups, ';')) as part from grouped)
        select s.academic_year, s.family, s.school_key, s.groups,
            list(concat_ws('|', s.academic_year, s.family, u.level, u.unit_code, split_part(s.part, '=', 1),
                split_part(s.part, '=', 3)) order by s.part, u.level, u.unit_code) as cells
        from split as s
        join (
            select school_key, level, unit_code from aggregates.school_unit
            union all select distinct school_key, 'model', '' from aggregates.school_unit
        ) as u using (school_key)
        group by all;
        """
    )
