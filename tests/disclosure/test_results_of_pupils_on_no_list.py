"""Random trusts some of whose pupils have results and stand on no pupil list: neither tier tells how few they are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from quality.attacker import attack
from quality.attacker.cells import TABLE_KEYS
from quality.attacker.cells import row_keys as joined_keys
from quality.disclosure import MEASURE_VALUE_KEY, decide
from quality.disclosure.missing_results import coverage_pattern
from tests.disclosure.test_disclosure import REGISTRY
from tests.disclosure.test_missing_results import TIERS, marts_of, published
from tests.disclosure.trusts import YEAR

SUBJECTS = ("reading", "maths")
DIMENSIONS = {"nc_year": "nc_year@census", "sex": "sex@census"}
SCHOOLS, AUTHORITIES = (2, 9), 2
# Of 16 trusts 9, 10 and one more are told where what is hidden of figures is not looked at beside coverage; 5 and 9
# where a hidden number with a result is only asked not to be few and exact: few were left 1 to 8, and of 34 one value.
TRUSTS, SOAK_TRUSTS = (5, 9, 10), range(100)


def pupils_of(seed: int) -> pd.DataFrame:
    """One row per pupil and measure: whether it is known. Who is on no list has no prior score, so no value added."""
    rng = np.random.default_rng(seed)
    size = rng.integers(15, 160, rng.integers(*SCHOOLS))
    school = np.repeat(np.arange(len(size)), size)
    unlisted = rng.random(len(school)) < 0.012
    pupils = pd.DataFrame(
        {
            "school": [f"1000{number:02d}" for number in school],
            "trust": "T1",
            "la": [f"30{1 + number % AUTHORITIES}" for number in school],
            "nc_year": np.where(unlisted, "unknown", rng.choice(["3", "4", "5", "6"], len(school))),
            "sex": np.where(unlisted, "unknown", rng.choice(["F", "M"], len(school))),
            "all": "all",
        }
    )
    results = []
    for subject in SUBJECTS:
        scored = rng.random(len(pupils)) > 0.04
        added = scored & ~unlisted & (rng.random(len(pupils)) > 0.05)
        results.append(pupils.assign(measure=f"mean_score_{subject}", received=scored))
        results.append(pupils.assign(measure=f"value_added_{subject}", received=added))
    return pd.concat(results, ignore_index=True)


def due_of(pupils: pd.DataFrame) -> pd.DataFrame:
    """Figures of every unit and group of pupils, with what was due and what came."""
    frames = []
    for level in ("school", "trust", "la"):
        for dimension in ("all", *DIMENSIONS):
            of = pupils.groupby([level, "measure", dimension])["received"].agg(expected="size", received="sum")
            frames.append(
                of.reset_index()
                .rename(columns={level: "unit_code", "measure": "measure_id", dimension: "group_value"})
                .assign(level=level, group_dimension=dimension, group_definition=DIMENSIONS.get(dimension, "all"))
            )
    due = pd.concat(frames, ignore_index=True).assign(academic_year=YEAR, period="YTD", definition_version=1)
    return due[[*MEASURE_VALUE_KEY, "expected", "received"]].astype({"expected": float, "received": float})


def hidden_of(due: pd.DataFrame) -> Mapping[str, dict[str, set[str]]]:
    """Per tier and table the keys of what is hidden: rows first, then what of coverage goes besides."""
    marts = marts_of(due)
    schools = due[due["level"].eq("school")]
    la = {code: f"30{1 + int(code) % 100 % AUTHORITIES}" for code in schools["unit_code"]}
    marts.schools["la"] = marts.schools["urn"].map(la)
    decided = decide(marts, REGISTRY, list(TIERS))
    rows = {
        tier: set(zip(decided[tier].pattern["table_name"], decided[tier].pattern["row_key"], strict=True))
        for tier in TIERS
    }
    coverage = coverage_pattern(due.assign(status="ok"), marts, REGISTRY, rows, {})
    found: dict[str, dict[str, set[str]]] = {}
    for tier in TIERS:
        both = pd.concat([decided[tier].pattern, coverage[coverage["tier"].eq(tier)]], ignore_index=True)
        found[tier] = {str(table): set(keys["row_key"]) for table, keys in both.groupby("table_name")}
    return found


def told(due: pd.DataFrame, hidden: Mapping[str, set[str]], tier: str) -> list[str]:
    """What the attacker finds out where these rows are hidden as a whole or in their coverage alone."""
    tables = published(due, hidden)
    figures = {
        "measure_value": ["n", "value", "numerator", "denominator", "coverage"],
        "gap": ["n_group", "n_comparator", "coverage"],
        "progress_school": ["n", "coverage"],
    }
    for table, columns in figures.items():
        gone = joined_keys(tables[table], TABLE_KEYS[table]).isin(hidden.get(table, set()))
        tables[table].loc[gone, "status"] = "c"
        for column in columns:
            tables[table][column] = tables[table][column].astype(float).mask(gone)
    tables["dim_school"]["la_code"] = [f"30{1 + int(code) % 100 % AUTHORITIES}" for code in tables["dim_school"]["urn"]]
    return [breach.sentence() for breach in attack(tables, REGISTRY, tier)]


@pytest.mark.parametrize("place", range(len(TRUSTS)))
def test_few_pupils_on_no_list_are_not_told_by_those_without_a_result(place: int, soak_factor: int) -> None:
    leaks = []
    for seed in SOAK_TRUSTS[place :: len(TRUSTS)] if soak_factor > 1 else TRUSTS[place : place + 1]:
        due = due_of(pupils_of(seed))
        hidden = hidden_of(due)
        leaks += [(seed, tier, sentence) for tier in TIERS for sentence in told(due, hidden[tier], tier)]
    assert leaks == []


def test_they_are_told_where_only_figures_are_hidden() -> None:
    due = due_of(pupils_of(1))
    rows = {table: keys for table, keys in hidden_of(due)["leaders"].items() if "coverage" not in table}
    assert any("without a result" in sentence for sentence in told(due, rows, "leaders"))
