"""The codes that ingest takes and the codes that the models judge are one set on every day, in both directions."""

from __future__ import annotations

import csv
import shutil
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from ingest.contracts import load_contract
from ingest.registry import read_registry
from tests.dbt.conftest import PROJECT, Built

NATIONS = {"England": "ENG", "Wales": "WLS"}

Period = tuple[str, date, date]


def _seed(nation: str) -> list[Period]:
    with (PROJECT / "seeds" / "register_code.csv").open(encoding="utf-8", newline="") as file:
        return [
            (row["code"], date.fromisoformat(row["valid_from"]), date.fromisoformat(row["valid_to"] or "9999-12-31"))
            for row in csv.DictReader(file)
            if row["nation"] == nation
        ]


def _contract(nation: str) -> list[Period]:
    return [
        (one.code, one.valid_from, one.valid_to or date.max)
        for one in load_contract("session_marks").codes
        if one.nation == NATIONS[nation]
    ]


def _turning_days() -> list[date]:
    """Every day on which the seed or the contract changes, and the days on both sides of it."""
    changes = {day for nation in NATIONS for _, *ends in [*_seed(nation), *_contract(nation)] for day in ends}
    earliest = date(2014, 8, 1)
    near = {day + timedelta(days=d) for day in changes if earliest < day < date(2100, 1, 1) for d in (-1, 0, 1)}
    return sorted(near | {earliest, date(2100, 1, 1)})


def _in_use(periods: list[Period], day: date) -> list[str]:
    return sorted(code for code, first, last in periods if first <= day <= last)


@pytest.mark.parametrize("nation", NATIONS)
@pytest.mark.parametrize("day", _turning_days(), ids=str)
def test_ingest_and_the_models_know_the_same_codes_on_every_day(day: date, nation: str) -> None:
    assert _in_use(_seed(nation), day) == _in_use(_contract(nation), day)


def test_the_changes_of_2014_and_2024_are_among_the_days_compared() -> None:
    assert {date(2014, 9, 1), date(2024, 8, 18), date(2024, 8, 19)} <= set(_turning_days())


def test_every_row_of_the_seed_is_of_a_nation_that_the_contract_knows_and_says_what_it_rests_on() -> None:
    with (PROJECT / "seeds" / "register_code.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["nation"] for row in rows} == set(NATIONS)
    assert {row["basis"] for row in rows} == {"published", "derived", "unverified"}
    assert all(row["meaning"] for row in rows)
    assert {row["code"] for row in rows if row["basis"] == "unverified"} == {
        *("I01", "I02"),
        *(f"X{number:02d}" for number in range(1, 10)),
    }


def test_ingest_and_the_models_agree_on_the_nation_of_a_local_authority() -> None:
    contract = load_contract("session_marks").data["nations"]
    registry = read_registry(PROJECT / "registry").data["nations"]
    assert NATIONS[registry["default"]] == contract["default"]
    assert {
        NATIONS[part["nation"]]: [int(part["first"]), int(part["last"])] for part in registry["la_codes"]
    } == contract["by_la_code"]


LAST, FIRST = date(2024, 8, 18), date(2024, 8, 19)
ENGLISH, WELSH = "100001", "100005"
JUDGED = [
    # 2014: F ends in England, and lives on in Wales.
    (ENGLISH, "F", date(2014, 8, 31), "authorised"),
    (ENGLISH, "F", date(2014, 9, 1), "authorised"),
    (WELSH, "F", date(2025, 9, 1), "authorised"),
    # 2024: a withdrawn code keeps its category after its end; Wales's codes have no end.
    *((ENGLISH, "H", day, "authorised") for day in (LAST, FIRST, date(2026, 2, 2))),
    *((ENGLISH, "J", day, "aea") for day in (LAST, FIRST, date(2026, 2, 2))),
    *((ENGLISH, "Y", day, "not_possible") for day in (LAST, FIRST, date(2026, 2, 2))),
    *((WELSH, code, FIRST, what) for code, what in (("H", "authorised"), ("J", "aea"), ("Y", "not_possible"))),
    # 2024: a new code means something from its first day on, and never anything in Wales.
    *(
        (urn, code, day, what if urn == ENGLISH and day == FIRST else "unknown")
        for code, what in (
            *((code, "authorised") for code in ("C1", "C2", "J1")),
            ("K", "aea"),
            *((code, "not_possible") for code in ("Q", "Y1", "Y2", "Y3", "Y4", "Y5", "Y6", "Y7")),
        )
        for urn, day in ((ENGLISH, LAST), (ENGLISH, FIRST), (WELSH, FIRST))
    ),
    # The pandemic's sub-codes.
    (ENGLISH, "I01", date(2020, 8, 31), "unknown"),
    (ENGLISH, "I01", date(2020, 9, 1), "authorised"),
    (ENGLISH, "X09", date(2022, 8, 31), "not_possible"),
    (ENGLISH, "X09", date(2022, 9, 1), "not_possible"),
    # Codes without a boundary, and what is no code at all.
    *((urn, "U", FIRST, "unauthorised") for urn in (ENGLISH, WELSH)),
    *((urn, "D", FIRST, "not_possible") for urn in (ENGLISH, WELSH)),
    *((urn, "#", FIRST, "administrative") for urn in (ENGLISH, WELSH)),
    (ENGLISH, "ZZ", FIRST, "unknown"),
    (ENGLISH, None, FIRST, "missing"),
]


def test_a_mark_is_judged_by_its_own_date_and_its_schools_nation(built: Built, tmp_path: Path) -> None:
    copy = tmp_path / built.first.path.name  # a view names its catalogue, which is the name of the file
    shutil.copyfile(built.first.path, copy)
    with duckdb.connect(str(copy)) as connection:
        connection.execute("delete from intermediate.int_session_mark")
        connection.executemany(
            "insert into intermediate.int_session_mark by name select ? as enrolment_id, ? as urn, ? as code, "
            "? as session_date, 'AM' as session, false as is_quarantined, 0 as slice_fingerprint",
            [[number, *mark] for number, (*mark, _) in enumerate(JUDGED)],
        )
        judged = connection.execute(
            "select urn, code, session_date, category, is_missing, is_possible, is_attended, is_authorised, "
            "is_unauthorised from intermediate.int_session_judgement order by enrolment_id"
        ).fetchall()
    assert [row[:4] for row in judged] == JUDGED
    for _, _, _, category, is_missing, *counts in judged:
        assert is_missing is (category in ("unknown", "missing"))
        assert counts == {
            "present": [True, True, False, False],
            "aea": [True, True, False, False],
            "authorised": [True, False, True, False],
            "unauthorised": [True, False, False, True],
        }.get(category, [False] * 4)
