"""Expectations on the marts: what may be said of a school, a pupil or a measure before anybody sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ingest.registry import Registry
from quality.rules import (
    ROUNDING,
    STATUSES,
    Between,
    InSet,
    NotNull,
    Rows,
    RowsWhere,
    Rule,
    Suite,
    Unique,
    any_null,
    literal,
    within_interval,
)
from quality.suites.bridge import bridge_rules
from quality.suites.coverage import unit_coverage_rules
from quality.suites.reason import reason_rules
from quality.suites.responses import response_rules
from quality.suites.status import status_rules

LEVELS = ("school", "trust", "la", "region", "national")
SESSIONS = ("AM", "PM")
FIGURE_KEY = (
    "academic_year",
    "period",
    "level",
    "unit_code",
    "measure_id",
    "definition_version",
    "group_definition",
    "group_dimension",
    "group_value",
)
GAP_KEY = (*FIGURE_KEY, "comparator")
PROGRESS_SCHOOL_KEY = ("academic_year", "measure_id", "school_key")
# A figure under one of these statuses is not there: hidden, not available, not applicable.
WITHOUT_FIGURE = "('c', 'x', 'z')"
ABSENT = "(authorised + unauthorised)"


def _foreign_school(rule_id: str, table: str, key: tuple[str, ...]) -> Rule:
    return Rule(
        rule_id,
        table,
        "Every school key is a school of dim_school.",
        RowsWhere(
            "school_key is null or school_key not in (select d.school_key from marts.dim_school as d where "
            "d.school_key is not null)"
        ),
        key,
    )


def _academic_year(rule_id: str, table: str, key: tuple[str, ...], school: str | None) -> Rule:
    return Rule(
        rule_id,
        table,
        "An academic year reads like 2025/26.",
        RowsWhere(
            "academic_year is null or not regexp_full_match(academic_year, '[0-9][0-9][0-9][0-9]/[0-9][0-9]') or "
            "mod(try_cast(left(academic_year, 4) as integer) + 1, 100) <> try_cast(right(academic_year, 2) as integer)"
        ),
        key,
        school,
    )


def _boundary_flag(rule_id: str, table: str, key: tuple[str, ...], measure: dict[str, Any]) -> Rule:
    """A flag agrees with the sessions it is made from, at the registry's boundary, in integers."""
    boundary = measure["boundary"]
    columns = {"absent": ABSENT}
    numerator = columns.get(boundary["numerator"], boundary["numerator"])
    denominator = columns.get(boundary["denominator"], boundary["denominator"])
    flag = measure["flag"]
    return Rule(
        rule_id,
        table,
        f"{flag} is true exactly where {boundary['percent']}% or more of the possible sessions were missed.",
        RowsWhere(
            f"coalesce({flag}, false) <> coalesce({denominator} > 0 and {numerator} * 100 >= {boundary['percent']} * "
            f"{denominator}, false)"
        ),
        key,
        "school_key" if "enrolment_key" in key else None,
    )


