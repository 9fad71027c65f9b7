"""The range of each hidden count in a system of identities: bounds propagation, linear programming, whole numbers last.

Propagation narrows bounds row by row and remembers the row that did it (Savelsbergh 1994, ORSA Journal on Computing
6(4)). What it leaves is asked of HiGHS: a solution of the system is a witness that a count can be that low or that
high, so a few solutions with random objectives clear most counts at once, and only the rest get their own.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from quality.attacker.breach import Rule
from quality.attacker.sound import SoundParts, part_key
from quality.attacker.system import Rows, System
from quality.programme import NoSolutionError, Programme

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

_EPSILON = 1e-6
_MOST_ROUNDS = 60
# A count without an upper end may be so many times the greatest figure that is known (of the least greatest): a solver
# needs an end, and its arithmetic suffers from one that is far above all it stands beside. Several identities together
# may ask for more than any says alone: what is contradicted then is asked again with an end far away.
_BEYOND_THE_GREATEST, _FAR_BEYOND = 10.0, 1e4
_LEAST_GREATEST = 1000.0
_RANDOM_OBJECTIVES = 8
# So few are sooner asked one by one, each from the last one's solution, than together from the beginning.
_ASKED_ALONE = 32
_LARGE = 2000  # rows, from which on both ends of a question are asked for at once
_WHOLE_NUMBERS_UP_TO = 400
_SECONDS_PER_PROGRAMME = 2.0
# A release that gives so many counts away is refused whatever the rest of a part may hold.
_ENOUGH = 200


class ContradictionError(ArithmeticError):
    """What is shown fits no counts at all; its text names an identity and no value."""


@dataclass(frozen=True)
class Ranges:
    """low, high: what each variable can be. why: for narrowed variables, the identities that say so."""

    low: Floats
    high: Floats
    why: dict[int, tuple[str, ...]]


def solve(system: System, secret: Bools, rule: Rule, sound: SoundParts | None = None) -> Ranges:
    """The ranges of all variables; those of secret ones as tight as is needed to judge them.

    Parameters: `secret`, the variables to judge; `rule`, what may be known of each; `sound`, parts that need not be
    solved again, to which those are added that give nothing away. Raises `ContradictionError`.
    """
    sound = SoundParts() if sound is None else sound
    every = system.rows()
    known = system.high - system.low < _EPSILON
    open_rows = np.asarray((abs(every.matrix) @ (~known).astype(float)) > 0)
    rows = every.take(np.flatnonzero(open_rows))
    trail = _Trail(system, rows)
    low, high = _propagate(system, rows, trail)
    why: dict[int, tuple[str, ...]] = {}
    suspects = np.flatnonzero(secret)
    gone = suspects[rule.of(suspects).given_away(low[suspects], high[suspects])]
    for variable in gone:
        why[int(variable)] = trail.explain(int(variable))
    left = np.setdiff1d(suspects, gone)
    # What is known by now, and may be, cannot be narrowed further.
    left = left[high[left] - low[left] > _EPSILON]
    if not len(left):
        return Ranges(low, high, why)
    try:
        return _programme(system, rows, Ranges(low, high, why), left, rule, _BEYOND_THE_GREATEST, sound)
    except ContradictionError:
        if np.isfinite(high).all():
            raise
        return _programme(system, rows, Ranges(low, high, why), left, rule, _FAR_BEYOND, sound)


class _Trail:
    """Which row narrowed which end of which variable last."""

    def __init__(self, system: System, rows: Rows) -> None:
        self._system, self._rows = system, rows
        self.low = np.full(len(system.low), -1, dtype=np.int64)
        self.high = np.full(len(system.low), -1, dtype=np.int64)

    def explain(self, variable: int, depth: int = 6) -> tuple[str, ...]:
        """The rows that led to a variable's range, nearest first."""
        said: list[str] = []
        seen: set[int] = set()
        front = [variable]
        for _ in range(depth):
            further: list[int] = []
            for one in front:
                for source in self._system.sources.get(one, []):
                    said.append(f"{source} ({self._system.label(one)})")
                for row in (self.low[one], self.high[one]):
                    if row >= 0 and int(row) not in seen:
                        seen.add(int(row))
                        said.append(row_sentence(self._system, self._rows, int(row)))
                        further.extend(int(v) for v in self._rows.matrix[int(row)].indices if v != one)
            front = further
            if len(said) > 8:
                break
        return tuple(dict.fromkeys(said))[:8] or ("what the rule itself says",)


