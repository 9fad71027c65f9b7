"""The keys of failing rows, found by our own SQL.

Great Expectations keeps at most 200 of them, and the queries it gives to find the rest are wrong with a row condition.
The keys are pseudonymous but still personal data. They go to one restricted file and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import sqlalchemy
from sqlalchemy import text

from quality.results import BrokenGateError
from quality.rules import Rule, failing_rows_sql, literal

_KEYS = "temp.gate_failing_key"
_SCHOOLS = "temp.gate_school"


class FailingKeys:
    """Collects failing keys in temporary tables of the gate's own connection, which spill to disk; writes them once."""

    def __init__(self, connection: sqlalchemy.Connection) -> None:
        self._connection = connection
        self._run(
            'create temp table gate_failing_key (rule_id varchar, table_name varchar, school varchar, "key" varchar)'
        )
        self._run(
            "create temp table gate_school as select code, min(urn) as urn from ("
            "select urn as code, urn from marts.dim_school union all "
            "select school_key, urn from marts.dim_school where school_key not in (select urn from marts.dim_school "
            "where urn is not null) "
            "union all select laestab, urn from marts.dim_school) where code is not null group by code"
        )

    def _run(self, statement: str) -> None:
        self._connection.exec_driver_sql(statement)
        self._connection.commit()

    def collect(self, rule: Rule, expected: int) -> dict[str | None, int]:
        """Finds the failing rows of a rule and returns their number by school (URN, or None where no school is known).

        Parameters: `expected`, the count that the expectation gave.
        Raises: `BrokenGateError` where the two counts differ, for then neither can be believed.
        """
        key = ", ".join(f"{column} := {column}" for column in rule.key)
        school = (
            "null"
            if rule.school is None
            else f"(select s.urn from {_SCHOOLS} as s where s.code = cast(failing.{rule.school} as varchar))"
        )
        self._run(
            f"insert into {_KEYS} select {literal(rule.rule_id)}, {literal(rule.table)}, {school}, "
            f"cast(to_json(struct_pack({key})) as varchar) from ({failing_rows_sql(rule)}) as failing"
        )
        return self._counted(rule.rule_id, rule.table, expected)

    def record(
        self, rule_id: str, table: str, keys: Iterable[Mapping[str, str]], expected: int
    ) -> dict[str | None, int]:
        """Records keys that were found outside the warehouse (files of the lake); otherwise as `collect`."""
        for key in keys:
            packed = ", ".join(f"{name} := {literal(value)}" for name, value in key.items())
            self._run(
                f"insert into {_KEYS} select {literal(rule_id)}, {literal(table)}, null, "
                f"cast(to_json(struct_pack({packed})) as varchar)"
            )
        return self._counted(rule_id, table, expected)

    def rows_by_school(self, rule: Rule) -> dict[str | None, int]:
        """The number of rows of a rule's table by school (URN)."""
        rows = self._connection.exec_driver_sql(
            f"select s.urn, count(*) from {rule.table} as t left join {_SCHOOLS} as s on s.code = "
            f"cast(t.{rule.school} as varchar) group by all"
        ).fetchall()
        return {row[0]: int(row[1]) for row in rows}

    def _counted(self, rule_id: str, table: str, expected: int) -> dict[str | None, int]:
        rows = self._connection.execute(
            text(
                f"select school, count(*) from {_KEYS} where rule_id = :rule_id and table_name = :table_name group "
                f"by school order by school"
            ),
            {"rule_id": rule_id, "table_name": table},
        ).fetchall()
        by_school = {row[0]: int(row[1]) for row in rows}
        found = sum(by_school.values())
        if found != expected:
            raise BrokenGateError(
                f"Rule {rule_id} on {table}: the expectation counted {expected} failing rows, our own SQL {found}; "
                f"the gate is broken, mend the rule in quality/suites."
            )
        return by_school

    def write(self, path: Path) -> None:
        """Writes every key collected so far to one Parquet file that only its owner may read (mode 0600)."""
        path.parent.mkdir(parents=True, exist_ok=True)
        before = os.umask(0o077)
        try:
            self._run(
                f'copy (select rule_id, table_name, "key" from {_KEYS} order by all) to {literal(str(path))} (format '
                f"parquet)"
            )
        finally:
            os.umask(before)
        path.chmod(0o600)
