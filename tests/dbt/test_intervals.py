"""Every interval of the marts against an independent computation over the pupils' own rows."""

from __future__ import annotations

from collections import defaultdict
from math import sqrt
from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from tests.dbt.conftest import SLOPE, Built, Warehouse

Strata = dict[str, list[tuple[float, float]]]


def _pupils(warehouse: Warehouse, numerator: str, group: str | None = None) -> Strata:
    """Numerator and possible sessions of every pupil by school, of one disadvantage group or all."""
    rows = warehouse.rows(
        f"""select school_key, pupil_key, sum({numerator}), sum(possible) from marts.attendance_enrolment_year
        join intermediate.int_pupil_year using (academic_year, pupil_key)
        where possible > 0 and (? is null or group_disadvantage = ?) group by all""",
        [group, group],
    )
    strata: Strata = defaultdict(list)
    for school, _, a, p in rows:
        strata[school].append((float(a), float(p)))
    return strata


def _ratio(strata: Strata) -> tuple[float, float, int]:
    """Ratio, its linearised variance stratified by school, and degrees of freedom."""
    pairs = np.array([pair for school in strata.values() for pair in school])
    ratio = pairs[:, 0].sum() / pairs[:, 1].sum()
    variance = 0.0
    for school in strata.values():
        deviations = np.array([(a - ratio * p) / pairs[:, 1].sum() for a, p in school])
        variance += len(deviations) * deviations.var(ddof=1)
    return float(ratio), float(variance), len(pairs) - len(strata)


def _value(warehouse: Warehouse, level: str, unit: str, measure: str) -> tuple[Any, ...]:
    (row,) = warehouse.rows(
        "select value, ci_low, ci_high, numerator, denominator, interval_method from "
        "marts.measure_value where level = ? and unit_code = ? "
        "and measure_id = ? and period = 'YTD' and group_dimension = 'all'",
        [level, unit, measure],
    )
    return row


def _gap(warehouse: Warehouse, level: str, unit: str, measure: str) -> tuple[Any, ...]:
    (row,) = warehouse.rows(
        "select gap, ci_low, ci_high, effect_size, within_school, between_school, "
        "undecomposed from marts.gap where level = ? "
        "and unit_code = ? and measure_id = ? and period = 'YTD' and group_dimension = 'disadvantage'",
        [level, unit, measure],
    )
    return row


def test_a_rate_has_a_linearised_t_interval_over_pupils(built: Built) -> None:
    strata = _pupils(built.first, "attended")
    for level, unit, chosen in (
        ("school", "100002", {"100001": strata["100001"]}),
        ("trust", "T1", {key: strata[key] for key in ("100001", "100003")}),
    ):
        ratio, variance, df = _ratio(chosen)
        half = stats.t.ppf(0.975, df) * sqrt(variance)
        value, low, high, *_ = _value(built.first, level, unit, "attendance_rate")
        assert (value, low, high) == pytest.approx((100 * ratio, 100 * (ratio - half), 100 * (ratio + half)), rel=1e-7)


def test_a_share_of_pupils_has_wilsons_interval(built: Built) -> None:
    value, low, high, hits, n, method = _value(built.first, "trust", "T1", "persistent_absence_rate")
    expected = proportion_confint(float(hits), float(n), method="wilson")
    assert (low, high) == pytest.approx((100 * expected[0], 100 * expected[1]), rel=1e-8)
    assert (value, method) == (pytest.approx(100 * float(hits / n)), "wilson")


def test_a_mean_has_students_interval(built: Built) -> None:
    scores = [
        float(z)
        for (z,) in built.first.rows(
            "select z_value from marts.assessment_result where assessment_id = "
            "'standardised-test-summer' and school_key = '100003' and is_score"
        )
    ]
    low, high = stats.t.interval(0.95, len(scores) - 1, np.mean(scores), stats.sem(scores))
    value = _value(built.first, "school", "100003", "mean_score_reading")
    assert value[:3] == pytest.approx((np.mean(scores), low, high), rel=1e-7)


