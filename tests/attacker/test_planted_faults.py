"""Suppressors with one fault each, over small trusts: each is caught, and the real suppressor has none of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quality.attacker import Breach
from quality.attacker.cells import GAP_KEY, VALUE_KEY
from quality.disclosure import Marts
from tests.attacker.made_up import Group, coverage_of, trust_of
from tests.attacker.published import Tables, attacked, figures_of, primary, published, row_keys, suppressed

TRUSTS = {
    # Four pupils with a plan in the first school; the other groups are large.
    "one small group": [
        Group("100001", "E", "F", 4),
        Group("100001", "N", "F", 30),
        Group("100001", "N", "M", 41, 12),
        Group("100002", "E", "M", 17),
        Group("100002", "N", "F", 33, 12),
        Group("100002", "N", "M", 25),
        Group("100003", "E", "F", 21, 12),
        Group("100003", "N", "M", 38),
    ],
    # Five pupils join the boys of the first school in spring: few in autumn, enough in the year.
    "a small term": [
        Group("100001", "N", "M", 8),
        Group("100001", "N", "M", 5, 4, ("SPR",)),
        Group("100001", "N", "F", 30, 12),
        Group("100002", "N", "M", 22, 12),
        Group("100002", "N", "F", 31),
        Group("100003", "N", "M", 27),
        Group("100003", "N", "F", 26, 12),
    ],
    # A school of seven pupils.
    "a small school": [
        Group("100001", "N", "F", 7),
        Group("100002", "N", "F", 29, 12),
        Group("100002", "N", "M", 30),
        Group("100003", "N", "M", 34, 12),
        Group("100003", "N", "F", 28),
    ],
}
AUTHORITIES = {"a small school": {"100001": "301", "100002": "302", "100003": "302"}}


@cache
def trust(name: str) -> Marts:
    return trust_of(TRUSTS[name], AUTHORITIES.get(name))


@cache
def real(name: str) -> dict[str, set[str]]:
    return suppressed(trust(name))


def small_rows(marts: Marts) -> pd.DataFrame:
    values = marts.measure_value
    return values[row_keys(values, "measure_value").isin(primary(marts)["measure_value"])]


def hide(marts: Marts, rows: pd.DataFrame) -> dict[str, set[str]]:
    """Those rows, the primary ones, and the gaps of either."""
    gone = primary(marts)["measure_value"] | set(row_keys(rows, "measure_value"))
    gap = marts.gap
    sides = [row_keys(gap, "measure_value"), row_keys(gap.assign(group_value=gap["comparator"]), "measure_value")]
    of_gap = np.logical_or.reduce([side.isin(gone).to_numpy(bool) for side in sides])
    return {"measure_value": gone, "gap": set(row_keys(gap, "gap")[of_gap])}


def rows_beside(marts: Marts, on: list[str]) -> pd.DataFrame:
    """The rows that share with a small row every key column but those of `on`."""
    key = [column for column in VALUE_KEY if column not in on]
    return marts.measure_value.merge(small_rows(marts)[key].drop_duplicates(), on=key)


def nothing_beside(name: str) -> Tables:
    return published(trust(name), hide(trust(name), trust(name).measure_value.iloc[:0]))


def the_row_before(name: str) -> Tables:
    values = trust(name).measure_value.reset_index(drop=True)
    small = np.flatnonzero(row_keys(values, "measure_value").isin(primary(trust(name))["measure_value"]))
    return published(trust(name), hide(trust(name), values.iloc[np.maximum(small - 1, 0)]))


def only_what_follows_in_the_file(name: str) -> Tables:
    """Hides the next group of the same unit, where the file has one after the small one."""
    marts = trust(name)
    values = marts.measure_value.iloc[::-1].reset_index(drop=True)
    key = [column for column in VALUE_KEY if column != "group_value"]
    small = row_keys(values, "measure_value").isin(primary(marts)["measure_value"])
    follows = small.groupby([values[column] for column in key]).shift(1, fill_value=False)
    return published(marts, hide(marts, values[follows.astype(bool)]))


def other_schools_but_no_groups(name: str) -> Tables:
    return published(trust(name), hide(trust(name), rows_beside(trust(name), ["unit_code"])))


def other_groups_but_no_schools(name: str) -> Tables:
    beside = rows_beside(trust(name), ["group_value"])
    return published(trust(name), hide(trust(name), beside[beside["group_dimension"].ne("all")]))


def one_term_by_itself(name: str) -> Tables:
    """The real pattern of autumn alone, as if spring and the year told nothing of it."""
    hidden = {table: set(rows) for table, rows in real(name).items()}
    for table in ("measure_value", "gap"):
        hidden[table] = {key for key in hidden.get(table, set()) if key.split("|")[1] == "AUT"}
    return published(trust(name), hidden)


def other_measures_by_themselves(name: str) -> Tables:
    """What protects a small row is hidden in the persistent absence alone; the same pupils' n stands beside it."""
    hidden = {table: set(rows) for table, rows in real(name).items()}
    small = primary(trust(name))["measure_value"]
    hidden["measure_value"] = {
        key for key in hidden["measure_value"] if key in small or key.split("|")[4] == "persistent_absence_rate"
    }
    hidden["gap"] = set(row_keys(trust(name).gap, "gap"))
    return published(trust(name), hidden)


def with_figures_left(*figures: str, table: str = "measure_value") -> Callable[[str], Tables]:
    return lambda name: published(trust(name), real(name), {table: list(figures)})


