"""Expectations on spells of absence, signals of early response and their back-test."""

from __future__ import annotations

from ingest.registry import Registry
from quality.rules import InSet, Rows, RowsWhere, Rule, Unique, any_null, literal

SPELL_KEY = ("academic_year", "enrolment_key", "start_date", "start_session")
SIGNAL_KEY = ("rule_id", "enrolment_key", "signal_date")
BACKTEST_KEY = ("academic_year", "term", "rule_id", "group_dimension", "group_value")
SESSIONS = ("AM", "PM")
# Percentages are stored with 9 significant digits.
ROUNDING = "1e-6"


def response_rules(registry: Registry) -> list[Rule]:
    """The rules of `marts.absence_spell`, `marts.attendance_signal` and `marts.attendance_signal_backtest`."""
    return [*_spell_rules(registry), *_signal_rules(registry), *_backtest_rules(registry)]


def _spell_rules(registry: Registry) -> list[Rule]:
    table, key, school = "marts.absence_spell", SPELL_KEY, "school_key"
    reasons = tuple(str(reason["reason"]) for reason in registry.data["absence_reasons"])
    needed = (*key, "pupil_key", school, "end_date", "end_session", "sessions", "main_reason", "is_open")
    return [
        Rule("QM-170", table, "A spell of absence stands once.", Unique(key), key, school),
        Rule(
            "QM-171", table, "A spell has its stay, its ends, its sessions and a reason.", any_null(needed), key, school
        ),
        Rule(
            "QM-172",
            table,
            "A spell has at least one session, and each is authorised or unauthorised.",
            RowsWhere("sessions < 1 or sessions <> authorised + unauthorised or least(authorised, unauthorised) < 0"),
            key,
            school,
        ),
        Rule(
            "QM-173", table, "A spell does not end before it starts.", RowsWhere("end_date < start_date"), key, school
        ),
        Rule(
            "QM-174",
            table,
            "The spells of one stay do not overlap.",
            Rows(
                "select academic_year, enrolment_key, start_date, start_session, school_key from (select *, "
                "lead(start_date) over stay as next_date, lead(start_session) over stay as next_session from judged "
                "window stay as (partition by academic_year, enrolment_key order by start_date, start_session)) as t "
                "where next_date < end_date or (next_date = end_date and next_session <= end_session)"
            ),
            key,
            school,
        ),
        Rule("QM-175", table, "A spell's reason is one of the registry.", InSet("main_reason", reasons), key, school),
        Rule(
            "QM-176",
            table,
            "A spell starts and ends with a morning or an afternoon.",
            RowsWhere(f"start_session not in {SESSIONS} or end_session not in {SESSIONS}"),
            key,
            school,
        ),
        Rule(
            "QM-177",
            table,
            "A spell has at most two sessions for each of its school days.",
            RowsWhere("sessions > 2 * school_days"),
            key,
            school,
        ),
        Rule(
            "QM-178",
            table,
            "Of a stay's spells in a year at most one is open.",
            Rows(
                "select academic_year, enrolment_key from judged where is_open group by academic_year, enrolment_key "
                "having count(*) > 1"
            ),
            ("academic_year", "enrolment_key"),
        ),
    ]


