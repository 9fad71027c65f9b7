"""Pupils of a release: rows of every mart, so that what each role reads of them can be counted on one's fingers."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

from ingest.settings import Settings
from tests.dashboard.release_fixture import RELEASE_ID, SCHOOLS, YEARS, entry_of, write_table

LAST_YEAR, THIS_YEAR = YEARS
SPECIAL = {
    "is_fsm": True,
    "is_fsm6": True,
    "is_disadvantaged": True,
    "disadvantage_basis": "FSM6",
    "sen_provision": "K",
    "is_eal": True,
    "ethnicity_major": "Asian",
    "is_looked_after": False,
    "idaci_decile": 2,
    "fsm_days_known": 200,
    "fsm_days_eligible": 50,
    "fsm_eligible_share": 25.0,
}
DIMENSIONS = {"all": "all", "sex": "F", "sen": "E", "disadvantage": "disadvantaged", "ethnicity": "Asian"}


@dataclass(frozen=True)
class Enrolment:
    """A stay of one pupil at one school; `year_group` as of its last pupil list."""

    pupil_key: int
    urn: str
    year_group: str
    entry: dt.date
    leaving: dt.date | None = None

    @property
    def key(self) -> str:
        return f"e{self.pupil_key}-{self.urn}"


MOVER = 7
ENROLMENTS = (
    *(
        Enrolment(int(urn) * 10 + number, urn, year_group, dt.date(2024, 9, 1), leaving)
        for urn, *_ in SCHOOLS
        for number, (year_group, leaving) in enumerate(
            [
                ("10", None),
                ("10", dt.date(2025, 11, 3)),  # left in the academic year of the release
                ("10", dt.date(2025, 7, 22)),  # left before it
                ("11", None),
                ("R", None),
            ]
        )
    ),
    Enrolment(MOVER, "100004", "10", dt.date(2024, 9, 1), dt.date(2025, 12, 1)),
    Enrolment(MOVER, "100001", "10", dt.date(2025, 12, 1)),
)
# One status before the move and one after, so that each school is told its own days alone.
STATUSES = tuple(
    {"pupil_key": key, "valid_from": first, "valid_to": last, "sex": "F", **SPECIAL}
    for key, first, last in [
        *((e.pupil_key, dt.date(2024, 9, 1), dt.date(9999, 12, 31)) for e in ENROLMENTS if e.pupil_key != MOVER),
        (MOVER, dt.date(2024, 9, 1), dt.date(2025, 11, 1)),
        (MOVER, dt.date(2026, 1, 5), dt.date(9999, 12, 31)),
    ]
)


def add_pupils(settings: Settings, schools_without_signals: tuple[str, ...] = ()) -> None:
    """Adds pupils' rows to the release that `build_release` wrote, in place of those it has."""
    root = settings.releases_dir / RELEASE_ID
    manifest = json.loads((root / "manifest.json").read_text())
    files: dict[str, list[dict[str, Any]]] = {}
    for urn, *_ in SCHOOLS:
        for table, rows in rows_of_school(urn).items():
            if table == "attendance_signal" and urn in schools_without_signals:
                continue
            files.setdefault(table, []).append(write_table(root, f"pupils/urn={urn}/{table}.parquet", rows))
    for table, rows in rows_of_no_school().items():
        files.setdefault(table, []).append(write_table(root, f"pupils/urn=_all/{table}.parquet", rows))
    manifest["tables"]["pupils"] = {table: entry_of(entries) for table, entries in files.items()}
    (root / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def rows_of_school(urn: str) -> dict[str, list[dict[str, Any]]]:
    """By mart, the rows of one school."""
    own = [enrolment for enrolment in ENROLMENTS if enrolment.urn == urn]
    place = {"school_key": urn, "urn": urn}
    by_pupil = [{"academic_year": year, "pupil_key": e.pupil_key, **place} for e in own for year in YEARS]
    by_enrolment = [
        row | {"enrolment_key": e.key} for row, e in zip(by_pupil, [e for e in own for _ in YEARS], strict=True)
    ]
    figures = [figure(year, "school", urn, *group) for year in YEARS for group in groups()]
    return {
        "absence_spell": [spell for e in own for spell in spells(e)],
        "assessment_result": [row | {"numeric_value": 101.0} for row in by_pupil],
        "attendance_bridge": [bridge_step("school", urn, step) for step in (0, 1)],
        "attendance_by_status": by_status("school", urn),
        "attendance_enrolment_year": by_enrolment,
        "attendance_pupil_year": [row | {"possible": 380, "attended": 361} for row in by_pupil],
        "attendance_reason": reasons("school", urn),
        "attendance_signal": [row for e in own for row in signals(e)],
        "coverage": [
            {
                "academic_year": THIS_YEAR,
                "period": "YTD",
                "feed": "pupils",
                **place,
                "expected": 5.0,
                "received": 5.0,
                "share": 100.0,
                "status": "ok",
            }
        ],
        "data_quality_issue": [{"issue_id": f"i{urn}", **place, "n_rows": 1}],
        "dim_school": [place],
        "fct_enrolment": [
            {
                "enrolment_key": e.key,
                "pupil_key": e.pupil_key,
                **place,
                "nc_year": e.year_group,
                "entry_date": e.entry,
                "leaving_date": e.leaving,
            }
            for e in own
        ],
        "fct_session": [row | session(int(str(row["pupil_key"]))) for row in by_enrolment],
        "gap": [
            row
            | {"comparator": "others", "n_group": 1, "n_comparator": 4, "value_group": 50.0, "value_comparator": 60.0}
            | {"gap": 10.0, "effect_size": 0.4}
            for row in figures
        ],
        "measure_value": figures,
        "progress_pupil": [row | {"residual": 0.5} for row in by_pupil],
        "progress_school": [
            {"academic_year": THIS_YEAR, "measure_id": "value_added_maths", **place, "n": 3, "status": "ok"}
            | dict.fromkeys(("raw_mean", "raw_ci_low", "raw_ci_high", "shrunken", "shrunken_ci_low"), 0.1)
            | dict.fromkeys(("shrunken_ci_high", "reliability", "probability_above", "coverage"), 0.5)
        ],
        "staff_note": [{**place, "note": "a mart that no role was asked about"}],
    }


def rows_of_no_school() -> dict[str, list[dict[str, Any]]]:
    """By mart, the rows that lie beside the schools' folders."""
    return {
        "attendance_bridge": [bridge_step("trust", "T0001", step) for step in (0, 1)],
        "attendance_by_status": by_status("trust", "T0001"),
        "attendance_reason": reasons("trust", "T0001"),
        "attendance_signal_backtest": [
            backtest(rule_id, is_plain, dimension, value)
            for rule_id, is_plain in (("third_spell", False), ("last_term_below", True))
            for dimension, value in groups()
        ],
        "delivery": [{"delivery_id": "d1", "rows_read": 5}],
        "dim_pupil_status": list(STATUSES),
        "measure": [{"measure_id": "m", "name": "Attendance"}],
        "measure_value": [figure(THIS_YEAR, "trust", "T0001", *group) for group in groups()],
        "progress_model": [{"measure_id": "m", "n_pupils": 30}],
    }


NEWEST = dt.date(2026, 6, 24)  # a Wednesday
RULES = {
    "unexplained_run": "Five consecutive sessions without an accepted reason",
    "third_spell": "Third absence in 25 school days",
    "first_unauthorised": "First unauthorised session of the year",
    "illness_spells": "Fourth absence for illness in 60 school days",
    "recent_rate": "Attendance below 90% over the last 60 possible sessions",
}
# By the place of a pupil among those of its school: rule, day of the signal, place, and days to the first action.
SIGNALS: tuple[tuple[tuple[str, dt.date, int, int | None], ...], ...] = (
    (("third_spell", NEWEST, 1, 1), ("unexplained_run", NEWEST, 1, 1)),
    (("third_spell", dt.date(2025, 10, 6), 1, None),),
    (("recent_rate", dt.date(2025, 3, 3), 1, 7),),
    (("third_spell", NEWEST, 2, None),),
    (("recent_rate", NEWEST, 3, None),),
)
SIGNALS_OF_MOVER = {
    "100001": (("first_unauthorised", NEWEST - dt.timedelta(days=2), 1, 2),),
    "100004": (("illness_spells", dt.date(2025, 10, 7), 1, 0),),
}


def signals(enrolment: Enrolment) -> list[dict[str, Any]]:
    """The signals of one stay; place 3 is beyond what the team of a school takes up."""
    raised = (
        SIGNALS_OF_MOVER[enrolment.urn]
        if enrolment.pupil_key == MOVER
        else SIGNALS[enrolment.pupil_key - int(enrolment.urn) * 10]
    )
    return [
        {
            "rule_id": rule_id,
            "enrolment_key": enrolment.key,
            "signal_date": day,
            "academic_year": LAST_YEAR if day < dt.date(2025, 8, 1) else THIS_YEAR,
            "pupil_key": enrolment.pupil_key,
            "school_key": enrolment.urn,
            "urn": enrolment.urn,
            "rule_name": RULES[rule_id],
            "evidence_from": day - dt.timedelta(days=14),
            "spells": 3 if rule_id.endswith(("spell", "spells")) else None,
            "sessions": {"unexplained_run": 5, "recent_rate": 8, "first_unauthorised": 1}.get(rule_id),
            "possible": 60 if rule_id == "recent_rate" else None,
            "spell_starts": str(day) if rule_id.endswith(("spell", "spells")) else None,
            "queue_place": place,
            "is_in_queue": place < 3,
            "action_taken": None if wait is None else "=letter",
            "action_date": None if wait is None else day + dt.timedelta(days=wait),
            "school_days_to_action": wait,
        }
        for rule_id, day, place, wait in raised
    ]


def spells(enrolment: Enrolment) -> list[dict[str, Any]]:
    """A spell on the first day of each signal's evidence, and one of a reason that no rule counts on the day after."""
    return [
        {
            "academic_year": signal["academic_year"],
            "enrolment_key": enrolment.key,
            "start_date": signal["evidence_from"] + dt.timedelta(days=later),
            "start_session": "AM",
            "pupil_key": enrolment.pupil_key,
            "school_key": enrolment.urn,
            "urn": enrolment.urn,
            "end_date": signal["evidence_from"] + dt.timedelta(days=later),
            "sessions": 2,
            "main_reason": reason,
        }
        for signal in signals(enrolment)
        for later, reason in ((0, "illness"), (1, "religious_observance"))
    ]


def backtest(rule_id: str, is_plain: bool, dimension: str, value: str) -> dict[str, Any]:
    """40 pupils of whom 10 were below afterwards; the rule flagged 8 and 6 of them rightly, the plain rule 5 and 4;
    of year group 11 none was left who was not below.
    """
    pupils, below = (10, 10) if value == "11" else (40, 10)
    flagged, right = (5, 4) if is_plain else (8, 6)
    wrong = 0 if value == "11" else flagged - right
    return {
        "academic_year": THIS_YEAR,
        "term": "AUT",
        "rule_id": rule_id,
        "group_dimension": dimension,
        "group_value": value,
        "rule_name": "Last term's attendance below 90%" if is_plain else RULES[rule_id],
        "is_plain_rule": is_plain,
        "following_year": THIS_YEAR,
        "following_term": "SPR",
        "pupils": pupils,
        "below": below,
        "flagged": right + wrong,
        "true_positives": right,
        "precision_percent": 100.0 * right / (right + wrong),
        "true_positives_in_queue": None if is_plain else right - 1,
        "recall_percent": 100.0 * right / below,
        "recall_in_queue_percent": None if is_plain else 100.0 * (right - 1) / below,
        "false_alarm_percent": None if pupils == below else 100.0 * wrong / (pupils - below),
    }


def bridge_step(level: str, unit: str, step: int) -> dict[str, Any]:
    """One step of a bridge from 50 per cent, each a point less than the one before."""
    return {
        "academic_year": THIS_YEAR,
        "level": level,
        "unit_code": unit,
        "measure_id": "attendance_rate",
        "bridge_id": "days",
        "step": step,
        "bridge_name": "Days in place of sessions",
        "whose": "Systems that count days",
        "source": "a specification",
        "caveat": None,
        "step_name": ("Our figure", "Days, with half days")[step],
        "sentence": "What the step changes.",
        "record": "enrolment",
        "n_records": 5,
        "n_age_unknown": 0,
        "value": 50.0 - step,
        "change": -1.0 if step else None,
        "status": "ok",
    }


def session(pupil_key: int) -> dict[str, Any]:
    """The one session of an enrolment, on one of two days: every second pupil is ill."""
    ill = pupil_key % 2 == 1
    return {
        "session_date": dt.date(2025, 9, 3 + pupil_key // 2 % 2),
        "session": "AM",
        "code": "I" if ill else "/",
        "is_possible": True,
        "is_attended": not ill,
        "is_authorised": ill,
        "is_unauthorised": False,
        "is_late": False,
        "is_missing": False,
        "is_expected": True,
    }


def reasons(level: str, unit: str) -> list[dict[str, Any]]:
    """Four pupils ill for thirty sessions of four hundred, two late for ten, one on holiday for ten.

    Girls and boys were ill alike, of those with special needs one was, and of boys one was on holiday.
    """
    place = {"academic_year": THIS_YEAR, "period": "YTD", "level": level, "unit_code": unit, "possible": 400}
    codes = (
        ("I", "Illness", "illness", "authorised", 4, 30),
        ("L", "Late, before the register closed", "late_before_close", "present", 2, 10),
        ("G", "Holiday not granted", "holiday", "unauthorised", 1, 10),
    )
    everybody = [
        {**place, "code": code, "meaning": meaning, "reason": reason, "category": category}
        | {"group_definition": "all", "group_dimension": "all", "group_value": "all"}
        | {"n": n, "sessions": sessions, "value": sessions / 4, "ci_low": sessions / 8, "ci_high": sessions / 2}
        | {"coverage": 98.0, "status": "ok"}
        for code, meaning, reason, category, n, sessions in codes
    ]
    ill, _, holiday = everybody
    by_group = [
        row
        | {"group_definition": f"{dimension}@census", "group_dimension": dimension, "group_value": value}
        | {"n": n, "sessions": sessions, "possible": possible, "value": 100 * sessions / possible}
        | {"ci_low": 90 * sessions / possible, "ci_high": 110 * sessions / possible}
        for row, dimension, value, n, sessions, possible in (
            (ill, "sex", "F", 2, 15, 200),
            (ill, "sex", "M", 2, 15, 200),
            (holiday, "sex", "M", 1, 10, 200),
            (ill, "sen", "E", 1, 10, 100),
        )
    ]
    return [*everybody, *by_group]


def by_status(level: str, unit: str) -> list[dict[str, Any]]:
    """Of 20 pupils 5 are eligible on the census day, 6 at some session, 7 ever; each rule two points above the last."""
    counts = {"census": (5, 15, 0.0), "session": (6, 16, 2.0), "ever_in_year": (7, 13, 4.0)}
    return [
        figure(THIS_YEAR, level, unit, "fsm", value)
        | {"group_definition": f"fsm@{rule}", "n": n, "value": 50.0 + more}
        | {"ci_low": 40.0 + more, "ci_high": 60.0 + more}
        for rule, (eligible, others, more) in counts.items()
        for value, n in (("eligible", eligible), ("not_eligible", others))
    ]


def groups() -> list[tuple[str, str]]:
    return [*DIMENSIONS.items(), *(("nc_year", year) for year in ("R", "10", "11"))]


def figure(year: str, level: str, unit: str, dimension: str, value: str) -> dict[str, Any]:
    return {
        "academic_year": year,
        "period": "YTD",
        "level": level,
        "unit_code": unit,
        "measure_id": "attendance_rate",
        "definition_version": 1,
        "group_dimension": dimension,
        "group_value": value,
        "n": 1,
        "value": 50.0,
        "ci_low": 40.0,
        "ci_high": 60.0,
        "coverage": 100.0,
        "status": "ok",
    }
