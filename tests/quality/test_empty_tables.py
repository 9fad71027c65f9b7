"""A feed that has not come leaves empty tables: every kind of rule passes on them, and none counts as broken."""

from __future__ import annotations

from pathlib import Path

import duckdb

from quality.expectations import judge, open_source
from quality.rules import Between, Check, InSet, NotNull, RowsWhere, Rule, Unique


def test_every_kind_of_rule_passes_on_a_table_without_rows(tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.fct_session (enrolment_key varchar, session varchar, n integer)")
    checks: list[Check] = [
        NotNull("enrolment_key"),
        Unique(("enrolment_key",)),
        Unique(("enrolment_key", "session")),
        InSet("session", ("AM", "PM")),
        Between("n", 0, 1),
        RowsWhere("n > 1"),
    ]
    rules = [
        Rule(f"QM-9{number}0", "marts.fct_session", "A rule.", check, ("enrolment_key",))
        for number, check in enumerate(checks)
    ]
    assert [one.n_failing for one in judge(open_source(warehouse, {}), rules)] == [0] * len(rules)
