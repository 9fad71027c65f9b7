"""Every rule fails on the fault that it is there for, on no other, and with the right count."""

from __future__ import annotations

import re

import duckdb
import pytest

from quality.rules import Rule, failing_rows_sql
from tests.quality.faults import FAULTS, Fault


def failing(connection: duckdb.DuckDBPyConnection, rules: list[Rule]) -> dict[str, int]:
    counts = {
        f"{rule.rule_id}@{rule.table}": connection.execute(
            f"select count(*) from ({failing_rows_sql(rule)})"
        ).fetchall()[0][0]
        for rule in rules
    }
    return {name: count for name, count in counts.items() if count}


def test_no_rule_fails_on_a_warehouse_that_keeps_its_promises(
    scratch: duckdb.DuckDBPyConnection, rules: list[Rule]
) -> None:
    assert failing(scratch, rules) == {}


def test_every_rule_has_a_fault_that_it_is_shown_to_fail_on(rules: list[Rule]) -> None:
    shown = {name for fault in FAULTS for name in fault.fails}
    assert {f"{rule.rule_id}@{rule.table}" for rule in rules} == shown


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_fails_exactly_the_rules_that_name_it(
    scratch: duckdb.DuckDBPyConnection, rules: list[Rule], fault: Fault
) -> None:
    touched = set(re.findall(r"\b(?:lake|raw|marts|disclosure|exports_\w+)\.\w+", fault.sql))
    # In this warehouse nothing waits to be told: what the public tier may be told of is a view of the marts.
    touched |= {table.replace("marts.", "public_basis.") for table in touched}
    if "alter table" in fault.sql:
        touched.add("information_schema.columns")
    concerned = [rule for rule in rules if any(table in failing_rows_sql(rule) for table in touched)]
    scratch.execute("begin")
    try:
        scratch.execute(fault.sql)
        assert failing(scratch, concerned) == fault.fails
    finally:
        scratch.execute("rollback")


def test_every_rule_tells_people_what_must_hold_and_finds_its_rows_again(rules: list[Rule]) -> None:
    for rule in rules:
        assert re.fullmatch(r"(QR|QM|QX|RC)-\d{3}", rule.rule_id)
        assert rule.sentence.endswith(".")
        assert rule.sentence[0].isupper() or rule.sentence.split()[0] in failing_rows_sql(rule)
        assert rule.key


def test_rules_hold_on_tables_without_rows(scratch: duckdb.DuckDBPyConnection, rules: list[Rule]) -> None:
    """London has no attendance: its marts are there, with no row."""
    empty = [
        "marts.fct_session",
        "marts.attendance_enrolment_year",
        "marts.attendance_pupil_year",
        "marts.absence_spell",
        "marts.attendance_signal",
        "marts.attendance_signal_backtest",
        "marts.gap",
        "exports_public.gap",
        "exports_leaders.gap",
        "marts.coverage",
    ]
    scratch.execute("begin")
    try:
        for table in empty:
            scratch.execute(f"delete from {table}")
        scratch.execute("delete from disclosure.pattern where table_name = 'gap'")
        assert failing(scratch, [rule for rule in rules if rule.table in empty]) == {}
    finally:
        scratch.execute("rollback")