def row_sentence(system: System, rows: Rows, row: int) -> str:
    """An identity in words: its sort, and the cell that it is about."""
    terms = rows.matrix[row]
    about = int(terms.indices[int(np.argmax(terms.data))])
    return f"{rows.name(row)} ({system.label(about)})"


def _propagate(system: System, rows: Rows, trail: _Trail) -> tuple[Floats, Floats]:
    matrix = rows.matrix.tocoo()
    row, variable, coefficient = matrix.row, matrix.col, matrix.data
    low, high = system.low.copy(), system.high.copy()
    n_rows = matrix.shape[0]
    if not len(row):
        return low, high
    positive = coefficient > 0
    for _ in range(_MOST_ROUNDS):
        least = np.where(positive, coefficient * low[variable], coefficient * high[variable])
        most = np.where(positive, coefficient * high[variable], coefficient * low[variable])
        rest_least = _others(row, least, n_rows)
        rest_most = _others(row, most, n_rows)
        with np.errstate(invalid="ignore"):
            upper, lower = rows.high[row] - rest_least, rows.low[row] - rest_most
        ends = np.where(positive, upper, lower) / coefficient, np.where(positive, lower, upper) / coefficient
        new_high = np.floor(np.where(np.isfinite(ends[0]), ends[0], np.inf) + _EPSILON)
        new_low = np.ceil(np.where(np.isfinite(ends[1]), ends[1], -np.inf) - _EPSILON)
        narrower_high = np.flatnonzero(new_high < high[variable] - 0.5)
        narrower_low = np.flatnonzero(new_low > low[variable] + 0.5)
        if not len(narrower_high) and not len(narrower_low):
            break
        order = narrower_high[np.argsort(-new_high[narrower_high], kind="stable")]
        high[variable[order]], trail.high[variable[order]] = new_high[order], row[order]
        order = narrower_low[np.argsort(new_low[narrower_low], kind="stable")]
        low[variable[order]], trail.low[variable[order]] = new_low[order], row[order]
        crossed = np.flatnonzero(low > high + _EPSILON)
        if len(crossed):
            raise ContradictionError(
                "The shown figures fit no counts: " + "; ".join(trail.explain(int(crossed[0]), depth=2)[:3])
            )
    return low, high


def _others(row: Integers, amount: Floats, n_rows: int) -> Floats:
    """Per term the sum of the other terms of its row, infinite where one of those is."""
    finite = np.isfinite(amount)
    value = np.where(finite, amount, 0.0)
    total = np.bincount(row, value, n_rows)
    endless = np.bincount(row, ~finite, n_rows)
    # All infinite ends of one call have one sign: `least` goes to minus infinity and `most` to plus.
    sign = 1.0 if np.any(amount == np.inf) else -1.0
    return np.where(endless[row] - ~finite > 0, sign * np.inf, total[row] - value)


