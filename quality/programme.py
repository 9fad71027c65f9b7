"""A linear programme that is asked for one objective after another: HiGHS keeps its model and starts from its last
solution.

SciPy's `linprog` builds a model anew for each objective, which for the small programmes that are asked thousands of
times takes longer than solving them.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Floats = NDArray[np.float64]
VERSION = version("highspy")
# HiGHS's numbers for its option simplex_strategy.
_DUAL, _PRIMAL = 1, 4
_NO_LIMIT = highspy.kHighsIInf
# From a solution nearby; beyond so many steps the way is a long one and starting afresh is shorter.
_MOST_STEPS = 200


@dataclass(frozen=True)
class Solution:
    """amounts: of each variable. duals: of each row, how much the least value rises for each unit its end rises by."""

    value: float
    amounts: Floats
    duals: Floats


class NoSolutionError(ArithmeticError):
    """A programme that was not solved. is_infeasible: because nothing meets all of its rows."""

    def __init__(self, message: str, is_infeasible: bool) -> None:
        super().__init__(message)
        self.is_infeasible = is_infeasible


class Programme:
    """lower <= matrix @ x <= upper with low <= x <= high. Not to be used by two threads at once.

    presolve: before the first solution and any asked for afresh; pays where a programme is large and asked few
    questions. keeps_bounds: only the objective changes between questions, so the last solution stays feasible and the
    primal simplex goes on from it.
    """

    def __init__(
        self,
        matrix: csr_matrix,
        lower: Floats,
        upper: Floats,
        low: Floats,
        high: Floats,
        presolve: bool = False,
        keeps_bounds: bool = False,
    ) -> None:
        self._size = matrix.shape[1]
        self._columns = np.arange(self._size, dtype=np.int32)
        self._highs = highspy.Highs()  # type: ignore[no-untyped-call]
        # One thread and no clock: the same questions in the same order have the same answers.
        self._presolve = "on" if presolve else "off"
        self._keeps_bounds, self._is_asked = keeps_bounds, False
        for name, value in (("output_flag", False), ("threads", 1), ("presolve", self._presolve)):
            self._highs.setOptionValue(name, value)
        by_column = matrix.tocsc()
        model = highspy.HighsLp()
        model.num_row_, model.num_col_ = matrix.shape
        model.col_cost_ = np.zeros(self._size)
        model.col_lower_, model.col_upper_ = low, high
        model.row_lower_, model.row_upper_ = lower, upper
        model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        model.a_matrix_.num_row_, model.a_matrix_.num_col_ = matrix.shape
        model.a_matrix_.start_, model.a_matrix_.index_ = by_column.indptr, by_column.indices
        model.a_matrix_.value_ = by_column.data
        if self._highs.passModel(model) == highspy.HighsStatus.kError:
            raise ArithmeticError("HiGHS does not take the model of a linear programme.")

    def bound(self, low: Floats, high: Floats) -> None:
        """Sets the ends of every variable anew."""
        self._highs.changeColsBounds(self._size, self._columns, low, high)

    def least(self, objective: Floats, afresh: bool = False) -> Solution:
        """The solution of least objective. Raises `NoSolutionError` where there is none or HiGHS finds none.

        afresh: not from the last solution, which is far off where an objective is about everything at once.
        """
        if afresh:
            self._highs.clearSolver()
        goes_on = self._keeps_bounds and self._is_asked and not afresh
        self._is_asked = True
        self._highs.setOptionValue("simplex_strategy", _PRIMAL if goes_on else _DUAL)
        self._highs.setOptionValue("simplex_iteration_limit", _MOST_STEPS if goes_on else _NO_LIMIT)
        self._highs.changeColsCost(self._size, self._columns, objective)
        self._highs.run()
        status = self._highs.getModelStatus()
        if status != highspy.HighsModelStatus.kOptimal:
            status = self._from_nothing()
        if status != highspy.HighsModelStatus.kOptimal:
            is_infeasible = status == highspy.HighsModelStatus.kInfeasible
            raise NoSolutionError(self._highs.modelStatusToString(status), is_infeasible)
        solution = self._highs.getSolution()
        return Solution(self._highs.getObjectiveValue(), np.array(solution.col_value), np.array(solution.row_dual))

    def _from_nothing(self) -> highspy.HighsModelStatus:
        """The same programme without the last basis, from which the way was long or, seldom, led astray.

        Seldom a presolve leads astray: then without it, too.
        """
        status = highspy.HighsModelStatus.kNotset
        self._highs.setOptionValue("simplex_strategy", _DUAL)
        self._highs.setOptionValue("simplex_iteration_limit", _NO_LIMIT)
        for presolve in ("on", "off"):
            self._highs.clearSolver()
            self._highs.setOptionValue("presolve", presolve)
            self._highs.run()
            status = self._highs.getModelStatus()
            if status in (highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kInfeasible):
                break
        self._highs.setOptionValue("presolve", self._presolve)
        return status