def _signal_rules(registry: Registry) -> list[Rule]:
    table, key, school = "marts.attendance_signal", SIGNAL_KEY, "school_key"
    responses = registry.data["responses"]
    rules = responses["rules"]
    needed = (*key, "academic_year", "pupil_key", school, "evidence_from", "queue_place", "is_in_queue")
    counts = " or ".join(
        f"(rule_id = {literal(rule['rule_id'])} and not coalesce("
        f"{'spells' if rule['looks_at'] == 'spells' else 'sessions'} >= {_least_count(rule)}, false))"
        for rule in rules
    )
    quiet = " ".join(f"when {literal(rule['rule_id'])} then {rule.get('quiet_school_days', 'days')}" for rule in rules)
    return [
        Rule("QM-180", table, "A rule signals a stay once a day.", Unique(key), key, school),
        Rule("QM-181", table, "A signal has its rule, stay, evidence and place.", any_null(needed), key, school),
        Rule(
            "QM-182",
            table,
            "A signal's rule is one of the registry.",
            InSet("rule_id", tuple(str(rule["rule_id"]) for rule in rules)),
            key,
            school,
        ),
        Rule(
            "QM-183",
            table,
            "A signal's evidence is no younger than the signal.",
            RowsWhere("evidence_from > signal_date"),
            key,
            school,
        ),
        Rule("QM-184", table, "A signal's evidence is as much as its rule asks.", RowsWhere(counts), key, school),
        Rule(
            "QM-185",
            table,
            "An action is not before its signal nor later than one that answers it, and its school days are counted.",
            RowsWhere(
                "action_date < signal_date or school_days_to_action not between 0 and "
                f"{responses['action_answers_within_school_days']} or "
                "(action_date is null) <> (school_days_to_action is null)"
            ),
            key,
            school,
        ),
        Rule(
            "QM-186",
            table,
            "No school's queue of a day has more pupils than its team can take up.",
            Rows(
                "select school_key, signal_date from judged where is_in_queue group by school_key, signal_date having "
                f"count(distinct pupil_key) > {responses['pupils_in_queue_per_school_and_day']}"
            ),
            (school, "signal_date"),
            school,
        ),
        Rule(
            "QM-187",
            table,
            "A rule that has signalled a stay is quiet for its school days, or for the year.",
            # School days are days: whoever waits so many of the one waits more than so many of the other.
            Rows(
                "select rule_id, enrolment_key, signal_date, school_key from (select *, signal_date - lag(signal_date) "
                "over (partition by rule_id, enrolment_key, academic_year order by signal_date) as days from judged) "
                f"as t where days <= case rule_id {quiet} end"
            ),
            key,
            school,
        ),
    ]


def _least_count(rule: dict[str, object]) -> int:
    """How many spells or sessions a rule needs at the least."""
    if rule["looks_at"] != "rate":
        return int(str(rule["count"]))
    of_last, below = int(str(rule["of_last"])), int(str(rule["below_percent"]))
    return of_last - (of_last * below - 1) // 100


def _backtest_rules(registry: Registry) -> list[Rule]:
    table, key = "marts.attendance_signal_backtest", BACKTEST_KEY
    responses = registry.data["responses"]
    plain = str(responses["backtest"]["plain_rule"]["rule_id"])
    rules = [*responses["rules"], responses["backtest"]["plain_rule"]]
    shares = {
        "precision_percent": ("true_positives", "flagged"),
        "recall_percent": ("true_positives", "below"),
        "false_alarm_percent": ("(flagged - true_positives)", "(pupils - below)"),
    }
    differs = " or ".join(
        f"({share} is null) <> ({whole} = 0) or abs({share} - 100.0 * {part} / nullif({whole}, 0)) > {ROUNDING}"
        for share, (part, whole) in shares.items()
    )
    return [
        Rule("QM-190", table, "A back-test stands once.", Unique(key), key),
        Rule(
            "QM-191",
            table,
            "A back-test has its key, its following term and its counts.",
            any_null((*key, "following_term", "pupils", "below", "flagged", "true_positives")),
            key,
        ),
        Rule(
            "QM-192",
            table,
            "Nobody is counted who is not judged.",
            RowsWhere(
                "least(true_positives, pupils - below, pupils - flagged) < 0 or true_positives > least(flagged, below)"
            ),
            key,
        ),
        Rule("QM-193", table, "A share is its part over its whole.", RowsWhere(differs), key),
        Rule(
            "QM-195",
            table,
            "Of those rightly flagged no more had a place in the queue than there are; the plain rule has no queue.",
            RowsWhere(
                f"(true_positives_in_queue is null) <> (rule_id = {literal(plain)}) "
                "or true_positives_in_queue not between 0 and true_positives "
                "or (recall_in_queue_percent is null) <> (true_positives_in_queue is null or below = 0) "
                "or abs(recall_in_queue_percent - 100.0 * true_positives_in_queue / nullif(below, 0)) "
                f"> {ROUNDING}"
            ),
            key,
        ),
        Rule(
            "QM-194",
            table,
            "A rule is one of the registry.",
            InSet("rule_id", tuple(str(rule["rule_id"]) for rule in rules)),
            key,
        ),
    ]