def test_a_gap_of_rates_has_a_welch_interval_within_schools(built: Built) -> None:
    sides = []
    for group in ("not_disadvantaged", "disadvantaged"):
        strata = _pupils(built.first, "attended", group)
        sides.append(_ratio({key: strata[key] for key in ("100001", "100003")}))
    (rc, vc, dc), (rg, vg, dg) = sides
    df = (vc + vg) ** 2 / (vc**2 / dc + vg**2 / dg)
    half = stats.t.ppf(0.975, df) * sqrt(vc + vg)
    gap, low, high, *_ = _gap(built.first, "trust", "T1", "attendance_rate")
    assert (gap, low, high) == pytest.approx(
        (100 * (rc - rg), 100 * (rc - rg - half), 100 * (rc - rg + half)), rel=1e-5
    )


def test_a_gap_of_means_in_one_school_is_welchs_and_hedges(built: Built) -> None:
    groups = {
        group: [
            float(z)
            for (z,) in built.first.rows(
                "select z_value from marts.assessment_result join intermediate.int_pupil_year using "
                "(academic_year, pupil_key) "
                "where assessment_id = 'standardised-test-summer' and school_key = '100003' and "
                "is_score and group_disadvantage = ?",
                [group],
            )
        ]
        for group in ("not_disadvantaged", "disadvantaged")
    }
    other, own = groups["not_disadvantaged"], groups["disadvantaged"]
    expected = stats.ttest_ind(other, own, equal_var=False).confidence_interval(0.95)
    gap, low, high, effect, *_ = _gap(built.first, "school", "100003", "mean_score_reading")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=2e-5)
    n, m = len(other), len(own)
    pooled = sqrt(((n - 1) * np.var(other, ddof=1) + (m - 1) * np.var(own, ddof=1)) / (n + m - 2))
    assert effect == pytest.approx((1 - 3 / (4 * (n + m) - 9)) * (np.mean(other) - np.mean(own)) / pooled, rel=1e-7)
    assert gap == pytest.approx(np.mean(other) - np.mean(own), rel=1e-7)


def test_a_gap_of_shares_has_newcombes_interval(built: Built) -> None:
    counts = {
        group: (float(hits), float(n))
        for group, hits, n in built.first.rows(
            "select group_value, numerator, denominator from marts.measure_value where level = "
            "'trust' and period = 'YTD' "
            "and measure_id = 'persistent_absence_rate' and group_dimension = 'disadvantage'"
        )
    }
    expected = confint_proportions_2indep(*counts["not_disadvantaged"], *counts["disadvantaged"], method="newcomb")
    _, low, high, *_ = _gap(built.first, "trust", "T1", "persistent_absence_rate")
    assert (low, high) == pytest.approx((100 * expected[0], 100 * expected[1]), rel=1e-6)


def test_the_parts_of_every_gap_add_up(built: Built) -> None:
    for gap, within, between, rest in built.first.rows(
        "select gap, within_school, between_school, undecomposed from marts.gap where gap is not null"
    ):
        assert within + between + rest == pytest.approx(gap, abs=1e-6)


def test_expected_is_the_fixed_part_alone_and_absentees_are_kept_with_their_reason(built: Built) -> None:
    rows = built.first.rows(
        "select baseline, outcome, expected, residual, in_measure, exclusion_reason from "
        "marts.progress_pupil where measure_id = 'value_added_reading'"
    )
    assert {row[5] for row in rows} == {None, "outcome: not a score"}
    for baseline, outcome, expected, residual, in_measure, reason in rows:
        assert in_measure == (reason is None)
        assert float(expected) == pytest.approx(0.1 + SLOPE * float(baseline), abs=1e-9)
        if in_measure:
            assert residual == outcome - expected
        else:
            assert (outcome, residual) == (None, None)
