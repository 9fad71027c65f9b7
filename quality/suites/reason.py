"""Expectations on the reasons of absence: all of a unit's absence and nothing twice."""

from __future__ import annotations

from quality.rules import Rows, RowsWhere, Rule, Unique, within_interval

TABLE = "marts.attendance_reason"
_UNIT = ("academic_year", "period", "level", "unit_code")
KEY = (*_UNIT, "code")


def reason_rules() -> list[Rule]:
    """The rules of the table by itself, for the suite of schema `marts`."""
    return [
        Rule("QM-210", TABLE, "A code of a unit and period stands once.", Unique(KEY), KEY, "unit_code"),
        Rule(
            "QM-211",
            TABLE,
            "A code that has a row has pupils, no more than sessions, a reason and a meaning.",
            RowsWhere("n < 1 or n > sessions or sessions > possible or reason is null or meaning is null"),
            KEY,
            "unit_code",
        ),
        Rule(
            "QM-212",
            TABLE,
            "The value is the sessions with the code as a percentage of the possible ones.",
            RowsWhere("possible = 0 or value is null or abs(value - 100.0 * sessions / possible) > 0.000001"),
            KEY,
            "unit_code",
        ),
        Rule(
            "QM-213",
            TABLE,
            "A rate that is ok has an interval; one that is withheld has none.",
            RowsWhere("(status = 'ok') <> (ci_low is not null)"),
            KEY,
            "unit_code",
        ),
        within_interval("QM-214", TABLE, "ci_low", "value", "ci_high", KEY, "unit_code"),
    ]


def reason_equations() -> list[Rule]:
    """The equations with other tables, for the suite of reconciliation."""
    return [
        Rule(
            "RC-032",
            TABLE,
            "A school's codes of absence add up to the absence of its enrolments by registers.",
            Rows(
                f"select {', '.join(KEY)} from judged where level = 'school' and period = 'YTD' and "
                "(academic_year, unit_code) in (select (r.academic_year, r.unit_code) from (select academic_year, "
                "unit_code, sum(sessions) filter (where category = 'authorised') as authorised, "
                "sum(sessions) filter (where category = 'unauthorised') as unauthorised from judged "
                "where level = 'school' and period = 'YTD' group by all) as r join (select academic_year, urn, "
                "sum(authorised) as authorised, sum(unauthorised) as unauthorised from (select academic_year, "
                "urn, authorised, unauthorised from marts.attendance_enrolment_year union all "
                "select t.academic_year, s.urn, -t.authorised, -t.unauthorised from intermediate.int_term_total as t "
                "join marts.dim_school as s using (school_key)) group by all) as e "
                "on e.academic_year = r.academic_year and e.urn = r.unit_code "
                "where coalesce(r.authorised, 0) <> e.authorised or coalesce(r.unauthorised, 0) <> e.unauthorised)"
            ),
            KEY,
            "unit_code",
        )
    ]
