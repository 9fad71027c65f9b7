"""How many pupils of a small group were expected to have a result is not told by the coverage of others."""

from __future__ import annotations

import pandas as pd
import pytest

from quality.disclosure import MEASURE_VALUE_KEY
from quality.disclosure.missing_results import coverage_pattern
from tests.disclosure.test_disclosure import REGISTRY
from tests.disclosure.test_missing_results import OTHER, SCORE, SEX, TIERS, marts_of
from tests.disclosure.test_results_of_pupils_on_no_list import told
from tests.disclosure.trusts import YEAR

# One school; of 5 girls 4 have a score in either subject, of 50 boys 45.
PUPILS = {("all", "all", "all"): (55, 49), (*SEX, "F"): (5, 4), (*SEX, "M"): (50, 45)}


def key_of(measure: str, *group: str) -> str:
    return "|".join((YEAR, "YTD", "school", "100001", measure, "1", *group))


# Whoever reads Reading's everybody and Maths's boys knows the girls of either subject by the difference, although
# neither shows how many girls have a score.
ROWS = {key_of(SCORE, *SEX, value) for value in "FM"} | {key_of(OTHER, *SEX, "F"), key_of(OTHER, "all", "all", "all")}
# A gap has the numbers of both its sides.
HIDDEN = {"measure_value": ROWS, "gap": {key_of(measure, *SEX, "M", "F") for measure in (SCORE, OTHER)}}


def due() -> pd.DataFrame:
    rows = [
        (YEAR, "YTD", "school", "100001", measure, 1, *group, float(expected), float(received))
        for measure in (SCORE, OTHER)
        for group, (expected, received) in PUPILS.items()
    ]
    return pd.DataFrame(rows, columns=[*MEASURE_VALUE_KEY, "expected", "received"])


@pytest.mark.parametrize("tier", TIERS)
def test_they_are_told_where_coverage_is_shown_beside_hidden_numbers(tier: str) -> None:
    assert any("pupils expected is known exactly (5" in line for line in told(due(), HIDDEN, tier))


@pytest.mark.parametrize("tier", TIERS)
def test_they_are_not_told_beside_what_is_hidden_of_coverage(tier: str) -> None:
    rows = {(table, key) for table, keys in HIDDEN.items() for key in keys}
    pattern = coverage_pattern(due().assign(status="ok"), marts_of(due()), REGISTRY, dict.fromkeys(TIERS, rows), {})
    mine = pattern[pattern["tier"].eq(tier)]
    hidden = {str(table): set(found["row_key"]) for table, found in mine.groupby("table_name")}
    assert hidden
    assert told(due(), hidden | HIDDEN, tier) == []