def gaps_left(name: str) -> Tables:
    return published(trust(name), {table: rows for table, rows in real(name).items() if table != "gap"})


def gap_intervals_left(name: str) -> Tables:
    figures = ["value_group", "value_comparator", "gap", "ci_low", "ci_high"]
    return published(trust(name), real(name), {"gap": figures})


def coverage_left(name: str) -> Tables:
    return {**published(trust(name), real(name)), "coverage": coverage_of(trust(name))}


def a_unit_of_one_school_left(name: str) -> Tables:
    hidden = {table: set(rows) for table, rows in real(name).items()}
    hidden["measure_value"] = {key for key in hidden["measure_value"] if key.split("|")[2] != "la"}
    return published(trust(name), hidden)


def the_models_pupils_left(name: str) -> Tables:
    """One school's row hidden in every table, and the sum over all schools shown."""
    hidden = hide(trust(name), rows_beside(trust(name), ["level", "unit_code"]))
    progress = trust(name).progress_school
    hidden["progress_school"] = set(row_keys(progress, "progress_school")[progress["n"] < 10])
    return published(trust(name), hidden)


def rounded_and_nothing_hidden(name: str) -> Tables:
    tables = figures_of(trust(name))
    values = tables["measure_value"].copy()
    counts = ~values["measure_id"].isin(["attendance_rate", "overall_absence_rate"])
    values["n"] = (values["n"] / 5).round() * 5
    for column in ("numerator", "denominator"):
        values[column] = values[column].where(~counts, (values[column] / 5).round() * 5)
    return {"measure_value": values, "dim_school": tables["dim_school"]}


FAULTS: dict[str, tuple[Callable[[str], Tables], str, str]] = {
    "nothing is hidden beside a small cell": (nothing_beside, "one small group", "add up"),
    "the row before is hidden instead of a complement": (the_row_before, "one small group", "add up"),
    "the complement depends on the order of rows": (only_what_follows_in_the_file, "one small group", "add up"),
    "groups are not nested": (other_schools_but_no_groups, "one small group", "add up to everybody"),
    "schools are not nested": (other_groups_but_no_schools, "one small group", "the schools add up"),
    "periods are not nested": (one_term_by_itself, "a small term", "the terms of 2024/25 add up to YTD"),
    "another measure of the same pupils is left": (other_measures_by_themselves, "one small group", "add up"),
    "n is left": (with_figures_left("n"), "one small group", "shows"),
    "the value is left": (with_figures_left("value"), "one small group", "the share"),
    "the interval is left": (with_figures_left("ci_low", "ci_high"), "one small group", "Wilson"),
    "the numerator is left": (with_figures_left("numerator", "value"), "one small group", "value = 100"),
    "gaps are left": (gaps_left, "a small term", "n_"),
    "gaps' intervals are left": (gap_intervals_left, "a small term", "the share"),
    "coverage is left": (coverage_left, "a small school", "results received"),
    "a unit of one school is left": (a_unit_of_one_school_left, "a small school", "the schools add up"),
    "the model's pupils are left": (the_models_pupils_left, "a small school", "the model's pupils"),
    "reliability is left": (
        with_figures_left("reliability", table="progress_school"),
        "a small school",
        "reliability = n",
    ),
    "the shrunken mean is left": (
        with_figures_left("raw_mean", "shrunken", table="progress_school"),
        "a small school",
        "reliability = n",
    ),
    "a raw mean's interval is left": (
        with_figures_left("raw_ci_low", "raw_ci_high", table="progress_school"),
        "a small school",
        "progress_school: raw_ci",
    ),
    "rounding is the only protection": (rounded_and_nothing_hidden, "one small group", "the share"),
}


@pytest.mark.parametrize("name", TRUSTS)
def test_the_real_suppressor_gives_nothing_away(name: str) -> None:
    tables = {**published(trust(name), real(name))}
    assert [breach.sentence() for breach in attacked(tables)] == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught_and_the_identity_named(fault: str) -> None:
    publish, name, identity = FAULTS[fault]
    found = attacked(publish(name))
    assert found
    assert any(identity in said for breach in found for said in breach.identities), [b.sentence() for b in found][:5]


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if not fault.startswith("rounding")])
def test_what_is_found_is_true(fault: str) -> None:
    """Every range holds the count that was hidden."""
    publish, name, _ = FAULTS[fault]
    marts = trust(name)
    truth = {
        table: dict(zip(row_keys(frame, table), frame.to_dict("records"), strict=True))
        for table, frame in (("measure_value", marts.measure_value), ("progress_school", marts.progress_school))
    }
    for breach in attacked(publish(name)):
        if breach.table in truth and breach.low is not None:
            amount = counted(truth[breach.table][breach.row_key], breach)
            assert breach.low <= amount <= (np.inf if breach.high is None else breach.high), breach.sentence()


def counted(row: Mapping[Hashable, Any], breach: Breach) -> float:
    """What the breach is about, as the marts have it."""
    if breach.quantity.endswith(("pupils with", "attended", "absent")):
        return float(row["numerator"])
    if breach.quantity.endswith("pupils without"):
        return float(row["denominator"] - row["numerator"])
    return float(row["denominator"] if breach.quantity.endswith("possible") else row["n"])


def test_every_key_of_the_made_up_trusts_is_a_published_one() -> None:
    assert set(GAP_KEY) <= set(trust("a small term").gap.columns)
