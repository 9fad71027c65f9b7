"""Bridges from our figures to other people's: a thousand random trusts, and the small lake from end to end."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from ingest.registry import read_registry
from tests.dbt.conftest import BORN, PROJECT, Built, Warehouse

AS_OF = date(2026, 6, 30)
# By year: its terms with their first days, and the last day that counts as being on roll still.
TERMS = {
    "2024/25": {"AUT": (8, 1), "SPR": (1, 1), "SUM1": (4, 21), "SUM2": (5, 26)},
    "2025/26": {"AUT": (8, 1), "SPR": (1, 1), "SUM1": (4, 6), "SUM2": (5, 25)},
}
LAST_DAY = {"2024/25": date(2025, 7, 31), "2025/26": AS_OF}
AGES = [None, 3, 4, 4, 5, 5, 10, 14, 15, 15, 16, 16, 17]
# What came of a day's morning and afternoon: attended, missed, or not possible.
DAYS = ["AA", "AA", "AA", "AA", "MM", "AM", "MA", "A-", "-A", "M-", "-M", "--"]
ORACLE_TRUSTS = 150
MEASURES = ("attendance_rate", "overall_absence_rate", "persistent_absence_rate", "severe_absence_rate")


@dataclass(frozen=True)
class Stay:
    """One enrolment in a year; `days` by term."""

    year: str
    enrolment_id: int
    pupil: int
    school: str
    age: int | None
    first_day: date
    on_roll_until: date
    days: dict[str, list[str]]


@dataclass(frozen=True)
class Record:
    """What a step counts: an enrolment or a pupil, in sessions or days."""

    possible: Fraction
    absent: Fraction
    is_age_unknown: bool


def _first_day(year: str, term: str) -> date:
    month, day = TERMS[year][term]
    return date(int(year[:4]) + (month < 8), month, day)


def _random_stay(draw: random.Random, year: str, number: int, pupil: int, school: str, age: int | None) -> Stay:
    entry = draw.choice(
        [
            _first_day(year, "AUT"),
            _first_day(year, "AUT"),
            _first_day(year, "SUM2") - timedelta(days=1),
            _first_day(year, "SUM2"),
            _first_day(year, "AUT") + timedelta(days=draw.randrange(330)),
        ]
    )
    last = LAST_DAY[year]
    until = draw.choice([last + timedelta(days=1), last + timedelta(days=1), last, last - timedelta(days=40)])
    days = {
        term: draw.choices(DAYS, k=draw.choice([0, 1, 2, 4, 5, 5, 6, 20]))
        for term in TERMS[year]
        if term == "SUM2" or entry < _first_day(year, "SUM2")
    }
    return Stay(year, number, pupil, school, age, min(entry, last), max(until, min(entry, last)), days)


def _random_trusts(count: int) -> tuple[list[Stay], dict[str, list[str]]]:
    """Stays, and the schools of each trust: one to three, some of them without anybody, some pupils from elsewhere."""
    draw = random.Random(20260701)
    stays: list[Stay] = []
    trusts: dict[str, list[str]] = {}
    people: list[tuple[int, int | None]] = []
    for number in range(count):
        trust = f"T{number:05d}"
        trusts[trust] = [f"{trust}-{school}" for school in range(draw.randint(1, 3))]
        for _ in range(draw.choice([1, 2, 3, 6, 9])):
            person = (len(people), draw.choice(AGES))
            people.append(person)
            for _ in range(draw.choice([1, 1, 1, 2, 3])):
                who = draw.choice(people[-40:]) if draw.random() < 0.05 else person
                year = draw.choice(list(TERMS)) if draw.random() < 0.2 else "2025/26"
                age = None if who[1] is None else who[1] - (year == "2024/25")
                stays.append(_random_stay(draw, year, len(stays), who[0], draw.choice(trusts[trust]), age))
    return stays, trusts


def _sessions(days: Iterable[str]) -> tuple[int, int]:
    marks = "".join(days)
    return len(marks) - marks.count("-"), marks.count("M")


def _periods(stay: Stay) -> list[dict[str, Any]]:
    rows = []
    for period in (*TERMS[stay.year], "YTD"):
        days = [day for term, days in stay.days.items() if period in ("YTD", term) for day in days]
        possible, absent = _sessions(days)
        whole = [day for day in days if "M" in day and "A" not in day]
        rows.append(
            {
                "academic_year": stay.year,
                "period": period,
                "enrolment_id": stay.enrolment_id,
                "pupil_key": stay.pupil,
                "school_key": stay.school,
                "expected": 2 * len(days),
                "received": 2 * len(days),
                "received_of_totals": 0,
                "possible_of_totals": 0,
                "possible": possible,
                "absent": absent,
                "possible_days": sum(day != "--" for day in days),
                "absent_days": len(whole),
                "part_absent_days": sum("M" in day and "A" in day for day in days),
            }
        )
    return rows


def _main_schools(stays: Sequence[Stay]) -> dict[tuple[str, int], str]:
    """Where a pupil had most possible sessions in a year; of equals the most expected, then the first by key."""

    def order(stay: Stay) -> tuple[int, int, str]:
        days = [day for term in stay.days.values() for day in term]
        return -_sessions(days)[0], -len(days), stay.school

    best: dict[tuple[str, int], Stay] = {}
    for stay in stays:
        key = (stay.year, stay.pupil)
        best[key] = min(best.get(key, stay), stay, key=order)
    return {key: stay.school for key, stay in best.items()}


@dataclass(frozen=True)
class RandomTrusts:
    stays: list[Stay]
    trusts: dict[str, list[str]]
    main_school: dict[tuple[str, int], str]
    bridge: pd.DataFrame


@pytest.fixture(scope="session")
def random_trusts(tmp_path_factory: pytest.TempPathFactory, soak_factor: int) -> RandomTrusts:
    """The model itself, run by dbt over a thousand random trusts."""
    folder = tmp_path_factory.mktemp("bridges")
    stays, trusts = _random_trusts(1000 * soak_factor)
    main_school = _main_schools(stays)
    people = {(stay.pupil, stay.age, stay.year) for stay in stays if stay.age is not None}
    born = {pupil: int(year[:4]) - age for pupil, age, year in people if age is not None}
    tables = {
        "aggregates.attendance_enrolment_period": [row for stay in stays for row in _periods(stay)],
        "aggregates.school_unit": [
            {"school_key": school, "level": level, "unit_code": unit}
            for trust, schools in trusts.items()
            for school in schools
            for level, unit in (("school", school), ("trust", trust), ("la", f"L{int(trust[1:]) % 20:02d}"))
        ],
        "intermediate.int_enrolment_year": [
            {
                "academic_year": stay.year,
                "enrolment_id": stay.enrolment_id,
                "on_roll_from": stay.first_day,
                "on_roll_until": stay.on_roll_until,
            }
            for stay in stays
        ],
        "intermediate.int_academic_year": [
            {"academic_year": year, "end_date": date(int(year[:4]) + 1, 7, 31)} for year in TERMS
        ],
        "intermediate.int_pupil_birth_cohort": [
            {"pupil_key": pupil, "birth_cohort": cohort} for pupil, cohort in born.items()
        ],
        "marts.attendance_pupil_year": [
            {"academic_year": year, "pupil_key": pupil, "school_key": school}
            for (year, pupil), school in main_school.items()
        ],
    }
    path = folder / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        for name, rows in tables.items():
            connection.register("given", pd.DataFrame(rows))
            connection.execute(f"create schema if not exists {name.split('.')[0]}")
            connection.execute(f"create table {name} as select * from given")
            connection.unregister("given")
    variables = {"registry": read_registry(PROJECT / "registry").data, "as_of": AS_OF.isoformat()}
    environment = {
        **os.environ,
        "EVERYPUPIL_WAREHOUSE": str(path),
        "EVERYPUPIL_TEMP_DIR": str(folder / "temp"),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
    }
    dbt = str(Path(sys.executable).with_name("dbt"))
    chosen = ["--select", "academic_period", "attendance_bridge", "--resource-types", "seed", "model"]
    command = [dbt, "build", *chosen, "--vars", json.dumps(variables)]
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    with duckdb.connect(str(path), read_only=True) as connection:
        # As text, so that no decimal passes through a float.
        frame = connection.execute(
            """select academic_year, level, unit_code, measure_id, bridge_id, step, n_records, n_age_unknown, status,
                columns(['numerator', 'denominator', 'value', 'change'])::varchar
            from marts.attendance_bridge order by step"""
        ).df()
    return RandomTrusts(stays, trusts, main_school, frame)


def _decimal(text: Any) -> Decimal | None:
    return None if text is None or text is pd.NA or text != text else Decimal(text)


BRIDGE = ["academic_year", "level", "unit_code", "measure_id", "bridge_id"]


def test_ours_and_the_changes_are_theirs_for_a_thousand_trusts(random_trusts: RandomTrusts) -> None:
    bridges: dict[tuple[Any, ...], list[dict[Any, Any]]] = defaultdict(list)
    for row in random_trusts.bridge.to_dict("records"):
        bridges[tuple(row[column] for column in BRIDGE)].append(row)
    whole, lengths = 0, defaultdict(set)
    for (_, level, _, _, bridge_id), steps in bridges.items():
        values = [_decimal(step["value"]) for step in steps]
        changes = [_decimal(step["change"]) for step in steps]
        assert [step["step"] for step in steps] == list(range(len(steps)))
        assert changes[0] is None
        for before, value, change in zip(values, values[1:], changes[1:], strict=False):
            assert change == (None if value is None or before is None else value - before)
        # Where a step leaves nothing, the ones after it have nothing either.
        assert values == sorted(values, key=lambda value: value is None)
        assert [value is None for value in values] == [step["status"] == "x" for step in steps]
        if values[0] is not None and values[-1] is not None:
            assert values[0] + sum(change for change in changes[1:] if change is not None) == values[-1]
            whole += level == "trust"
        lengths[bridge_id].add(len(values))
    assert len(random_trusts.trusts) >= 1000
    assert set(random_trusts.trusts) <= {unit for _, _, unit, _, _ in bridges}
    assert whole > 10 * len(random_trusts.trusts)
    registry = read_registry(PROJECT / "registry").data
    assert lengths == {bridge["bridge_id"]: {1 + len(bridge["steps"])} for bridge in registry["bridges"]}


def test_every_step_changes_something_somewhere(random_trusts: RandomTrusts) -> None:
    frame = random_trusts.bridge
    moved = frame[frame["change"].map(_decimal).map(lambda change: change not in (None, 0))]
    steps = frame[frame["step"] > 0]
    assert set(zip(moved["bridge_id"], moved["step"], strict=True)) == set(
        zip(steps["bridge_id"], steps["step"], strict=True)
    )
    assert set(frame["status"]) == {"ok", "x"}


# The definitions, written down a second time and not read from the registry.


def _in_sessions(stay: Stay, terms: Iterable[str] = ("AUT", "SPR", "SUM1", "SUM2")) -> Record:
    possible, absent = _sessions(day for term in terms for day in stay.days.get(term, []))
    return Record(Fraction(possible), Fraction(absent), stay.age is None)


def _in_days(stay: Stay, missed: Callable[[str], Fraction]) -> Record:
    days = [day for term in stay.days.values() for day in term if day != "--"]
    return Record(Fraction(len(days)), sum(map(missed, days), Fraction(0)), stay.age is None)


def _share_missed(day: str) -> Fraction:
    return Fraction(day.count("M"), 2 - day.count("-"))


def _wholly_missed(day: str) -> Fraction:
    return Fraction("M" in day and "A" not in day)


def _is_of_age(stay: Stay) -> bool:
    return stay.age is None or 5 <= stay.age <= 15


def _without_study_leave(stay: Stay) -> Record:
    return _in_sessions(stay, ("AUT", "SPR", "SUM1") if stay.age == 15 else TERMS[stay.year])


def _together(stays: Sequence[Stay]) -> list[Record]:
    by_pupil: dict[int, list[Record]] = defaultdict(list)
    for stay in stays:
        by_pupil[stay.pupil].append(_in_sessions(stay))
    return [
        Record(
            sum((r.possible for r in rows), Fraction(0)),
            sum((r.absent for r in rows), Fraction(0)),
            rows[0].is_age_unknown,
        )
        for rows in by_pupil.values()
    ]


def _expected(stays: list[Stay], whole_years: list[Stay]) -> dict[tuple[str, int], list[Record]]:
    """By bridge and step, what is counted of a unit's stays; `whole_years`, every stay of pupils mainly there."""
    ours = [_in_sessions(stay) for stay in stays]
    of_age = [stay for stay in stays if _is_of_age(stay)]
    early = [stay for stay in of_age if stay.first_day < _first_day(stay.year, "SUM2")]
    on_roll = [stay for stay in stays if stay.on_roll_until > LAST_DAY[stay.year]]
    aged = [_in_sessions(stay) for stay in of_age]
    steps = {
        "dfe_year_to_date": [ours, aged],
        "dfe_five_half_terms": [ours, aged, [_in_sessions(stay, ("AUT", "SPR", "SUM1")) for stay in of_age]],
        "dfe_full_year": [ours, aged, [_in_sessions(s) for s in early], [_without_study_leave(s) for s in early]],
        "mis_current_roll": [ours, [_in_sessions(stay) for stay in on_roll]],
        "days": [ours, [_in_days(s, _share_missed) for s in stays], [_in_days(s, _wholly_missed) for s in stays]],
        "minimum_sessions": [ours, [record for record in ours if record.possible >= 20]],
        "per_pupil": [ours, _together(stays), _together(whole_years)],
    }
    return {(bridge, step): records for bridge, lists in steps.items() for step, records in enumerate(lists)}


