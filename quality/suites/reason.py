"""Expectations on the reasons of absence: all of a unit's absence and nothing twice."""

from __future__ import annotations

from quality.rules import Rows, RowsWhere, Rule, Unique, within_interval

TABLE = "marts.attendance_reason"
_UNIT = ("academic_year", "period", "level", "unit_code")
KEY = (*_UNIT, "group_definition", "group_dimension", "group_value", "code")


def reason_rules() -> list[Rule]:
    """The rules of the table by itself, for the suite of schema `marts`."""
    return [
        Rule("QM-210", TABLE, "A code of a unit, group and period stands once.", Unique(KEY), KEY, "unit_code"),
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
    """The equations of its rows with each other and with other tables, for the suite of reconciliation."""
    of_everybody = "level = 'school' and period = 'YTD' and group_dimension = 'all'"
    of_code = ", ".join((*_UNIT, "code"))
    of_dimension = f"{of_code}, group_definition, group_dimension"
    return [
        Rule(
            "RC-032",
            TABLE,
            "A school's codes of absence add up to the absence of its enrolments by registers.",
            Rows(
                f"select {', '.join(KEY)} from judged where {of_everybody} and "
                "(academic_year, unit_code) in (select (r.academic_year, r.unit_code) from (select academic_year, "
                "unit_code, sum(sessions) filter (where category = 'authorised') as authorised, "
                "sum(sessions) filter (where category = 'unauthorised') as unauthorised from judged "
                f"where {of_everybody} group by all) "
                "as r join (select academic_year, urn, "
                "sum(authorised) as authorised, sum(unauthorised) as unauthorised from (select academic_year, "
                "urn, authorised, unauthorised from marts.attendance_enrolment_year union all "
                "select t.academic_year, s.urn, -t.authorised, -t.unauthorised from intermediate.int_term_total as t "
                "join marts.dim_school as s using (school_key)) group by all) as e "
                "on e.academic_year = r.academic_year and e.urn = r.unit_code "
                "where coalesce(r.authorised, 0) <> e.authorised or coalesce(r.unauthorised, 0) <> e.unauthorised)"
            ),
            KEY,
            "unit_code",
        ),
        Rule(
            "RC-035",
            TABLE,
            "A dimension's groups have all sessions of a code, and no pupil is in two of them.",
            Rows(
                f"select {', '.join(KEY)} from judged join (select {of_dimension}, sum(n) as n_of_groups, "
                f"sum(sessions) as of_groups from judged group by all) using ({of_dimension}) "
                f"join (select {of_code}, n as n_of_all, sessions as of_all from judged where group_dimension = 'all') "
                f"using ({of_code}) where of_groups <> of_all or n_of_groups <> n_of_all"
            ),
            KEY,
            "unit_code",
        ),
    ]