def _programme(
    system: System,
    rows: Rows,
    propagated: Ranges,
    suspects: Integers,
    rule: Rule,
    beyond: float,
    sound: SoundParts,
) -> Ranges:
    """The suspects' ranges, narrowed by linear programmes over each part of the system that hangs together.

    Parameters: `propagated`, what propagation left; `beyond`, how many times the greatest figure a count may be.
    """
    low, high, why = propagated.low.copy(), propagated.high.copy(), dict(propagated.why)
    unknown = high - low > _EPSILON
    matrix = rows.matrix
    fixed = np.where(unknown, 0.0, low)
    rest = matrix @ fixed
    said = np.concatenate([low, high, rows.low, rows.high])
    no_end = beyond * float(np.abs(said[np.isfinite(said)]).max(initial=_LEAST_GREATEST))
    bounded_high = np.where(np.isfinite(high), high, no_end)
    positive, negative = matrix.maximum(0), matrix.minimum(0)
    open_low, open_high = np.where(unknown, low, 0.0), np.where(unknown, bounded_high, 0.0)
    least = positive @ open_low + negative @ open_high + rest
    most = positive @ open_high + negative @ open_low + rest
    n_open = (matrix != 0).astype(np.int64) @ unknown.astype(np.int64)
    binding = (n_open > 1) & ((least < rows.low - _EPSILON) | (most > rows.high + _EPSILON))
    kept = np.flatnonzero(binding)
    columns = np.flatnonzero(unknown)
    small = matrix[kept][:, columns]
    lower, upper = rows.low[kept] - rest[kept], rows.high[kept] - rest[kept]
    links = (abs(small).T @ abs(small)).tocsr()
    _, part = connected_components(links, directed=False)
    place = np.full(len(low), -1, dtype=np.int64)
    place[columns] = np.arange(len(columns))
    part_of_row = part[small.indices[small.indptr[:-1]]] if small.shape[0] else np.zeros(0, dtype=np.int64)
    by_part = np.argsort(part_of_row, kind="stable")
    starts = np.searchsorted(part_of_row[by_part], np.arange(part.max() + 2)) if len(part) else np.zeros(1)
    column_order = np.argsort(part, kind="stable")
    column_starts = np.searchsorted(part[column_order], np.arange(part.max() + 2))
    for number in np.unique(part[place[suspects]]):
        row_index = by_part[int(starts[number]) : int(starts[number + 1])]
        own = np.sort(column_order[column_starts[number] : column_starts[number + 1]])
        if not len(row_index):
            continue
        variables = columns[own]
        relations = small[row_index][:, own]
        ends = lower[row_index], upper[row_index], low[variables], bounded_high[variables]
        mine = suspects[part[place[suspects]] == number]
        local = np.searchsorted(variables, mine)
        key = part_key(relations, ends, local, rule.of(mine))
        if sound.has(key):
            continue
        asked = _Programme(relations, *ends)
        ranges = asked.ranges(local, rule.of(mine))
        if not ranges and asked.is_certain:
            sound.add(key)
        for position, (least_, most_, used) in ranges.items():
            variable = int(variables[position])
            low[variable], high[variable] = least_, most_
            why[variable] = tuple(
                dict.fromkeys(row_sentence(system, rows, int(kept[row_index[row]])) for row in used[:8])
            )
    return Ranges(low, high, why)


