"""Which weeks are in which half-term, where the tables do not date them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pytest

from quality.attacker.lines import weeks_in

WEEKS = ["W1", "W2", "W3", "W4"]


def sessions(of_weeks: Sequence[float], of_periods: dict[str, float]) -> pd.DataFrame:
    return pd.DataFrame([dict(zip(WEEKS, of_weeks, strict=True)) | of_periods])


@pytest.mark.parametrize(
    ("of_weeks", "of_periods", "expected"),
    [
        ([10, 10, 10, 10], {"HT1": 20, "HT2": 20}, {"HT1": ["W1", "W2"], "HT2": ["W3", "W4"]}),
        ([10, 8, 10, 8], {"HT1": 18, "HT2": 18}, {"HT1": ["W1", "W2"], "HT2": ["W3", "W4"]}),
        ([10, 10, 10, 10], {"HT1": float("nan"), "HT2": 20}, {"HT1": [], "HT2": []}),
        ([10, 9, 8, 7], {"HT1": float("nan"), "HT2": 15}, {"HT1": [], "HT2": ["W3", "W4"]}),
        ([10, 9, 8, 7], {"HT1": 19, "HT2": 99}, {"HT1": ["W1", "W2"], "HT2": []}),
    ],
)
def test_periods_follow_one_another_and_weeks_that_are_alike_do_not_mislead(
    of_weeks: list[float], of_periods: dict[str, float], expected: dict[str, list[str]]
) -> None:
    found = list(weeks_in(sessions(of_weeks, of_periods), WEEKS, list(of_periods)))
    assert {period: [week for other, week in found if other == period] for period in of_periods} == expected