def _dimension_rules() -> list[Rule]:
    school, pupil, enrolment = ("school_key",), ("pupil_key", "valid_from"), ("enrolment_key",)
    return [
        Rule("QM-001", "marts.dim_school", "Every school stands once.", Unique(school), school),
        Rule("QM-002", "marts.dim_school", "Every school has a URN.", NotNull("urn"), school),
        Rule("QM-004", "marts.dim_school", "Every school has a key.", NotNull("school_key"), ("urn",), "urn"),
        Rule("QM-003", "marts.dim_school", "Every URN stands once.", Unique(("urn",)), school, "urn"),
        Rule("QM-010", "marts.dim_pupil_status", "A pupil's status stands once for each start.", Unique(pupil), pupil),
        Rule("QM-011", "marts.dim_pupil_status", "A status has a pupil and a start.", any_null(pupil), pupil),
        Rule(
            "QM-012",
            "marts.dim_pupil_status",
            "A status ends after it starts.",
            RowsWhere("valid_to <= valid_from"),
            pupil,
        ),
        Rule(
            "QM-013",
            "marts.dim_pupil_status",
            "The periods of one pupil do not overlap.",
            Rows(
                "select pupil_key, valid_from from (select pupil_key, valid_from, valid_to, "
                "lead(valid_from) over (partition by pupil_key order by valid_from) as next_from from judged) as t "
                "where next_from > valid_from and (valid_to is null or valid_to > next_from)"
            ),
            pupil,
        ),
        Rule(
            "QM-014",
            "marts.dim_pupil_status",
            "Provision for special needs is N, K or E.",
            InSet("sen_provision", ("N", "K", "E")),
            pupil,
        ),
        Rule("QM-015", "marts.dim_pupil_status", "Sex is M, F or U.", InSet("sex", ("M", "F", "U")), pupil),
        Rule("QM-016", "marts.dim_pupil_status", "An IDACI decile is 1 to 10.", Between("idaci_decile", 1, 10), pupil),
        Rule(
            "QM-225",
            "marts.dim_pupil_status",
            "The share of days eligible for free school meals is of the days known, and stands where any is.",
            RowsWhere(
                "fsm_days_eligible not between 0 and fsm_days_known"
                " or (fsm_days_known > 0) <> (fsm_eligible_share is not null)"
                " or abs(fsm_eligible_share * fsm_days_known - 100.0 * fsm_days_eligible) > 0.001"
            ),
            pupil,
        ),
        Rule("QM-020", "marts.fct_enrolment", "An enrolment stands once.", Unique(enrolment), enrolment, "school_key"),
        Rule(
            "QM-021",
            "marts.fct_enrolment",
            "A pupil enters a school once on one day.",
            Unique(("pupil_key", "school_key", "entry_date")),
            enrolment,
            "school_key",
        ),
        _foreign_school("QM-022", "marts.fct_enrolment", enrolment),
        Rule(
            "QM-023",
            "marts.fct_enrolment",
            "Nobody leaves before entering.",
            RowsWhere("leaving_date < entry_date"),
            enrolment,
            "school_key",
        ),
        Rule(
            "QM-024",
            "marts.fct_enrolment",
            "An enrolment has its key, pupil, URN and entry date.",
            any_null(("enrolment_key", "pupil_key", "urn", "entry_date")),
            ("enrolment_key", "pupil_key", "school_key"),
        ),
        Rule(
            "QM-025",
            "marts.fct_enrolment",
            "A leaving date says what it rests on.",
            RowsWhere("leaving_date is not null and leaving_date_basis is null"),
            enrolment,
            "school_key",
        ),
    ]


def _session_rules() -> list[Rule]:
    table, key = "marts.fct_session", ("enrolment_key", "session_date", "session")
    return [
        Rule(
            "QM-030",
            table,
            "A session has its enrolment, pupil, school, date, half-day and category.",
            any_null((*key, "pupil_key", "school_key", "category")),
            key,
            "school_key",
        ),
        Rule("QM-031", table, "A session is AM or PM.", InSet("session", SESSIONS), key, "school_key"),
        Rule(
            "QM-032",
            table,
            "A possible session is attended, authorised or unauthorised: exactly one of them, and none where it is "
            "not possible.",
            RowsWhere(
                "cast(is_possible as integer) is distinct from cast(is_attended as integer) + cast(is_authorised as "
                "integer) + cast(is_unauthorised as integer)"
            ),
            key,
            "school_key",
        ),
        Rule(
            "QM-033",
            table,
            "A missing mark is neither possible nor attended nor absent.",
            RowsWhere("is_missing is null or (is_missing and is_possible)"),
            key,
            "school_key",
        ),
        Rule(
            "QM-034",
            table,
            "An enrolment has one mark for each session.",
            # One bit for each half-day of a month: a repeat sets no new bit. Far cheaper than one group per row.
            Rows(
                "select enrolment_key, date_trunc('month', session_date) as session_month from judged group by all "
                "having count(*) <> bit_count(bit_or(cast(1 as ubigint) << "
                "cast(2 * (day(session_date) - 1) + case when session = 'PM' then 1 else 0 end as ubigint)))"
            ),
            ("enrolment_key", "session_month"),
        ),
        Rule(
            "QM-035",
            table,
            "Every session lies within an enrolment that exists.",
            Rows(
                "select s.enrolment_key from (select enrolment_key, min(session_date) as first_date, "
                "max(session_date) as last_date "
                "from judged group by enrolment_key) as s left join marts.fct_enrolment as e on e.enrolment_key = "
                "s.enrolment_key "
                "where e.enrolment_key is null or s.first_date < e.entry_date or s.last_date > e.leaving_date"
            ),
            ("enrolment_key",),
        ),
        Rule(
            "QM-036",
            table,
            "Every mark that is not missing is a register code of the seed.",
            RowsWhere(
                "is_missing is distinct from true and (code is null or "
                "code not in (select r.code from staging.register_code as r where r.code is not null))"
            ),
            key,
            "school_key",
        ),
    ]


