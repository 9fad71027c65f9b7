"""Two years are compared on the schools that both have, and a page says when they are not the same ones."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from dashboard.readings import (
    beside_published,
    comparable_period,
    registers_from,
    rests_on,
    same_schools,
    same_schools_sentence,
)


def schools(**counts: tuple[int, float | None, float | None, str]) -> pd.DataFrame:
    rows = [
        {"unit_code": urn, "n": n, "numerator": numerator, "denominator": denominator, "status": status}
        for urn, (n, numerator, denominator, status) in counts.items()
    ]
    return pd.DataFrame(rows).astype({"n": "Int64", "numerator": "float64", "denominator": "float64"})


def test_the_same_schools_need_no_second_comparison() -> None:
    now = schools(a=(100, 930, 1000, "ok"), b=(50, 460, 500, "ok"))
    before = schools(a=(90, 800, 900, "ok"), b=(0, 0, 0, "c"))
    assert same_schools(now, before, "percent") is None


def test_a_school_that_sent_nothing_is_left_out_of_both_years() -> None:
    now = schools(a=(100, 930, 1000, "ok"), b=(50, 460, 500, "ok"), d=(4, None, None, "c"))
    before = schools(a=(90, 810, 900, "ok"), b=(50, 450, 500, "ok"), c=(60, 300, 600, "ok"), d=(9, None, None, "c"))
    found = same_schools(now, before, "percent")
    assert found is not None
    assert (found.in_both, found.now, found.before) == (2, 3, 4)
    assert found.value_now == 100 * (930 + 460) / 1500
    assert found.value_before == 100 * (810 + 450) / 1400
    assert same_schools_sentence(found, "2025/26", "2024/25", "percent") == (
        "The years do not have the same schools (3 in 2025/26, 4 in 2024/25). 2 schools have figures in both; "
        "there it was 90.0% and is 92.7%."
    )


def test_a_school_without_pupils_in_a_year_is_not_there() -> None:
    now = schools(a=(100, 930, 1000, "ok"), b=(0, 0, 0, "x"))
    before = schools(a=(90, 810, 900, "ok"), b=(50, 450, 500, "ok"))
    found = same_schools(now, before, "standard deviations")
    assert found is not None
    assert (found.in_both, found.now, found.before, found.value_now) == (1, 1, 2, 0.93)


def test_years_without_a_common_school_are_not_compared() -> None:
    assert same_schools(schools(a=(9, 8, 9, "ok")), schools(b=(9, 8, 9, "ok")), "percent") is None


def unit(schools: int, received: int, **of_pupils: object) -> dict[str, object]:
    return {"schools": schools, "schools_received": received, **of_pupils}


def test_a_figure_of_all_its_schools_needs_no_sentence() -> None:
    assert rests_on(unit(10, 10)) is None
    assert registers_from(unit(10, 10)) == "all 10 schools"
    assert registers_from(unit(1, 1, pupils=None, pupils_received=None, status="ok")) == "the 1 school"


def test_a_figure_of_fewer_schools_says_of_how_many() -> None:
    assert rests_on(unit(10, 9)) == "Registers came from 9 of 10 schools; none came from the other."
    assert rests_on(unit(10, 7)) == "Registers came from 7 of 10 schools; none came from the other 3."


@pytest.mark.parametrize(("received", "percent"), [(885, 88), (4, 1), (0, 1), (996, 99), (999, 99)])
def test_who_may_read_pupils_is_told_their_share_which_is_neither_none_nor_all(received: int, percent: int) -> None:
    row = unit(10, 9, pupils=1000, pupils_received=received, status="ok")
    assert rests_on(row) == f"Registers came from 9 of 10 schools, {percent}% of pupils; none came from the other."


def test_a_share_of_pupils_that_is_not_known_says_why() -> None:
    row = unit(3, 2, pupils=None, pupils_received=None, status="x")
    assert registers_from(row) == "2 of 3 schools, share of pupils not known, since a list of pupils is lacking too"


def test_our_figure_beside_one_that_dfe_published_has_its_interval() -> None:
    ours = {"value": 93.14, "ci_low": 92.5, "ci_high": 93.8, "status": "ok"}
    of_all = {"value": 94.0, "status": "ok"}
    said = beside_published(ours, {"la": of_all}, "percent")
    assert said == "93.1% (95% interval 92.5% to 93.8%) at our schools there; 94.0% at all its schools."
    hidden = {"value": None, "ci_low": None, "ci_high": None, "status": "c"}
    assert "interval" not in beside_published(hidden, {"la": of_all}, "percent")


@pytest.mark.parametrize(
    ("as_of", "periods", "period"),
    [
        (dt.date(2025, 9, 12), {"YTD", "AUT", "HT1", "W2025-36"}, None),
        (dt.date(2025, 11, 20), {"YTD", "AUT", "HT1", "HT2"}, "HT1"),
        (dt.date(2026, 2, 1), {"YTD", "AUT", "SPR", "HT1", "HT2", "HT3"}, "AUT"),
        (dt.date(2026, 1, 9), {"YTD", "AUT", "HT1", "HT2"}, "HT1"),
        (dt.date(2026, 5, 1), {"YTD", "AUT", "SPR", "SUM1", "HT1", "HT5", "Y5"}, "SPR"),
        (dt.date(2026, 7, 30), {"YTD", "AUT", "SPR", "SUM1", "SUM2", "HT6", "Y5"}, "Y5"),
        (dt.date(2026, 7, 31), {"YTD", "AUT", "SPR", "SUM1", "SUM2", "HT6", "Y5"}, "YTD"),
        (dt.date(2026, 2, 1), {"YTD", "AUT", "SPR"}, "AUT"),
        (dt.date(2025, 9, 12), {"YTD"}, "YTD"),
    ],
)
def test_a_year_that_runs_is_set_beside_the_year_before_on_the_part_of_it_that_is_over(
    as_of: dt.date, periods: set[str], period: str | None
) -> None:
    assert comparable_period(periods, "2025/26", as_of) == period