def _figure(measure: str, records: Iterable[Record]) -> tuple[Fraction, Fraction]:
    counted = [record for record in records if record.possible > 0]
    if measure in ("persistent_absence_rate", "severe_absence_rate"):
        limit = 10 if measure == "persistent_absence_rate" else 50
        hits = sum(record.absent * 100 >= limit * record.possible for record in counted)
        return Fraction(hits), Fraction(len(counted))
    absent, possible = sum(r.absent for r in counted), sum(r.possible for r in counted)
    return Fraction(possible - absent if measure == "attendance_rate" else absent), Fraction(possible)


def test_every_step_is_what_its_definition_says(random_trusts: RandomTrusts) -> None:
    """Numerator, denominator, number of records and value of every step against an own computation in fractions."""
    units: dict[str, tuple[str, ...]] = {}
    for trust, schools in list(random_trusts.trusts.items())[:ORACLE_TRUSTS]:
        units |= {trust: tuple(schools)} | {school: (school,) for school in schools}
    by_school: dict[tuple[str, str], list[Stay]] = defaultdict(list)
    by_main_school: dict[tuple[str, str], list[Stay]] = defaultdict(list)
    for stay in random_trusts.stays:
        by_school[stay.year, stay.school].append(stay)
        by_main_school[stay.year, random_trusts.main_school[stay.year, stay.pupil]].append(stay)
    frame = random_trusts.bridge[random_trusts.bridge["unit_code"].isin(list(units))]
    expected = {}
    for unit, within in units.items():
        for year in TERMS:
            stays = [stay for school in within for stay in by_school[year, school]]
            if stays:
                mainly = [stay for school in within for stay in by_main_school[year, school]]
                expected[year, unit] = _expected(stays, mainly)
    assert {(row.academic_year, row.unit_code) for row in frame.itertuples()} == set(expected)
    compared = 0
    for row in frame.to_dict("records"):
        records = expected[row["academic_year"], row["unit_code"]][row["bridge_id"], row["step"]]
        numerator, denominator = _figure(row["measure_id"], records)
        counted = [record for record in records if record.possible > 0]
        assert (Fraction(row["numerator"]), Fraction(row["denominator"])) == (numerator, denominator)
        assert (row["n_records"], row["n_age_unknown"]) == (len(counted), sum(r.is_age_unknown for r in counted))
        nearest = floor(numerator / denominator * 10**11 + Fraction(1, 2)) if denominator else None
        assert _decimal(row["value"]) == (None if nearest is None else Decimal(nearest).scaleb(-9))
        compared += 1
    assert compared > 20_000


