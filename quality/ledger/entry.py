"""Writes down what a release tells the public: cells, who went into them, and the rows of results as they were
shown."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import duckdb

from quality.ledger import records
from quality.ledger.decision import RESULT_TABLES, RESULTS_COVERAGE, Decision, entries_before
from quality.ledger.hidden import find_changed_hidden
from quality.ledger.records import ATTENDANCE
from quality.ledger.store import Ledger

_BATCH_ROWS = 100_000
_UNIT = "concat_ws('|', t.academic_year, {family}, {level}, {unit}, {dimension}, {value})"
# Per public table: its key, the family of a row, and the cell whose pupils it counts (NULL: told of by another
# table's).
_TABLES = {
    "measure_value": (
        "academic_year, period, level, unit_code, measure_id, definition_version, group_definition, group_dimension, "
        "group_value",
        "case when measure_id in (select measure_id from attendance_measure) then '{attendance}' else measure_id end",
        ("level", "unit_code", "group_dimension", "group_value"),
    ),
    "gap": (
        "academic_year, period, level, unit_code, measure_id, definition_version, group_definition, group_dimension, "
        "group_value, comparator",
        "case when measure_id in (select measure_id from attendance_measure) then '{attendance}' else measure_id end",
        None,
    ),
    "progress_school": (
        "academic_year, measure_id, school_key",
        "measure_id",
        ("'school'", "coalesce(urn, school_key)", "'all'", "'all'"),
    ),
    "progress_model": ("academic_year, measure_id, method", "measure_id", ("'model'", "''", "'all'", "'all'")),
    "coverage": (
        "academic_year, period, feed, school_key",
        "case when feed in ('session_marks', 'attendance_totals') then '{attendance}' else feed end",
        None,
    ),
}


@dataclass(frozen=True)
class Facts:
    """What an entry says of the run that wrote it: the day it was made for, the inputs' fingerprint, and a hash of the
    thresholds by which cells were hidden."""

    as_of: str
    input_fingerprint: str
    thresholds: str


def append(
    connection: duckdb.DuckDBPyConnection,
    ledger: Ledger,
    decision: Decision,
    attendance_measures: list[str],
    facts: Facts,
) -> str:
    """Adds the entry of a release that is about to be published; returns the id of the ledger's last entry.

    Nothing is added where the public tier tells what it told before. An entry that a stopped run left for this very
    release is taken as it is.
    Parameters: `connection` to the warehouse, whose exports are built and whose schema `ledger` holds what was decided.
    Raises: `LedgerDamagedError`.
    """
    last = ledger.last()
    if last is not None and last.release_id == decision.release_id and last.before == decision.before:
        return last.entry_id
    earlier = entries_before(ledger, lambda before: decision.release_id if before == decision.before else "")
    records.read_logs(connection, [(entry.sequence, entry.folder) for entry in earlier])
    _find_changed_cells(connection, attendance_measures)
    find_changed_hidden(connection)
    tables = ("changed_cell", "changed_hidden", "ledger.record_delta", "ledger.week_delta")
    changed = sum(_rows(connection, table) for table in tables)
    if not changed:
        return decision.before
    said = {**vars(facts), "waiting": decision.waiting}
    return ledger.append(decision.release_id, said, lambda folder: _write_files(connection, folder)).entry_id


def _find_changed_cells(connection: duckdb.DuckDBPyConnection, attendance_measures: list[str]) -> None:
    """Fills temp table `changed_cell`: rows of the public tier that are new, gone or say something else than before."""
    connection.execute(
        "create or replace temp table attendance_measure as select unnest(?::varchar[]) as measure_id",
        [attendance_measures],
    )
    connection.execute(f"create or replace temp table cell_now ({', '.join(records.LOGS['cell'][0].split(', ')[:-1])})")
    for table, (key, family, cell) in _TABLES.items():
        family = family.format(attendance=ATTENDANCE)
        parts = dict(zip(("level", "unit", "dimension", "value"), cell or (), strict=False))
        cell_sql = "null" if cell is None else _UNIT.format(family="t.family", **parts)
        period = "period" if "period" in key else "'YTD'"
        connection.execute(
            f"""
            insert into cell_now
            with told as (
                select *, {family} as family, {_row_key_sql(key)} as row_key,
                    md5(cast(to_json(t) as varchar)) as value_hash
                from exports_public.{table} as t
            )
            select '{table}', t.row_key, t.academic_year, {"t." + period if period == "period" else period}, t.family,
                {cell_sql}, t.status, t.value_hash, coalesce(p.revision, 1)
            from told as t
            left join ledger.publication as p on p.academic_year = t.academic_year and p.family = t.family
                and p.period = {"t." + period if period == "period" else period}
            """
        )
    told = records.state_sql("cell", "(select coalesce(max(sequence), 0) from cell_log)")
    connection.execute(
        f"""
        create or replace temp table changed_cell as
        select *, false as is_removed from (from cell_now except from ({told}))
        union all
        select *, true from ({told}) as told anti join cell_now using (table_name, row_key)
        """
    )


def _row_key_sql(key: str) -> str:
    """The key of a row of `t` as the pattern writes it."""
    return "concat(" + ", '|', ".join(f"coalesce(cast(t.{column} as varchar), '')" for column in key.split(", ")) + ")"


def _write_files(connection: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, str]:
    """Writes an entry's Parquet files; returns the content hash of each by its name."""
    queries = {
        "record": "from ledger.record_delta",
        "week": "from ledger.week_delta",
        "cell": "from changed_cell",
        "hidden": "from changed_hidden",
        "publication": "from ledger.publication",
    }
    changed = "(select distinct academic_year, family from changed_cell)"
    for table in RESULT_TABLES:
        family = f"'{RESULTS_COVERAGE}'" if table == "coverage" else "measure_id"
        only = f"and feed = '{RESULTS_COVERAGE}'" if table == "coverage" else ""
        # With the reason why a row is hidden: a copy that stands has no figure left to find it by.
        queries[table] = f"""
            select t.*, p.row_key as hidden_key, p.reason as hidden_reason, p.rule_id as hidden_rule
            from exports_public.{table} as t
            left join (
                select row_key, min(reason) as reason, min(rule_id) as rule_id from disclosure.pattern
                where tier = 'public' and table_name = '{table}' group by row_key
            ) as p on p.row_key = {_row_key_sql(_TABLES[table][0])}
            where (t.academic_year, {family}) in {changed} {only}
        """
    return {f"{name}.parquet": _write(connection, query, folder / f"{name}.parquet") for name, query in queries.items()}


def _write(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> str:
    """Writes a query's rows in the order of all their columns; returns the hash of their text in that order."""
    target = str(path).replace("'", "''")
    connection.execute(f"copy (from ({query}) order by all) to '{target}' (format parquet, compression zstd)")
    digest = hashlib.sha256()
    reader = connection.execute(
        "select cast(to_json(t) as varchar) as line from read_parquet(?) as t", [str(path)]
    ).to_arrow_reader(_BATCH_ROWS)
    for batch in reader:
        digest.update("".join(f"{line}\n" for line in batch.column(0).to_pylist()).encode())
    return digest.hexdigest()


def _rows(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    found = connection.execute(f"select count(*) from {table}").fetchone()
    return int(found[0]) if found else 0
