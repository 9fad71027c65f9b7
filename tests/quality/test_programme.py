"""One model of HiGHS asked for one objective after another answers as SciPy does of each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import highspy
import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, random, vstack

from quality.programme import Floats, NoSolutionError, Programme, Solution

ROWS, COLUMNS, ORDERS = 12, 30, 8


def relations(seed: int) -> tuple[csr_matrix, Floats, Floats]:
    """Sums that come to 0 and, after them, orders that may fall a little below 0."""
    rng = np.random.default_rng(seed)
    matrix = random(ROWS + ORDERS, COLUMNS, 0.2, format="csr", random_state=rng)
    matrix.data = np.sign(matrix.data - 0.5)
    slack = np.concatenate([np.zeros(ROWS), rng.uniform(0.0, 2.0, ORDERS)])
    return matrix, -slack, np.concatenate([np.zeros(ROWS), np.full(ORDERS, np.inf)])


def answers(seed: int, presolve: bool = False, keeps_bounds: bool = False) -> list[Solution]:
    """Of six objectives in turn, the ends changed after the third, the second and fifth asked afresh."""
    matrix, lower, upper = relations(seed)
    low, high = np.full(COLUMNS, -3.0), np.full(COLUMNS, 5.0)
    programme = Programme(matrix, lower, upper, low, high, presolve, keeps_bounds)
    first, second = np.split(objectives(seed), 2)
    found = [programme.least(objective, afresh=number == 1) for number, objective in enumerate(first)]
    programme.bound(np.full(COLUMNS, -1.0), np.full(COLUMNS, 2.0))
    return found + [programme.least(objective, afresh=number == 1) for number, objective in enumerate(second)]


def objectives(seed: int) -> Floats:
    return np.random.default_rng(seed + 100).normal(size=(6, COLUMNS))


@pytest.mark.parametrize(("presolve", "keeps_bounds"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("most_steps", [1, 200])
@pytest.mark.parametrize("seed", range(5))
def test_each_answer_is_the_least_and_its_duals_say_why(
    seed: int, most_steps: int, presolve: bool, keeps_bounds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quality.programme._MOST_STEPS", most_steps)
    matrix, lower, upper = relations(seed)
    found = answers(seed, presolve, keeps_bounds)
    for number, (objective, solution) in enumerate(zip(objectives(seed), found, strict=True)):
        low, high = (-3.0, 5.0) if number < 3 else (-1.0, 2.0)
        expected = linprog(
            objective,
            A_eq=matrix[:ROWS],
            b_eq=np.zeros(ROWS),
            A_ub=-matrix[ROWS:],
            b_ub=-lower[ROWS:],
            bounds=[(low, high)] * COLUMNS,
        )
        assert solution.value == pytest.approx(expected.fun)
        assert objective @ solution.amounts == pytest.approx(expected.fun)
        sums = matrix @ solution.amounts
        assert (sums >= lower - 1e-6).all()
        assert (sums <= upper + 1e-6).all()
        # The dual bound by the rows' duals alone: no solution within the ends can be lower.
        rest = objective - matrix.T @ solution.duals
        bound = solution.duals @ lower + np.where(rest > 0, rest * low, rest * high).sum()
        assert bound == pytest.approx(expected.fun)
        assert (solution.duals[ROWS:] >= -1e-6).all()


def test_a_value_does_not_hang_on_what_other_threads_ask() -> None:
    alone = [[(s.value, s.amounts.tolist(), s.duals.tolist()) for s in answers(seed)] for seed in range(20)]
    with ThreadPoolExecutor(4) as pool:
        together = [
            [(s.value, s.amounts.tolist(), s.duals.tolist()) for s in found] for found in pool.map(answers, range(20))
        ]
    assert together == alone


@pytest.mark.parametrize("presolve", [False, True])
def test_that_nothing_meets_all_rows_is_said(presolve: bool) -> None:
    matrix = vstack([csr_matrix(np.ones((1, 2))), csr_matrix(np.ones((1, 2)))], format="csr")
    ends = np.array([1.0, 2.0])
    programme = Programme(matrix, ends, ends, np.zeros(2), np.full(2, 9.0), presolve)
    with pytest.raises(NoSolutionError) as error:
        programme.least(np.ones(2))
    assert error.value.is_infeasible


def test_a_programme_that_is_not_solved_is_asked_again_and_then_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, lower, upper = relations(0)
    programme = Programme(matrix, lower, upper, np.full(COLUMNS, -3.0), np.full(COLUMNS, 5.0))
    runs: list[str] = []

    def unknown(highs: highspy.Highs) -> highspy.HighsModelStatus:
        runs.append(str(highs.getOptionValue("presolve")[1]))
        return highspy.HighsModelStatus.kUnknown

    monkeypatch.setattr(highspy.Highs, "getModelStatus", unknown)
    with pytest.raises(NoSolutionError) as error:
        programme.least(objectives(0)[0])
    assert not error.value.is_infeasible
    assert runs == ["off", "on", "off"]