class _Programme:
    """One part of the system: lower <= matrix @ x <= upper, low <= x <= high.

    is_certain: whether no question of whole numbers ran out of time, which on another day it may not.
    """

    def __init__(self, matrix: csr_matrix, lower: Floats, upper: Floats, low: Floats, high: Floats) -> None:
        self.matrix, self.lower, self.upper, self.low, self.high = matrix, lower, upper, low, high
        lower = np.where(upper - lower < _EPSILON, upper, lower)
        # One for either end, since no programme is for two threads.
        self._programmes = [
            Programme(matrix, lower, upper, low, high, presolve=True, keeps_bounds=True)
            for _ in range(2 if matrix.shape[0] > _LARGE else 1)
        ]
        self.is_certain = True

    def ends(self, objective: Floats) -> list[Floats]:
        """The solutions of least and of greatest objective."""
        with ThreadPoolExecutor(len(self._programmes)) as pool:
            asked = [
                pool.submit(self.extreme, sign * objective, afresh=True, programme=programme)
                for sign, programme in zip((1.0, -1.0), cycle(self._programmes), strict=False)
            ]
            return [one.result()[0] for one in asked]

    def extreme(
        self, objective: Floats, afresh: bool = False, programme: Programme | None = None
    ) -> tuple[Floats, list[int]]:
        """The solution of least objective, and the rows that hold it there, the strongest first."""
        try:
            solution = (programme or self._programmes[0]).least(objective, afresh)
        except NoSolutionError as error:
            if error.is_infeasible:
                raise ContradictionError("The shown figures fit no counts: their sums leave no solution.") from error
            raise ArithmeticError(f"The attacker's solver stopped without an answer ({error}).") from error
        weight = np.abs(solution.duals)
        used = np.flatnonzero(weight > _EPSILON)
        return solution.amounts, [int(row) for row in used[np.argsort(-weight[used], kind="stable")]]

    def ranges(self, suspects: Integers, rule: Rule) -> dict[int, tuple[float, float, list[int]]]:
        """The ranges of those suspects that the system gives away; by position, with the rows that did it."""
        least, most = np.full(len(suspects), np.inf), np.full(len(suspects), -np.inf)
        doubtful = np.ones(len(suspects), dtype=bool)
        random = np.random.default_rng(0)
        for _ in range(_RANDOM_OBJECTIVES):
            if doubtful.sum() <= _ASKED_ALONE:
                break
            objective = np.zeros(len(self.low))
            # Towards the end that a suspect has been seen farthest from.
            up = np.where(
                np.isfinite(most) & (most - self.low[suspects] < self.high[suspects] - least),
                random.random(len(suspects)) < 0.8,
                random.random(len(suspects)) < 0.4,
            )
            objective[suspects] = doubtful * np.where(up, -1, 1) * random.uniform(0.5, 1.5, len(suspects))
            for solution in self.ends(objective):
                least, most = np.minimum(least, solution[suspects]), np.maximum(most, solution[suspects])
            doubtful = rule.given_away(np.ceil(least - _EPSILON), np.floor(most + _EPSILON))
            if not doubtful.any():
                return {}
        found: dict[int, tuple[float, float, list[int]]] = {}
        for number in np.flatnonzero(doubtful):
            if len(found) >= _ENOUGH:
                break
            mine = rule.of(np.array([number]))
            if not mine.given_away(np.ceil(least[[number]] - _EPSILON), np.floor(most[[number]] + _EPSILON))[0]:
                continue
            position = int(suspects[number])
            objective = np.zeros(len(self.low))
            objective[position] = 1.0
            used: list[int] = []
            ends: list[float] = []
            for sign in (1.0, -1.0):
                solution, rows = self.extreme(sign * objective)
                ends.append(float(solution[position]))
                used.extend(rows)
                least = np.minimum(least, solution[suspects])
                most = np.maximum(most, solution[suspects])
            low, high = float(np.ceil(ends[0] - _EPSILON)), float(np.floor(ends[1] + _EPSILON))
            # Whole numbers can narrow a linear range a little: worth asking only where a little would matter.
            if high - low < mine.limit[0] + 1 and not mine.given_away(np.array([low]), np.array([high]))[0]:
                low, high = self._in_whole_numbers(position, low, high)
            if mine.given_away(np.array([low]), np.array([high]))[0]:
                found[position] = (low, high, used)
        return found

    def _in_whole_numbers(self, position: int, low: float, high: float) -> tuple[float, float]:
        """The range with every count whole; the linear range where the part is too large or time runs out."""
        if len(self.low) > _WHOLE_NUMBERS_UP_TO:
            return low, high
        ends = [low, high]
        for end, sign in enumerate((1.0, -1.0)):
            objective = np.zeros(len(self.low))
            objective[position] = sign
            result = milp(
                objective,
                constraints=LinearConstraint(self.matrix, self.lower, self.upper),
                bounds=Bounds(self.low, self.high),
                integrality=np.ones(len(self.low)),
                options={"time_limit": _SECONDS_PER_PROGRAMME},
            )
            if result.status == 0:
                ends[end] = float(np.round(result.x[position]))
            else:
                self.is_certain = False
        return ends[0], ends[1]