def test_the_own_computation_tells_one_definition_from_another() -> None:
    """Else it could not find a model wrong: a pupil of 16, a late joiner, a leaver, and half a day missed."""
    stay = Stay("2025/26", 1, 1, "S", 10, date(2025, 9, 1), date(2026, 7, 1), {"AUT": ["AM", "MM"], "SUM2": ["AA"]})
    counts = {key: _figure("overall_absence_rate", records) for key, records in _expected([stay], [stay]).items()}
    assert counts["days", 1] == (Fraction(3, 2), Fraction(3))
    assert counts["days", 2] == (Fraction(1), Fraction(3))
    assert counts["dfe_five_half_terms", 2] == (Fraction(3), Fraction(4))
    assert counts["minimum_sessions", 1] == (Fraction(0), Fraction(0))
    for age in (4, 16):
        assert _expected([replace(stay, age=age)], [])["dfe_year_to_date", 1] == []
    assert _expected([replace(stay, first_day=date(2026, 5, 25))], [])["dfe_full_year", 2] == []
    assert _expected([replace(stay, on_roll_until=AS_OF)], [])["mis_current_roll", 1] == []


def _bridge(warehouse: Warehouse, unit: str, bridge_id: str, step: int, measure: str) -> tuple[Any, ...]:
    (row,) = warehouse.rows(
        "select numerator, denominator, n_records, n_age_unknown from marts.attendance_bridge "
        "where academic_year = '2025/26' and unit_code = ? and bridge_id = ? and step = ? and measure_id = ?",
        [unit, bridge_id, step, measure],
    )
    return row