def _attendance_rules(number: int, table: str, unit: str, registry: Registry) -> list[Rule]:
    key = ("academic_year", unit)
    school = "school_key" if unit == "enrolment_key" else None
    counts = ("possible", "attended", "authorised", "unauthorised", "late", "missing")
    rules = [
        Rule(f"QM-{number:03d}", table, f"One row for each {' and '.join(key)}.", Unique(key), key, school),
        Rule(
            f"QM-{number + 1:03d}",
            table,
            "A row has its key, its pupil and its counts.",
            RowsWhere(
                # A total need not say how many were late.
                f"{' or '.join(f'{column} is null' for column in (*key, 'pupil_key', *counts) if column != 'late')} or "
                "(late is null and pupil_key not in "
                "(select pupil_key from intermediate.int_term_total where is_total and late is null))"
            ),
            key,
            school,
        ),
        Rule(
            f"QM-{number + 2:03d}",
            table,
            "Possible sessions are attended, authorised and unauthorised ones together.",
            RowsWhere("possible <> attended + authorised + unauthorised"),
            key,
            school,
        ),
        Rule(
            f"QM-{number + 3:03d}",
            table,
            "No count is negative, and nobody is late more often than sessions were possible.",
            RowsWhere(" or ".join(f"{count} < 0" for count in counts) + " or late > possible"),
            key,
            school,
        ),
        _academic_year(f"QM-{number + 4:03d}", table, key, school),
    ]
    flagged = [
        measure for measure in registry.measures if measure.get("flag") and measure["source_model"] == "attendance"
    ]
    rules += [
        _boundary_flag(f"QM-{number + 5 + position:03d}", table, key, measure)
        for position, measure in enumerate(flagged)
    ]
    return rules


def _assessment_rules(registry: Registry) -> list[Rule]:
    table, key = "marts.assessment_result", ("pupil_key", "assessment_id", "subject", "component", "result_date")
    scales = registry.data["scales"]
    limits = [
        f"(scale_id = {literal(scale['scale_id'])} and not (numeric_value between {scale['minimum']!r} and "
        f"{scale['maximum']!r}))"
        for scale in scales
        if scale.get("minimum") is not None and scale.get("maximum") is not None
    ]
    standardised = [
        f"(scale_id = {literal(scale['scale_id'])} and abs(z_value - (numeric_value - {scale['mean']!r}) / "
        f"{scale['sd']!r}) > 1e-6)"
        for scale in scales
        if scale.get("mean") is not None and scale.get("sd") is not None
    ]
    return [
        Rule(
            "QM-060",
            table,
            "A pupil has one result for each assessment, subject, component and date.",
            Unique(key),
            key,
            "school_key",
        ),
        Rule(
            "QM-061",
            table,
            "A result has its pupil, assessment, subject and date.",
            any_null(("pupil_key", "assessment_id", "subject", "result_date")),
            key,
            "school_key",
        ),
        Rule(
            "QM-062",
            table,
            "A score has a number, and what is not a score has none.",
            RowsWhere("is_score is null or is_score <> (numeric_value is not null)"),
            key,
            "school_key",
        ),
        Rule(
            "QM-063",
            table,
            "A score lies on its scale.",
            RowsWhere(f"is_score and ({' or '.join(limits) or 'false'})"),
            key,
            "school_key",
        ),
        Rule(
            "QM-064",
            table,
            "A standardised score is (score - mean) / SD of its scale.",
            RowsWhere(" or ".join(standardised) or "false"),
            key,
            "school_key",
        ),
    ]


