"""The codes that ingest takes and the codes that the models judge are one set on every day, in both directions."""

from __future__ import annotations

import csv
import shutil
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from ingest.contracts import load_contract
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


@pytest.mark.parametrize("day", _turning_days(), ids=str)
def test_ingest_and_the_models_know_the_same_english_codes_on_every_day(day: date) -> None:
    assert _in_use(_seed("England"), day) == _in_use(_contract("England"), day)


def test_the_changes_of_2014_and_2024_are_among_the_days_compared() -> None:
    assert {date(2014, 9, 1), date(2024, 8, 18), date(2024, 8, 19)} <= set(_turning_days())


def test_every_row_of_the_seed_is_of_a_nation_that_the_contract_knows() -> None:
    with (PROJECT / "seeds" / "register_code.csv").open(encoding="utf-8", newline="") as file:
        assert {row["nation"] for row in csv.DictReader(file)} <= set(NATIONS)


def test_rows_of_wales_may_stand_in_the_seed_and_change_no_english_judgement(built: Built, tmp_path: Path) -> None:
    copy = tmp_path / built.first.path.name  # a view names its catalogue, which is the name of the file
    shutil.copyfile(built.first.path, copy)
    judged = "select * from staging.stg_register_code order by all"
    with duckdb.connect(str(copy)) as connection:
        before = connection.execute(judged).fetchall()
        connection.execute(
            "insert into staging.register_code select * replace ('Wales' as nation, null as valid_to) "
            "from staging.register_code where code in ('J', 'H', 'Y', 'F')"
        )
        assert connection.execute("select count(*) from staging.register_code where nation = 'Wales'").fetchone() == (
            4,
        )
        assert connection.execute(judged).fetchall() == before
