"""Expectations on attendance by status: every definition counts the same sessions, each in one group."""

from __future__ import annotations

from ingest.registry import Registry
from quality.rules import Between, Rows, RowsWhere, Rule, Unique, within_interval

TABLE = "marts.attendance_by_status"
_UNIT = ("academic_year", "period", "level", "unit_code", "measure_id", "definition_version")
KEY = (*_UNIT, "group_definition", "group_dimension", "group_value")


def status_rules(registry: Registry) -> list[Rule]:
    """The rules of the table by itself, for the suite of schema `marts`."""
    shares = ", ".join(f"'{m['measure_id']}'" for m in registry.measures if m["kind"] == "proportion")
    return [
        Rule("QM-220", TABLE, "A figure of a status stands once.", Unique(KEY), KEY, "unit_code"),
        Rule("QM-221", TABLE, "A rate is between 0 and 100.", Between("value", 0, 100), KEY, "unit_code"),
        Rule(
            "QM-222",
            TABLE,
            "A figure that is ok has pupils, a value and an interval; one that is withheld has no interval.",
            RowsWhere("(status = 'ok' and (value is null or n < 1)) or (status = 'ok') <> (ci_low is not null)"),
            KEY,
            "unit_code",
        ),
        Rule(
            "QM-223",
            TABLE,
            "Nobody is persistently absent in a part of the year.",
            RowsWhere(f"group_definition like '%@session' and measure_id in ({shares})"),
            KEY,
            "unit_code",
        ),
        within_interval("QM-224", TABLE, "ci_low", "value", "ci_high", KEY, "unit_code"),
    ]


def status_equations() -> list[Rule]:
    """The equations with other tables, for the suite of reconciliation."""
    return [
        Rule(
            "RC-033",
            TABLE,
            "A school's groups of one definition add up to all its pupils; at each session, where there are no totals.",
            Rows(
                f"select {', '.join(KEY)} from judged where level = 'school' and "
                "(academic_year, period, unit_code, measure_id, group_definition) in ("
                "select (g.academic_year, g.period, g.unit_code, g.measure_id, g.group_definition) from ("
                "select academic_year, period, unit_code, measure_id, group_definition, sum(numerator) as numerator, "
                "sum(denominator) as denominator from judged where level = 'school' group by all) as g "
                "join marts.measure_value as v on v.level = 'school' and v.group_dimension = 'all' "
                "and v.academic_year = g.academic_year and v.period = g.period and v.unit_code = g.unit_code "
                "and v.measure_id = g.measure_id "
                "where (g.numerator <> v.numerator or g.denominator <> v.denominator) "
                "and not (g.group_definition like '%@session' and (g.academic_year, g.unit_code) in "
                "(select (t.academic_year, s.urn) from intermediate.int_term_total as t "
                "join marts.dim_school as s using (school_key))))"
            ),
            KEY,
            "unit_code",
        ),
        Rule(
            "RC-034",
            TABLE,
            "By the census a group's figure is that of measure_value.",
            Rows(
                f"select {', '.join(f'j.{column}' for column in KEY)} from judged as j "
                f"join marts.measure_value as v on {' and '.join(f'j.{column} = v.{column}' for column in KEY)} "
                "where j.n <> v.n or j.numerator <> v.numerator or j.denominator <> v.denominator "
                "or j.value is distinct from v.value or j.ci_low is distinct from v.ci_low "
                "or j.ci_high is distinct from v.ci_high or j.coverage is distinct from v.coverage "
                "or j.status <> v.status"
            ),
            KEY,
            "unit_code",
        ),
    ]