def _progress_rules() -> list[Rule]:
    pupil, pupil_key = "marts.progress_pupil", ("academic_year", "measure_id", "pupil_key")
    school, model = "marts.progress_school", "marts.progress_model"
    model_key = ("academic_year", "measure_id", "method")
    return [
        Rule(
            "QM-070", pupil, "A pupil stands once in each measure and year.", Unique(pupil_key), pupil_key, "school_key"
        ),
        Rule("QM-071", pupil, "A row has its year, measure and pupil.", any_null(pupil_key), pupil_key, "school_key"),
        Rule(
            "QM-072",
            pupil,
            "A pupil is in the measure or the reason for leaving them out is given, never both.",
            RowsWhere("in_measure is null or in_measure <> (exclusion_reason is null)"),
            pupil_key,
            "school_key",
        ),
        Rule(
            "QM-073",
            pupil,
            "A pupil's residual is outcome less expected.",
            RowsWhere(
                f"residual is not null and (outcome is null or expected is null or abs(residual - (outcome - "
                f"expected)) > {ROUNDING} * (1 + abs(outcome)))"
            ),
            pupil_key,
            "school_key",
        ),
        _academic_year("QM-074", pupil, pupil_key, "school_key"),
        Rule(
            "QM-080",
            school,
            "A school stands once in each measure and year.",
            Unique(PROGRESS_SCHOOL_KEY),
            PROGRESS_SCHOOL_KEY,
            "school_key",
        ),
        _foreign_school("QM-081", school, PROGRESS_SCHOOL_KEY),
        Rule(
            "QM-082",
            school,
            "A status is one that people are told the meaning of.",
            RowsWhere(unknown_status()),
            PROGRESS_SCHOOL_KEY,
            "school_key",
        ),
        within_interval("QM-083", school, "raw_ci_low", "raw_mean", "raw_ci_high", PROGRESS_SCHOOL_KEY, "school_key"),
        within_interval(
            "QM-084", school, "shrunken_ci_low", "shrunken", "shrunken_ci_high", PROGRESS_SCHOOL_KEY, "school_key"
        ),
        Rule(
            "QM-085",
            school,
            "Reliability is between 0 and 1.",
            Between("reliability", 0, 1),
            PROGRESS_SCHOOL_KEY,
            "school_key",
        ),
        Rule(
            "QM-086",
            school,
            "A probability is between 0 and 1.",
            Between("probability_above", 0, 1),
            PROGRESS_SCHOOL_KEY,
            "school_key",
        ),
        Rule(
            "QM-087",
            school,
            "Coverage is between 0 and 100.",
            Between("coverage", 0, 100),
            PROGRESS_SCHOOL_KEY,
            "school_key",
        ),
        Rule(
            "QM-088",
            school,
            "A figure that is ok has at least one pupil and a value.",
            RowsWhere("status = 'ok' and (n is null or n < 1 or raw_mean is null or shrunken is null)"),
            PROGRESS_SCHOOL_KEY,
            "school_key",
        ),
        Rule(
            "QM-089",
            school,
            "A figure that is withheld has no value.",
            RowsWhere(f"status in {WITHOUT_FIGURE} and (raw_mean is not null or shrunken is not null)"),
            PROGRESS_SCHOOL_KEY,
            "school_key",
        ),
        Rule("QM-090", model, "A model stands once for each year, measure and method.", Unique(model_key), model_key),
        Rule(
            "QM-091", model, "A share of variance between schools is between 0 and 1.", Between("icc", 0, 1), model_key
        ),
        Rule("QM-092", model, "No variance is negative.", RowsWhere("var_school < 0 or var_pupil < 0"), model_key),
        Rule(
            "QM-093",
            model,
            "A status is one that people are told the meaning of.",
            RowsWhere(unknown_status()),
            model_key,
        ),
        Rule(
            "QM-094",
            model,
            "A model that is ok has pupils, schools and a deviance.",
            RowsWhere(
                "status = 'ok' and (n_pupils is null or n_pupils < 1 or n_schools is null or n_schools < 1 or "
                "deviance is null)"
            ),
            model_key,
        ),
    ]


def unknown_status() -> str:
    """The SQL condition that a status is none that people are told the meaning of."""
    return f"status is null or status not in ({', '.join(literal(status) for status in STATUSES)})"