def test_an_age_comes_from_the_date_of_birth_of_the_lists(built: Built) -> None:
    """Born on 31 August 2009: 16 on 31 August 2025; a day later: 15. Born on 1 September 2020: 4; a day earlier: 5."""
    cohorts = dict(built.first.rows("select pupil_key, birth_cohort from intermediate.int_pupil_birth_cohort"))
    ages = {pupil: 2025 - cohorts[pupil] for pupil in BORN if pupil in cohorts}
    assert ages == {11: 16, 12: 15, 13: 15, 14: 14, 15: 5, 16: 4}
    gone = built.first.rows(
        "select sum(possible) from marts.attendance_enrolment_year where pupil_key in (11, 16) and possible > 0"
    )[0][0]
    before = _bridge(built.first, "100002", "dfe_year_to_date", 0, "attendance_rate")
    after = _bridge(built.first, "100002", "dfe_year_to_date", 1, "attendance_rate")
    assert before[1] - after[1] == gone
    assert (before[2] - after[2], before[3], after[3]) == (2, 2, 2)


@pytest.mark.parametrize(("school_key", "urn"), [("100001", "100002"), ("100003", "100003")])
def test_days_are_those_of_the_marks(built: Built, school_key: str, urn: str) -> None:
    """From the marks themselves, in each build: as it was, after a night, and from nothing."""
    for warehouse in (built.first, built.incremental, built.full):
        ((possible, whole, part),) = warehouse.rows(
            """select count(*), count_if(attended = 0), count_if(attended > 0 and missed > 0)
            from (
                select count_if(is_attended) as attended, count_if(is_authorised or is_unauthorised) as missed
                from marts.fct_session where school_key = ? group by enrolment_key, session_date
            ) where attended + missed > 0""",
            [school_key],
        )
        assert part > 0
        halves = _bridge(warehouse, urn, "days", 1, "overall_absence_rate")
        assert halves[:2] == (whole + Decimal(part) / 2, possible)
        assert _bridge(warehouse, urn, "days", 2, "overall_absence_rate")[:2] == (whole, possible)


def test_a_bridge_goes_into_no_tier_but_the_pupils(built: Built) -> None:
    schemas = built.first.rows(
        "select distinct table_schema from information_schema.tables where table_name like '%attendance_bridge%'"
    )
    assert schemas == [("marts",)]
