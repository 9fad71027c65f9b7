"""A warehouse made by hand: two schools, four pupils, two academic years, every table a release needs."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb

from ingest.settings import Settings, load_settings
from orchestration.fingerprint import RunInput
from orchestration.release_tables import GRAIN, LEADERS_TABLES, PUBLIC_TABLES

GATE = {"n_results": 3, "n_failed": 0, "n_warnings": 1}
_DATE_KEYS = ("session_date", "valid_from", "result_date", "start_date", "signal_date")
_TEXT_KEYS = {"pupil_key": "BIGINT", **dict.fromkeys(_DATE_KEYS, "DATE")}
_WITH_URN = {
    "absence_spell",
    "attendance_signal",
    "fct_enrolment",
    "attendance_enrolment_year",
    "attendance_pupil_year",
    "progress_pupil",
    "progress_school",
    "dim_school",
}
_WITH_SCHOOL_KEY = {"assessment_result"}


def settings_for(home: Path) -> Settings:
    """Settings of a small home on one thread."""
    return load_settings(home, threads=1, memory_limit="500MB")


_LOSS = "SELECT '2025/26' AS academic_year, 'gap' AS table_name, 'school' AS level, 'any' AS reason, 0 AS hidden"


def inputs_on(day: date, code: str = "code") -> RunInput:
    """The inputs of a run on a day."""
    return RunInput((("d1", "p1", "2026-01-01", False),), day, "key", code, "registry")


def build(connection: duckdb.DuckDBPyConnection, *, mark: str = "/", slices: tuple[str, str] = ("s1", "s2")) -> None:
    """Fills an empty or older warehouse.

    Parameters: `mark`, the mark of one session of 2025/26; `slices`, the slice fingerprints of 2024/25 and 2025/26.
    """
    for schema in ("lake", "marts", "disclosure", "exports_public", "exports_leaders"):
        connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        connection.execute(f"CREATE SCHEMA {schema}")
    connection.execute(
        "CREATE TABLE disclosure.pattern (tier VARCHAR, table_name VARCHAR, row_key VARCHAR, reason VARCHAR, "
        "rule_id VARCHAR)"
    )
    for name, key in GRAIN.items():
        columns = [f"{column} {_TEXT_KEYS.get(column, 'VARCHAR')}" for column in key]
        if name in _WITH_URN:
            columns.append("urn VARCHAR")
        if name in _WITH_SCHOOL_KEY:
            columns.append("school_key VARCHAR")
        if name not in ("dim_school", "fct_session", "coverage", "disclosure_loss"):
            connection.execute(f"CREATE TABLE marts.{name} ({', '.join(columns)}, status VARCHAR)")
    connection.execute(
        "CREATE TABLE marts.dim_school AS SELECT * FROM "
        "(VALUES ('A', '100001', '3520001'), ('B', '100002', '3520002')) AS t (school_key, urn, laestab)"
    )
    connection.execute(
        "CREATE TABLE marts.fct_session AS SELECT * FROM (VALUES "
        f"('e1', 1, '100001', DATE '2024-09-03', 'AM', '/', '{slices[0]}'), "
        f"('e1', 1, '100001', DATE '2025-09-03', 'AM', '{mark}', '{slices[1]}'), "
        f"('e1', 1, '100001', DATE '2025-09-03', 'PM', 'N', '{slices[1]}')) "
        "AS t (enrolment_key, pupil_key, urn, session_date, session, code, slice_fingerprint)"
    )
    connection.execute(
        "CREATE TABLE marts.coverage AS SELECT * FROM (VALUES ('2025/26', 'YTD', 'session_marks', 'A', 10, 10, 'ok'), "
        "('2025/26', 'YTD', 'session_marks', 'B', 10, 0, 'x')) "
        "AS t (academic_year, period, feed, school_key, expected, received, status)"
    )
    connection.execute("INSERT INTO marts.fct_enrolment VALUES ('e1', '100001', 'ok'), ('e2', '100002', 'ok')")
    connection.execute(
        "INSERT INTO marts.assessment_result VALUES (1, 'test', 'maths', 'all', DATE '2026-06-01', 'A', 'ok')"
    )
    connection.execute(
        "INSERT INTO marts.measure_value (academic_year, period, level, unit_code, measure_id, definition_version, "
        "group_definition, group_dimension, group_value) VALUES "
        "('2025/26', 'YTD', 'school', '100001', 'm', '1', 'all', 'all', 'all'), "
        "('2025/26', 'YTD', 'trust', 'T1', 'm', '1', 'all', 'all', 'all')"
    )
    for schema, names in (("exports_public", PUBLIC_TABLES), ("exports_leaders", LEADERS_TABLES)):
        for name in names:
            source = f"SELECT * FROM marts.{name}" if name != "disclosure_loss" else _LOSS
            connection.execute(f"CREATE TABLE {schema}.{name} AS {source}")
    add_lake(connection)


def add_lake(connection: duckdb.DuckDBPyConnection) -> None:
    """The tables of schema lake that publishing asks, empty."""
    connection.execute(
        "CREATE TABLE lake.delivery (delivery_id VARCHAR, parse_id VARCHAR, feed VARCHAR, laestab VARCHAR, "
        "file_name VARCHAR, extracted_at TIMESTAMP, is_held BOOLEAN, held_reason VARCHAR, accepted_path VARCHAR)"
    )
    connection.execute(
        "CREATE TABLE lake.refusal (refusal_id VARCHAR, file_name VARCHAR, feed VARCHAR, sentence VARCHAR)"
    )
    connection.execute("CREATE TABLE lake.identity (pupil_ref BIGINT, pupil_key BIGINT)")


def add_pupil_list(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """One pupil list per school in the lake: pupil 1 in A as Ada, pupil 2 in B as Ben."""
    for delivery_id, laestab, ref, forename in (("p1", "3520001", 11, "Ada"), ("p2", "3520002", 12, "Ben")):
        path = folder / f"{delivery_id}.parquet"
        connection.execute(
            f"COPY (SELECT '{delivery_id}' AS delivery_id, 2 AS line, '{laestab}' AS laestab, "
            f"DATE '2025-10-02' AS as_at_date, {ref}::BIGINT AS pupil_ref, 'X' AS upn, 'Surname' AS surname, "
            f"'{forename}' AS forename, DATE '2015-01-01' AS dob) "
            f"TO '{path}' (FORMAT parquet)"
        )
        connection.execute(
            "INSERT INTO lake.delivery VALUES (?, '', 'pupils', ?, 'list.csv', TIMESTAMP '2025-10-02', FALSE, NULL, ?)",
            [delivery_id, laestab, str(path)],
        )
    connection.execute("INSERT INTO lake.identity VALUES (11, 1), (12, 2)")