def _measure_value_rules(percent_measures: Sequence[str]) -> list[Rule]:
    table, key, school = "marts.measure_value", FIGURE_KEY, "unit_code"
    percent = ", ".join(literal(measure) for measure in percent_measures) or "''"
    ids = (f"QM-{100 + step:03d}" for step in range(10))
    return [
        Rule(next(ids), table, "A figure stands once.", Unique(key), key, school),
        Rule(next(ids), table, "A figure has every part of its key.", any_null(key), key, school),
        Rule(
            next(ids),
            table,
            "A status is one that people are told the meaning of.",
            RowsWhere(unknown_status()),
            key,
            school,
        ),
        Rule(
            next(ids), table, "A level is school, trust, la, region or national.", InSet("level", LEVELS), key, school
        ),
        Rule(
            next(ids),
            table,
            "A rate and its interval lie between 0 and 100.",
            RowsWhere(
                f"measure_id in ({percent}) and "
                f"({' or '.join(f'not ({column} between 0 and 100)' for column in ('value', 'ci_low', 'ci_high'))})"
            ),
            key,
            school,
        ),
        within_interval(next(ids), table, "ci_low", "value", "ci_high", key, school),
        Rule(
            next(ids),
            table,
            "An interval says its method.",
            RowsWhere("ci_low is not null and interval_method is null"),
            key,
            school,
        ),
        Rule(
            next(ids),
            table,
            "A figure that is ok has a value and at least one pupil.",
            RowsWhere("status = 'ok' and (value is null or n is null or n < 1)"),
            key,
            school,
        ),
        Rule(
            next(ids),
            table,
            "A figure that is withheld has no value.",
            RowsWhere(
                f"status in {WITHOUT_FIGURE} and (value is not null or ci_low is not null or ci_high is not null)"
            ),
            key,
            school,
        ),
        Rule(next(ids), table, "Coverage is between 0 and 100.", Between("coverage", 0, 100), key, school),
    ]


def _gap_rules() -> list[Rule]:
    table, key, school = "marts.gap", GAP_KEY, "unit_code"
    ids = (f"QM-{120 + step:03d}" for step in range(9))
    scale = "(1 + abs(value_comparator) + abs(value_group))"
    return [
        Rule(next(ids), table, "A gap stands once.", Unique(key), key, school),
        Rule(next(ids), table, "A gap has every part of its key.", any_null(key), key, school),
        Rule(
            next(ids),
            table,
            "A status is one that people are told the meaning of.",
            RowsWhere(unknown_status()),
            key,
            school,
        ),
        Rule(
            next(ids),
            table,
            "A gap is the comparator's value less the group's.",
            RowsWhere(
                f"gap is not null and (value_comparator is null or value_group is null or abs(gap - "
                f"(value_comparator - value_group)) > {ROUNDING} * {scale})"
            ),
            key,
            school,
        ),
        within_interval(next(ids), table, "ci_low", "gap", "ci_high", key, school),
        Rule(
            next(ids),
            table,
            "A gap that is ok has a value and at least one pupil on each side.",
            RowsWhere(
                "status = 'ok' and (gap is null or n_group is null or n_group < 1 or n_comparator is null or "
                "n_comparator < 1)"
            ),
            key,
            school,
        ),
        Rule(
            next(ids),
            table,
            "A gap that is withheld has no value.",
            RowsWhere(f"status in {WITHOUT_FIGURE} and (gap is not null or ci_low is not null or ci_high is not null)"),
            key,
            school,
        ),
        Rule(
            next(ids),
            table,
            "A gap's parts within, between and left over make the gap.",
            RowsWhere(
                f"within_school is not null and between_school is not null and abs(gap - within_school - "
                f"between_school - coalesce(undecomposed, 0)) > {ROUNDING} * {scale}"
            ),
            key,
            school,
        ),
        Rule(next(ids), table, "Coverage is between 0 and 100.", Between("coverage", 0, 100), key, school),
    ]


def percent_measures(registry: Registry) -> list[str]:
    """The ids of the measures whose unit is percent."""
    return [str(measure["measure_id"]) for measure in registry.measures if measure["unit"] == "percent"]


