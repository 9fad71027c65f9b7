"""Decides, before a release is built, what the public tier may be told next, and lays it out for dbt's models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import duckdb

from ingest.registry import Registry
from quality.ledger import records, rule
from quality.ledger.hidden import BEFORE_DDL, write_before
from quality.ledger.records import ATTENDANCE, COUNTS, RECORD_KEY
from quality.ledger.store import Entry, Ledger

# Tables of figures of results, whose published rows stand where a result may not be told of yet.
RESULT_TABLES = ("measure_value", "gap", "progress_school", "progress_model", "coverage")
RESULTS_COVERAGE = "assessment_results"
# The sequence of the entry that a file lies in.
_SEQUENCE = "cast(regexp_extract(filename, '([0-9]{6})-[^/]*/[^/]*$', 1) as integer)"
# Schema `ledger` as dbt's models need it where nothing was ever published and nothing waits.
NO_LEDGER_SQL = f"""
create schema if not exists ledger;
create or replace table ledger.apart_year (academic_year varchar);
create or replace table ledger.basis_week (academic_year varchar, term varchar, week_start date, school_key varchar,
    pupil_key bigint, {", ".join(f"{count} integer" for count in COUNTS)});
create or replace table ledger.basis_group (academic_year varchar, school_key varchar, pupil_key bigint,
    group_dimension varchar, group_definition varchar, group_value varchar);
