"""Expectations on the coverage of trusts and local authorities, and on what each tier is told of it."""

from __future__ import annotations

from quality.rules import InSet, Rows, RowsWhere, Rule, Unique

UNIT_COVERAGE_KEY = ("academic_year", "period", "level", "unit_code")


def unit_coverage_rules() -> list[Rule]:
    """The rules of `marts.unit_coverage`."""
    table, key = "marts.unit_coverage", UNIT_COVERAGE_KEY
    return [
        Rule("QM-135", table, "A unit's coverage stands once for each year and period.", Unique(key), key),
        Rule(
            "QM-136",
            table,
            "At least one of a unit's schools sent registers, and no more than there are.",
            RowsWhere("schools_received is null or schools is null or schools_received not between 1 and schools"),
            key,
        ),
        Rule(
            "QM-137",
            table,
            "Pupils are counted where a school is lacking and every school gave a list, and the lacking are among "
            "them.",
            RowsWhere(
                "(schools_received = schools or status = 'x') <> (pupils is null) or "
                "pupils_received + schools - schools_received > pupils"
            ),
            key,
        ),
        Rule("QM-138", table, "A unit's coverage is known or is not.", InSet("status", ("ok", "x")), key),
    ]


def told_coverage_rules(tier: str) -> list[Rule]:
    """The rule of a tier's `unit_coverage`: it tells what the mart has of schools. Its contract has no pupils."""
    table, key = f"exports_{tier}.unit_coverage", UNIT_COVERAGE_KEY
    columns = ", ".join(f"coalesce(e.{column}, m.{column}) as {column}" for column in key)
    same_key = " and ".join(f"m.{column} = e.{column}" for column in key)
    return [
        Rule(
            "QX-070",
            table,
            "Every row of the mart is told once, with its counts of schools.",
            Rows(
                f"select {columns} from judged as e full join marts.unit_coverage as m on {same_key} "
                "where (e.schools, e.schools_received) is distinct from (m.schools, m.schools_received)"
            ),
            key,
        ),
    ]