def _figure_rules(registry: Registry) -> list[Rule]:
    measures = ", ".join(
        f"({literal(measure['measure_id'])}, {int(measure['definition_version'])})" for measure in registry.measures
    )
    defined = "(select m.measure_id || '@' || cast(m.definition_version as varchar) from marts.measure as m)"
    percent = ", ".join(literal(measure) for measure in percent_measures(registry))
    coverage_key = ("academic_year", "period", "feed", "school_key")
    return [
        *_measure_value_rules(percent_measures(registry)),
        Rule(
            "QM-110",
            "marts.measure_value",
            "Every figure's measure is defined.",
            RowsWhere(f"measure_id || '@' || cast(definition_version as varchar) not in {defined}"),
            FIGURE_KEY,
            "unit_code",
        ),
        Rule(
            "QM-111",
            "marts.measure_value",
            "A rate is its numerator over its denominator.",
            RowsWhere(
                f"measure_id in ({percent}) and value is not null and numerator is not null and denominator > 0 and "
                f"abs(value - 100.0 * numerator / denominator) > {ROUNDING} * (1 + abs(value))"
            ),
            FIGURE_KEY,
            "unit_code",
        ),
        _academic_year("QM-112", "marts.measure_value", FIGURE_KEY, "unit_code"),
        *_gap_rules(),
        Rule(
            "QM-129",
            "marts.gap",
            "Every gap's measure is defined.",
            RowsWhere(f"measure_id || '@' || cast(definition_version as varchar) not in {defined}"),
            GAP_KEY,
            "unit_code",
        ),
        Rule(
            "QM-130",
            "marts.coverage",
            "Coverage stands once for each year, period, feed and school.",
            Unique(coverage_key),
            coverage_key,
            "school_key",
        ),
        Rule(
            "QM-131",
            "marts.coverage",
            "A share of what was expected is between 0 and 100.",
            Between("share", 0, 100),
            coverage_key,
            "school_key",
        ),
        Rule(
            "QM-132",
            "marts.coverage",
            "Neither what was expected nor what came is negative.",
            RowsWhere("expected < 0 or received < 0"),
            coverage_key,
            "school_key",
        ),
        Rule(
            "QM-133",
            "marts.coverage",
            "A status is one that people are told the meaning of.",
            RowsWhere(unknown_status()),
            coverage_key,
            "school_key",
        ),
        _foreign_school("QM-134", "marts.coverage", coverage_key),
        Rule(
            "QM-140",
            "marts.data_quality_issue",
            "An issue stands once.",
            Unique(("issue_id",)),
            ("issue_id",),
            "school_key",
        ),
        Rule(
            "QM-141",
            "marts.data_quality_issue",
            "An issue has its rule, its rows and its dates in order.",
            RowsWhere("rule_id is null or n_rows is null or n_rows < 1 or last_seen < first_seen"),
            ("issue_id",),
            "school_key",
        ),
        Rule(
            "QM-150", "marts.delivery", "A delivery stands once.", Unique(("delivery_id",)), ("delivery_id",), "laestab"
        ),
        Rule(
            "QM-151",
            "marts.delivery",
            "The time of an extract rests on its header, its file name or a modification time.",
            InSet("extracted_at_basis", ("header", "file_name", "mtime")),
            ("delivery_id",),
            "laestab",
        ),
        Rule(
            "QM-160",
            "marts.measure",
            "A definition stands once.",
            Unique(("measure_id", "definition_version")),
            ("measure_id", "definition_version"),
        ),
        Rule(
            "QM-161",
            "marts.measure",
            "Every measure of the registry is told to people.",
            Rows(
                f"select r.measure_id, r.definition_version from (values {measures}) as r(measure_id, "
                f"definition_version) "
                "left join judged as m on m.measure_id = r.measure_id and m.definition_version = "
                "r.definition_version where m.measure_id is null"
            ),
            ("measure_id", "definition_version"),
        ),
    ]


def marts_suite(registry: Registry) -> Suite:
    """The suite of schema `marts`; every boundary and scale comes from the registry."""
    return Suite(
        "marts",
        (
            *_dimension_rules(),
            *_session_rules(),
            *_attendance_rules(40, "marts.attendance_enrolment_year", "enrolment_key", registry),
            *_attendance_rules(50, "marts.attendance_pupil_year", "pupil_key", registry),
            *_assessment_rules(registry),
            *_progress_rules(),
            *_figure_rules(registry),
            *unit_coverage_rules(),
            *bridge_rules(),
            *reason_rules(),
            *status_rules(registry),
            *response_rules(registry),
        ),
    )
