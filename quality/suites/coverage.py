"""Expectations on the coverage of trusts and local authorities, and on what each tier is told of it."""

from __future__ import annotations

from ingest.registry import Registry
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
                "pupils_received + fewest_pupils_missing * (schools - schools_received) > pupils"
            ),
            key,
        ),
        Rule("QM-138", table, "A unit's coverage is known or is not.", InSet("status", ("ok", "x")), key),
    ]


def told_coverage_rules(tier: str, registry: Registry) -> list[Rule]:
    """The rules of a tier's `unit_coverage`: the mart's rows, and no share that tells a count which the tier hides."""
    table, key = f"exports_{tier}.unit_coverage", UNIT_COVERAGE_KEY
    least = int(registry.data["disclosure"]["minimum_pupils"][tier])
    columns = ", ".join(f"coalesce(e.{column}, m.{column}) as {column}" for column in key)
    same_key = " and ".join(f"m.{column} = e.{column}" for column in key)
    tells_too_much = (
        f"m.fewest_pupils_missing < {least} or m.pupils_received < {least} "
        f"or e.rounded_to is null or e.rounded_to * m.pupils < {100 * least} "
        "or e.pupils_percent not between e.rounded_to and 100 - e.rounded_to "
        "or abs(e.pupils_percent * m.pupils - 100 * m.pupils_received) > e.rounded_to * m.pupils"
    )
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
        Rule(
            "QX-071",
            table,
            f"A share of pupils rests on no count under {least}, and each of its steps holds as many pupils.",
            Rows(
                f"select {columns} from judged as e join marts.unit_coverage as m on {same_key} "
                f"where e.pupils_percent is not null and m.schools_received < m.schools "
                f"and ({tells_too_much}) is not false"
            ),
            key,
        ),
        Rule(
            "QX-072",
            table,
            "A share of pupils is told, or its status says why not; where every school sent registers it is all.",
            RowsWhere(
                "status is null or status not in ('ok', 'c', 'x') or (status = 'ok') <> (pupils_percent is not null) "
                "or (schools_received = schools and (pupils_percent is distinct from 100 or rounded_to is not null))"
            ),
            key,
        ),
    ]