create or replace table ledger.standing (academic_year varchar, measure_id varchar);
{BEFORE_DDL}
"""


@dataclass(frozen=True)
class Decision:
    """What was decided for a release.

    Parameters: `release_id`; `before`, the id of the ledger's entry that it builds on (empty: none); `waiting`, pupils
    of whom something waits to be told of.
    """

    release_id: str
    before: str
    waiting: int


def decide(
    connection: duckdb.DuckDBPyConnection,
    registry: Registry,
    ledger: Ledger,
    as_of: date,
    release_id_of: Callable[[str], str],
) -> Decision:
    """Replaces schema `ledger` by what the public tier may be told of next.

    Parameters: `connection` to a warehouse of which dbt's first step is built; `as_of`, whose week is not closed yet;
    `release_id_of`, the id that a release has that builds on an entry of the ledger.
    Raises: `LedgerDamagedError`.
    """
    entries = entries_before(ledger, release_id_of)
    before = entries[-1].entry_id if entries else ""
    release_id = release_id_of(before)
    connection.execute("create or replace temp table ledger_facts as select ?::date as as_of", [as_of])
    records.read_logs(connection, [(entry.sequence, entry.folder) for entry in entries])
    records.read_arrivals(connection)
    head = entries[-1].sequence if entries else 0
    for log in ("week", "record"):
        connection.execute(f"create or replace temp table {log}_kept as {records.state_sql(log, str(head))}")
    records.changed_rows(connection)
    records.find_changed_records(connection)
    _let_move(connection, registry, head)
    connection.execute(NO_LEDGER_SQL)
    if _holds_back(registry):
        _write_basis(connection)
    else:
        _write_deltas(connection)
    write_before(connection, registry, entries)
    _write_standing(connection, entries)
    _write_publication(connection, entries, release_id, as_of)
    waiting = _count(
        connection,
        f"""
        select count(distinct pupil_key) from (
            from changed_part as c anti join moving_part using ({", ".join(RECORD_KEY)}, part)
        )
        """,
    )
    connection.execute(
        "create or replace table ledger.decision as select ? as release_id, ? as before, ? as waiting",
        [release_id, before, waiting],
    )
    return Decision(release_id, before, waiting)


def read_decision(connection: duckdb.DuckDBPyConnection) -> Decision | None:
    """What was decided for the release that the warehouse holds, or None where nothing was."""
    known = "select 1 from information_schema.tables where table_schema = 'ledger' and table_name = 'decision'"
    if not connection.execute(known).fetchone():
        return None
    found = connection.execute("select release_id, before, waiting from ledger.decision").fetchone()
    return None if found is None else Decision(str(found[0]), str(found[1]), int(found[2]))


def entries_before(ledger: Ledger, release_id_of: Callable[[str], str]) -> list[Entry]:
    """The entries that a release builds on: all, but for its own where a run was stopped after writing it."""
    entries = ledger.entries()
    if entries and entries[-1].release_id == release_id_of(entries[-1].before):
        return entries[:-1]
    return entries


def _let_move(connection: duckdb.DuckDBPyConnection, registry: Registry, head: int) -> None:
    """Fills `moving_part`, the changed parts of records that may be told of: all where the registry holds none back."""
    key = ", ".join(RECORD_KEY)
    versions = _versions(connection, head) if head else []
    records.number_records(connection, every=len(versions) > 1)
    connection.execute(rule.STATE_DDL)
    connection.execute(
        f"insert into moving select record_id, pupil_key, part from record_number join changed_part using ({key})"
    )
    if _holds_back(registry) and versions and _count(connection, "select count(*) from moving"):
        records.list_cells_of_groups(connection)

        def load(version: int) -> None:
            weeks, held = (records.state_sql(log, str(version)) for log in ("week", "record"))
            records.print_states(connection, "arriving", "from record_now", "from week_now", version)
            records.print_states(connection, "kept", "from record_kept", "from week_kept", version)
            records.print_states(connection, "published", held, weeks, version)
            connection.execute(f"create or replace temp table shown as {_shown_sql(version)}")

        rule.admit(connection, versions, load, int(registry.data["disclosure"]["minimum_pupils"]["public"]))
    connection.execute(
        f"""
        create or replace temp table moving_part as
        select {key}, m.part
        from record_number join (select record_id, part from moving) as m using (record_id);
        create or replace temp table standing_family as
        select distinct academic_year, family from changed_part anti join moving_part using ({key}, part)
        where family <> '{ATTENDANCE}';
        -- A model moves with every pupil in it, so of a measure of results all that came is told of or nothing.
        delete from moving_part using standing_family as s
        where moving_part.academic_year = s.academic_year and moving_part.family = s.family;
        """
    )


def _shown_sql(version: int) -> str:
    return (
        f"select distinct period, cell from ({records.state_sql('cell', str(version))}) "
        "where cell is not null and status <> 'c'"
    )


def _versions(connection: duckdb.DuckDBPyConnection, head: int) -> list[int]:
    """The versions to compare with, the last first: every one, since a sum may go back to what it once was."""
    older = connection.execute(
        "select distinct sequence from cell_log where sequence < ? order by sequence desc", [head]
    ).fetchall()
    return [head, *(int(row[0]) for row in older)]


def _write_deltas(connection: duckdb.DuckDBPyConnection) -> None:
    """By which rows what the public tier counts next differs from what it counted."""
    key = ", ".join(RECORD_KEY)
    connection.execute(
        f"""
        create or replace table ledger.record_delta as
        select c.* from record_change as c
        semi join (
            from moving_part where part = 'past' or ({key}) not in (select ({key}) from record_kept)
        ) as m using ({key}) order by all;
        create or replace temp table moving_week as
        select c.* from week_change as c left join told_week as t using (academic_year)
        semi join (from moving_part where family = '{ATTENDANCE}') as m
            on m.academic_year = c.academic_year and m.school_key = c.school_key and m.pupil_key = c.pupil_key
            and m.part = case when c.week_start <= t.last_week then 'past' else 'later' end;
        create or replace table ledger.week_delta as from moving_week order by all;
        """
    )


def _write_basis(connection: duckdb.DuckDBPyConnection) -> None:
    """What the public tier counts next, in the years of which it does not count all that came."""
    _write_deltas(connection)
    key = ", ".join(RECORD_KEY)
    mine = "academic_year, school_key, pupil_key"
    week = ", ".join(records.WEEK_KEY)
    connection.execute(
        f"""
        insert into ledger.apart_year
        select academic_year from changed_part anti join moving_part using ({key}, part)
        where family = '{ATTENDANCE}'
        union
        select academic_year from (
            select academic_year, week_start from intermediate.int_enrolment_week
            union all select academic_year, week_start from ({records.TOTALS_SQL})
        )
        where week_start >= (select date_trunc('week', as_of) from ledger_facts);
        insert into ledger.basis_week by name
        select * from (
            select * from week_kept anti join moving_week using ({week})
            union all by name
            select * exclude (is_removed) from moving_week where not is_removed
        ) semi join ledger.apart_year using (academic_year)
        order by all;
        insert into ledger.basis_group
        select academic_year, school_key, pupil_key, split_part(part, '=', 1), split_part(part, '=', 2),
            split_part(part, '=', 3)
        from (
            select {mine}, unnest(string_split(groups, ';')) as part from (
                select * from record_kept anti join ledger.record_delta using ({key})
                union all by name
                select * exclude (is_removed) from ledger.record_delta where not is_removed
            ) semi join ledger.apart_year using (academic_year)
            where family = '{ATTENDANCE}' and groups <> ''
        ) order by all;
        """
    )


def _write_standing(connection: duckdb.DuckDBPyConnection, entries: list[Entry]) -> None:
    """The measures of results that stand, with their rows as they were published last."""
    connection.execute("insert into ledger.standing select academic_year, family from standing_family order by all")
    for table in RESULT_TABLES:
        connection.execute(f"drop table if exists ledger.published_{table}")
    if not _count(connection, "select count(*) from ledger.standing"):
        return
    for table in RESULT_TABLES:
        family = f"'{RESULTS_COVERAGE}'" if table == "coverage" else "measure_id"
        connection.execute(
            f"""
            create or replace table ledger.published_{table} as
            with copies as (
                select *, {family} as family, {_SEQUENCE} as sequence
                from read_parquet(?, filename = true)
            ),
            standing as (
                select academic_year, measure_id as family from ledger.standing
                union select distinct academic_year, '{RESULTS_COVERAGE}' from ledger.standing
            )
            select c.* exclude (family, sequence, filename)
            from copies as c semi join standing using (academic_year, family)
            qualify sequence = max(sequence) over (partition by academic_year, family)
            order by all
            """,
            [[str(entry.folder / f"{table}.parquet") for entry in entries]],
        )


def _write_publication(
    connection: duckdb.DuckDBPyConnection, entries: list[Entry], release_id: str, as_of: date
) -> None:
    """`ledger.publication`: per academic year, period and family of measures, the release that last changed its rows,
    and how often what was published has been corrected since.
    """
    connection.execute(
        """
        create or replace temp table publication_before (academic_year varchar, period varchar, family varchar,
            revision integer, published_release varchar, as_of date)
        """
    )
    if entries:
        path = str(entries[-1].folder / "publication.parquet")
        connection.execute("insert into publication_before from read_parquet(?)", [path])
    connection.execute(
        f"""
        create or replace table ledger.publication as
        with last_week as (select academic_year, max(week_start) as week_start from week_log group by academic_year),
        part as (
            select c.academic_year, c.term, c.week_start,
                coalesce(c.week_start <= l.week_start, false) as is_correction, false as is_regrouped
            from ledger.week_delta as c left join last_week as l using (academic_year)
            union all
            -- Another group: every week of the record counts elsewhere now.
            select w.academic_year, w.term, w.week_start, true, true
            from week_kept as w
            semi join (
                from ledger.record_delta as d semi join record_kept using ({", ".join(RECORD_KEY)})
                where family = '{ATTENDANCE}'
            ) as d using (academic_year, school_key, pupil_key)
        ),
        touched as (
            select p.academic_year, counted.period, '{ATTENDANCE}' as family, p.is_correction
            from part as p {records.PERIODS_OF_WEEK_SQL.format(week="p")}
            -- Half-terms and weeks are told of everybody alone.
            where not (p.is_regrouped and left(counted.period, 2) = 'HT')
            union all select academic_year, strftime(week_start, 'W%G-%V'), '{ATTENDANCE}', is_correction from part
            where not is_regrouped and {records.IS_WEEK_SQL}
            union all select academic_year, 'YTD', family, true from ledger.record_delta where family <> '{ATTENDANCE}'
        ),
        moved as (
            select academic_year, period, family, bool_or(is_correction) as is_correction from touched group by all
        )
        select
            coalesce(m.academic_year, b.academic_year) as academic_year,
            coalesce(m.period, b.period) as period,
            coalesce(m.family, b.family) as family,
            case when b.revision is null then 1 else b.revision + coalesce(m.is_correction::integer, 0) end as revision,
            case when m.period is null then b.published_release else ? end as published_release,
            case when m.period is null then b.as_of else ?::date end as as_of
        from moved as m full outer join publication_before as b
            on m.academic_year = b.academic_year and m.period = b.period and m.family = b.family
        order by all
        """,
        [release_id, as_of],
    )


def _holds_back(registry: Registry) -> bool:
    return bool(registry.data["disclosure"]["ledger"]["holds_back"])


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    found = connection.execute(query).fetchone()
    return int(found[0]) if found else 0
