"""DfE's published counts come out of their own reasons by the register codes that judge every mark here.

The sample holds 34 published rows; tests/published/README.md says of what publication and under which licence.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from quality.published_attendance import COUNTS, Recount, code_of_column, contributions, recount

ROOT = Path(__file__).parents[2]
SEED = ROOT / "dbt_project" / "seeds" / "register_code.csv"
MEANING = contributions(SEED, "England", date(2025, 9, 1))
WITH_RESIDUAL = {"authorised_absence", "overall_absence", "possible_sessions"}


def _rows() -> list[dict[str, str]]:
    with (ROOT / "tests" / "published" / "attendance_sample.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _recounts() -> list[tuple[dict[str, str], Recount]]:
    return [(row, counted) for row in _rows() if (counted := recount(row, MEANING)) is not None]


def test_suppressed_rows_have_no_counts() -> None:
    suppressed = [row for row in _rows() if recount(row, MEANING) is None]
    assert {(row["la_name"], row["num_schools"]) for row in suppressed} == {
        ("City of London", "1"),
        ("Isles of Scilly", "1"),
    }


@pytest.mark.parametrize("count", [count for count in COUNTS if count not in WITH_RESIDUAL])
def test_counts_without_authorised_absence_are_the_published_ones_in_every_row(count: str) -> None:
    assert len(_recounts()) == 30
    assert [counted.differences[count] for _, counted in _recounts()] == [0] * 30


def test_authorised_absence_for_which_no_reason_is_published_is_carried_as_a_bucket_of_its_own() -> None:
    others = [counted.authorised_other for _, counted in _recounts()]
    assert sum(other == 0 for other in others) == 16
    assert sorted(other for other in others if other)[0] == 1
    assert max(others) == 106
    for row, counted in _recounts():
        for count in WITH_RESIDUAL:
            assert counted.counts[count] + counted.authorised_other == int(row[count])


def test_rates_are_the_published_ones_within_a_thousandth_of_a_point() -> None:
    for row, counted in _recounts():
        assert len(counted.rates) == 18
        for rate, value in counted.rates.items():
            assert value == pytest.approx(float(row[rate]), abs=0.001), (rate, row["la_name"])


def test_persistent_absence_is_taken_as_published_because_no_reason_can_give_it() -> None:
    assert all("pa_perc" not in counted.rates for _, counted in _recounts())


@pytest.mark.parametrize("code", ["D", "X", "Q", "Y1", "#"])
def test_a_mapping_that_counts_what_is_not_possible_would_be_found(code: str) -> None:
    wrong = {**MEANING, "L": MEANING[code]}
    assert any(counted.differences["possible_sessions"] > 106 for row in _rows() if (counted := recount(row, wrong)))


def test_a_mapping_that_takes_an_interview_since_2024_for_attendance_would_be_found() -> None:
    wrong = {**MEANING, "J1": replace(MEANING["J1"], authorised=0, aea=1, attended=1)}
    assert any(counted.differences["overall_attendance"] for row in _rows() if (counted := recount(row, wrong)))


def test_columns_name_their_codes() -> None:
    columns = ["reason_present_am", "reason_present_pm", "reason_c1_authorised_regulated_performance", "reason_n_no"]
    assert [code_of_column(column) for column in [*columns, "reason_present"]] == ["/", "\\", "C1", "N", None]


def test_a_withdrawn_code_keeps_its_meaning_and_a_code_means_nothing_before_its_first_day() -> None:
    early = contributions(SEED, "England", date(2024, 8, 18))
    assert "J1" not in early
    assert MEANING["J"].attended == early["J"].attended == 1
    assert MEANING["H"].authorised == 1
