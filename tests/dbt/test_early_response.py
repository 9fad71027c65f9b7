"""Spells and signals of the small lake, worked out again session by session, and what they are never made from."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest

from ingest.registry import read_registry
from tests.dbt.conftest import PROJECT, Built, Warehouse

REGISTRY = read_registry(PROJECT / "registry").data
REASONS = {code: reason["reason"] for reason in REGISTRY["absence_reasons"] for code in reason["codes"]}
# What a characteristic protected in law, or what stands for one, is called in lists, models and rules.
PROTECTED = re.compile(
    r"\b(sex|gender\w*|school_gender|ethnic\w*|language|is_eal|eal|sen|sen_\w+|disab\w*|relig\w*|faith|is_fsm6?|is_disadvantaged|"
    r"disadvantage\w*|is_looked_after|is_post_looked_after|is_pupil_premium|idaci\w*|pregnan\w*|dob|nationality|"
    r"group_(?!by)\w+|int_pupil_group|int_pupil_year|dim_pupil_status|int_pupil_observation|stg_pupil_list|raw_pupils)\b",
    re.IGNORECASE,
)
# From the session to the signal: every model that a signal's rows come from, but who was on roll.
ON_THE_WAY = (
    *("int_session_mark", "int_session_judgement", "int_enrolment_week"),
    *("int_school_day_number", "int_absence", "int_absence_spell", "int_attendance_signal"),
    *("absence_spell", "attendance_signal"),
)


@dataclass
class Session:
    day: date
    half: str
    state: str  # attended, absent or missing
    reason: str | None
    is_authorised: bool


@dataclass
class Stay:
    sessions: list[Session] = field(default_factory=list)


def stays_of(warehouse: Warehouse) -> dict[tuple[str, str], Stay]:
    """Every session that was possible or has no usable mark, by academic year and enrolment, in order."""
    rows = warehouse.rows(
        "select academic_year, enrolment_key, session_date, session, code, is_attended, is_authorised, is_missing "
        "from marts.fct_session where is_possible or is_missing order by all"
    )
    stays: dict[tuple[str, str], Stay] = defaultdict(Stay)
    for year, enrolment, day, half, code, attended, authorised, missing in rows:
        state = "missing" if missing else "attended" if attended else "absent"
        reason = REASONS[code] if state == "absent" else None
        stays[year, enrolment].sessions.append(Session(day, half, state, reason, authorised))
    return stays


def spells_of(stay: Stay) -> list[list[int]]:
    """The positions of the sessions of each spell, by walking through the year."""
    spells: list[list[int]] = []
    broken = True
    for position, session in enumerate(stay.sessions):
        if session.state != "absent":
            broken = True
        elif broken:
            spells.append([position])
            broken = False
        else:
            spells[-1].append(position)
    return spells


@pytest.mark.parametrize("name", ["first", "incremental", "full"])
def test_spells_are_what_a_walk_through_every_session_finds(built: Built, name: str) -> None:
    warehouse: Warehouse = getattr(built, name)
    expected = []
    for (year, enrolment), stay in stays_of(warehouse).items():
        recorded = [i for i, session in enumerate(stay.sessions) if session.state != "missing"]
        for spell in spells_of(stay):
            first, last = stay.sessions[spell[0]], stay.sessions[spell[-1]]
            authorised = sum(stay.sessions[i].is_authorised for i in spell)
            ends = (first.day, first.half, last.day, last.half)
            expected.append((year, enrolment, *ends, authorised, len(spell) - authorised, spell[-1] == recorded[-1]))
    found = warehouse.rows(
        "select academic_year, enrolment_key, start_date, start_session, end_date, end_session, authorised, "
        "unauthorised, is_open from marts.absence_spell"
    )
    assert len(found) > 100
    assert any(row[-1] for row in found)
    assert sorted(found) == sorted(expected)


def days_that_meet(rule: dict[str, Any], stay: Stay, day_no: dict[date, int]) -> list[date]:
    """The days on which the sessions of a stay up to that day meet a rule that some session of the day counts for."""
    met = []
    for day in sorted({session.day for session in stay.sessions}):
        known = [session for session in stay.sessions if session.day <= day]
        if any(counts(rule, session) and session.day == day for session in known) and is_met(rule, known, day_no):
            met.append(day)
    return met


def counts(rule: dict[str, Any], session: Session) -> bool:
    return session.reason in set(rule["reasons"]) and not (rule.get("unauthorised_only") and session.is_authorised)


def is_met(rule: dict[str, Any], known: list[Session], day_no: dict[date, int]) -> bool:
    today = known[-1].day
    counted = [session for session in known if counts(rule, session)]

    def is_recent(day: date) -> bool:
        return "within_school_days" not in rule or day_no[today] - day_no[day] < int(rule["within_school_days"])

    if rule["looks_at"] == "sessions":
        return sum(is_recent(session.day) for session in counted) >= int(rule["count"])
    if rule["looks_at"] == "rate":
        # The day's last absence that counts ends the window, whatever the pupil did in the afternoon.
        possible = [session for session in known if session.state != "missing"]
        end = max(i for i, session in enumerate(possible) if counts(rule, session)) + 1
        window = possible[max(0, end - rule["of_last"]) : end]
        missed = sum(counts(rule, session) for session in window)
        is_below = (len(window) - missed) * 100 < int(rule["below_percent"]) * len(window)
        return is_below and len(window) == int(rule["of_last"])
    if rule["looks_at"] == "run":
        length = longest = 0
        for session in known:
            length = length + 1 if counts(rule, session) else 0
            longest = max(longest, length if session.day == today else 0)
        return longest >= int(rule["count"])
    starts, is_new = [], True
    for session in known:
        if session.state == "attended":
            is_new = True
        elif is_new and counts(rule, session):
            starts.append(session.day)
            is_new = False
    return starts[-1] == today and sum(is_recent(day) for day in starts) >= int(rule["count"])


@pytest.mark.parametrize("name", ["first", "incremental"])
def test_signals_are_what_each_day_knew_and_no_rule_speaks_again_too_soon(built: Built, name: str) -> None:
    warehouse: Warehouse = getattr(built, name)
    schools: dict[str, dict[date, int]] = defaultdict(dict)
    for school, day, number in warehouse.rows(
        "select school_key, session_date, day_no from intermediate.int_school_day_number"
    ):
        schools[school][day] = number
    school_of = dict(warehouse.rows("select enrolment_key, school_key from marts.fct_enrolment"))
    expected = []
    for (_, enrolment), stay in stays_of(warehouse).items():
        day_no = schools[school_of[enrolment]]
        for rule in REGISTRY["responses"]["rules"]:
            spoke: date | None = None
            for day in days_that_meet(rule, stay, day_no):
                quiet = rule.get("quiet_school_days")
                if spoke is None or (quiet is not None and day_no[day] - day_no[spoke] > quiet):
                    expected.append((rule["rule_id"], enrolment, day))
                    spoke = day
    found = warehouse.rows("select rule_id, enrolment_key, signal_date from marts.attendance_signal")
    assert {rule for rule, *_ in found} >= {"third_spell", "first_unauthorised", "recent_rate", "illness_spells"}
    assert sorted(found) == sorted(expected)


def test_the_queue_of_a_day_holds_as_many_pupils_as_the_registry_says(built: Built) -> None:
    places = REGISTRY["responses"]["pupils_in_queue_per_school_and_day"]
    days = built.first.rows(
        "select count(distinct pupil_key), count(distinct pupil_key) filter (is_in_queue), max(queue_place) "
        "from marts.attendance_signal group by school_key, signal_date"
    )
    assert all((queued, last) == (min(pupils, places), pupils) for pupils, queued, last in days)


def test_nothing_protected_in_law_is_an_input_of_a_signal() -> None:
    models = {path.stem: path.read_text(encoding="utf-8") for path in (PROJECT / "models").rglob("*.sql")}
    texts = {name: models[name] for name in ON_THE_WAY}
    texts["macros"] = (PROJECT / "macros" / "responses.sql").read_text(encoding="utf-8")
    found = {name: PROTECTED.findall(without_comments(text)) for name, text in texts.items()}
    assert {name: words for name, words in found.items() if words} == {}


def test_no_rule_reads_or_counts_what_is_protected_in_law() -> None:
    responses = REGISTRY["responses"]
    assert set(responses["reasons_never_counted"]) == {"religious_observance", "travelling"}
    for rule in responses["rules"]:
        assert not PROTECTED.search(repr({key: value for key, value in rule.items() if key not in ("name", "source")}))
        assert not set(rule["reasons"]) & set(responses["reasons_never_counted"])


@pytest.mark.parametrize(
    "planted",
    ["where person.sen_provision = 'K'", "group_sex", "join {{ ref('int_pupil_group') }}", "is_eal", "ethnicity_major"],
)
def test_the_search_finds_a_planted_characteristic(planted: str) -> None:
    assert PROTECTED.search(without_comments(f"select 1 {planted}"))


def without_comments(sql: str) -> str:
    return re.sub(r"\{#.*?#\}|--[^\n]*", " ", sql, flags=re.DOTALL)


def test_the_way_to_a_signal_is_the_whole_way() -> None:
    """Every model that a signal is made from is searched, or says only who was on roll where and which day it was."""
    refs = {
        path.stem: set(re.findall(r"ref\('(\w+)'\)", path.read_text(encoding="utf-8")))
        for path in (PROJECT / "models").rglob("*.sql")
    }
    on_roll = {
        *("int_enrolment", "int_enrolment_year", "int_enrolment_ref", "int_pupil_ref", "int_school_span", "int_school"),
        *(
            "int_school_day",
            "int_calendar_session",
            "int_day",
            "int_slice_fingerprint",
            "int_session_owner",
            "dim_school",
        ),
        *("raw_session_marks", "raw_session_mark_quarantine", "stg_register_code", "stg_intervention"),
    }
    seen: set[str] = set()
    pending = ["attendance_signal", "absence_spell"]
    while pending:
        name = pending.pop()
        if name not in seen | on_roll:
            seen.add(name)
            pending.extend(refs[name])
    assert seen == set(ON_THE_WAY)
