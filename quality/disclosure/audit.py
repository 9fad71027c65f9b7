"""How far each hidden amount could be from the truth, for one who knows every sum and everything that is shown.

Each amount that is found within too narrow a range comes back as a cut: an inequality that every pattern must meet in
which that range is wide enough (the dual solution of the attacker's problem; Fischetti and Salazar-González 2001,
Management Science 47(7): 1008-1027).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, hstack, vstack
from scipy.sparse.csgraph import connected_components

from quality.disclosure.lines import Bools, Floats, Integers

_TOLERANCE = 1e-6
_PROPAGATIONS = 4
_CUTS = 60  # of one connected set at a time: with them, the next pattern differs anyway


@dataclass(frozen=True)
class Cut:
    """Where `cell` is hidden, the sum of coefficient over the hidden among `cells` is at least `least`.

    company: per entry a cell that must be hidden as well for the entry to count, -1 for none.
    """

    cell: int
    cells: Integers
    company: Integers
    coefficients: Floats
    least: float


@dataclass(frozen=True)
class _Seen:
    """What audits of one system found before: cuts by hidden cells, and possible moves as cells and amounts."""

    cuts: dict[bytes, tuple[Cut, ...]]
    moves: list[tuple[Integers, Floats]]


@dataclass(frozen=True)
class Followers:
    """Per cell the one that must move with it (-1: none), and how far it may move before that."""

    cell: Integers
    slack: Floats

    @staticmethod
    def nearest(cells: Integers, followers: Integers, slack: Floats, size: int) -> Followers:
        """Of each cell's followers the one that must move first."""
        order = np.lexsort((followers, -slack, cells))
        cell, free = np.full(size, -1, dtype=np.int64), np.full(size, np.inf)
        cell[cells[order]], free[cells[order]] = followers[order], slack[order]
        return Followers(cell, free)


@dataclass(frozen=True)
class System:
    """Amounts of cells and what is known of them.

    name: for people. down, up: how far an amount may be below and above its truth if only its own bounds are known.
    need_down, need_up, need_width: how far a hidden one must be able to move at least; the audit lowers a need that no
    pattern could meet. sums: lines x cells, moves along
    them come to 0. orders: relations x cells, moves along them are at least -slack.
    """

    name: str
    down: Floats
    up: Floats
    need_down: Floats
    need_up: Floats
    need_width: Floats
    sums: csr_matrix
    orders: csr_matrix
    slack: Floats
    seen: _Seen = field(default_factory=lambda: _Seen({}, []), init=False, repr=False)

    @cached_property
    def followers(self) -> tuple[Followers, Followers]:
        """Who must fall where a cell falls far, and who must rise where it rises: relations of one cell and another.

        Who is counted in the part is counted in the whole: a whole that falls takes its part along, after the slack.
        """
        two = np.flatnonzero(np.diff(self.orders.indptr) == 2)
        ends = self.orders[two]
        first, second = ends.indices[0::2], ends.indices[1::2]
        plain = (ends.data[0::2] * ends.data[1::2] == -1.0) & (np.abs(ends.data[0::2]) == 1.0)
        is_whole = ends.data[0::2] > 0
        whole, part = np.where(is_whole, first, second)[plain], np.where(is_whole, second, first)[plain]
        slack = self.slack[two][plain]
        return Followers.nearest(whole, part, slack, len(self.down)), Followers.nearest(
            part, whole, slack, len(self.down)
        )

    @property
    def is_needy(self) -> Bools:
        """Cells that must be able to move when they are hidden."""
        return np.asarray((self.need_down > 0) | (self.need_up > 0) | (self.need_width > 0))


def narrow_ranges(system: System, hidden: Bools) -> list[Cut]:
    """A cut for each hidden cell whose range is narrower than it must be; none where the pattern holds."""
    found: list[Cut] = []
    for cells in _connected(system, np.flatnonzero(hidden)):
        key = cells.tobytes()
        if key not in system.seen.cuts:
            system.seen.cuts[key] = tuple(_Attack(system, cells).cuts())
        found += system.seen.cuts[key]
    return found


def bounded(system: System) -> System:
    """The same system with the bounds and needs that its relations leave were every row hidden.

    What is known even then no pattern can keep: a total of two schools that have rows is 2 at the least.
    """
    down, up = system.down.copy(), system.up.copy()
    rows = vstack([system.sums, system.orders]).tocoo()
    row, cell, weight = rows.row, rows.col, rows.data
    is_order = row >= system.sums.shape[0]
    slack = np.concatenate([np.zeros(system.sums.shape[0]), system.slack])
    count = len(slack)
    for _ in range(_PROPAGATIONS):
        most = np.where(weight > 0, weight * up[cell], -weight * down[cell])
        least = np.where(weight > 0, -weight * down[cell], weight * up[cell])
        # An entry is what the others leave: no more than they can fall, no less than they can rise.
        high = np.where(is_order, np.inf, -(np.bincount(row, least, count)[row] - least))
        low = -slack[row] - (np.bincount(row, most, count)[row] - most)
        rise, fall = (
            np.where(weight > 0, high, -low) / np.abs(weight),
            np.where(weight > 0, -low, high) / np.abs(weight),
        )
        np.minimum.at(up, cell, np.maximum(rise, 0.0))
        np.minimum.at(down, cell, np.maximum(fall, 0.0))
    return replace(
        system,
        down=down,
        up=up,
        need_down=np.minimum(system.need_down, down),
        need_up=np.minimum(system.need_up, up),
        need_width=np.minimum(system.need_width, down + up),
    )


def _connected(system: System, hidden: Integers) -> list[Integers]:
    """The hidden cells, apart where no relation ties them."""
    if not len(hidden):
        return []
    both = vstack([system.sums, system.orders]).tocsc()[:, hidden]
    both.data = np.ones_like(both.data)
    count, label = connected_components(both.T @ both, directed=False)
    order = np.argsort(label, kind="stable")
    return np.split(hidden[order], np.cumsum(np.bincount(label, minlength=count))[:-1])


@dataclass(frozen=True)
class _Side:
    """reached: how far a cell moves. entries: cells, company and coefficients of its cut. constant: what orders add."""

    reached: float
    entries: tuple[Integers, Integers, Floats]
    constant: float


class _Attack:
    """The linear programmes of one connected set of hidden cells."""

    def __init__(self, system: System, cells: Integers) -> None:
        self.system, self.cells = system, cells
        sums, orders = system.sums[:, cells], system.orders[:, cells]
        self.sum_rows = np.flatnonzero(np.diff(sums.indptr))
        self.order_rows = np.flatnonzero(np.diff(orders.indptr))
        self.sums, self.orders = sums[self.sum_rows], orders[self.order_rows]
        self.slack = system.slack[self.order_rows]
        self.down, self.up = system.down[cells], system.up[cells]
        self.low, self.high = np.zeros(len(cells)), np.zeros(len(cells))

    def cuts(self) -> list[Cut]:
        self._move_as_before()
        self._reach_together()
        found: list[Cut] = []
        for i in np.flatnonzero(self._open()):
            if len(found) < _CUTS and self._open()[i] and (cut := self._cut(int(i))) is not None:
                found.append(cut)
        return found

    def _move_as_before(self) -> None:
        """A move is possible wherever all that it moves is hidden."""
        place = np.full(len(self.system.down), -1, dtype=np.int64)
        place[self.cells] = np.arange(len(self.cells))
        for cells, amounts in self.system.seen.moves:
            at = place[cells]
            if (at >= 0).all():
                self.high[at] = np.maximum(self.high[at], amounts)
                self.low[at] = np.minimum(self.low[at], amounts)

    def _note(self, move: Floats) -> None:
        """What this move shows of every cell, kept for other patterns."""
        move = np.where(np.abs(move) < _TOLERANCE, 0.0, move)
        moved = np.flatnonzero(move)
        if ((move > self.high + _TOLERANCE) | (move < self.low - _TOLERANCE)).any():
            self.system.seen.moves.append((self.cells[moved], move[moved]))
        self.high, self.low = np.maximum(self.high, move), np.minimum(self.low, move)

    def _open(self) -> Bools:
        """Cells not yet seen to move as far as they must."""
        need = self.system
        return np.asarray(
            (self.high < need.need_up[self.cells] - _TOLERANCE)
            | (-self.low < need.need_down[self.cells] - _TOLERANCE)
            | (self.high - self.low < need.need_width[self.cells] - _TOLERANCE)
        )

    def _reach_together(self) -> None:
        """Moves all cells at once, each as far as it must, up and down in turn: few moves show most to be safe."""
        size = len(self.cells)
        rng = np.random.default_rng(size)
        for turn in range(6):
            still = self._open()
            if not still.any():
                return
            width = self.system.need_width[self.cells]
            up = np.maximum(self.system.need_up[self.cells], width + self.low) - self.high
            down = np.maximum(self.system.need_down[self.cells], width - self.high) + self.low
            wants_up = still & (up > _TOLERANCE)
            wants_down = still & (down > _TOLERANCE)
            side = rng.random(size) < 0.5 if turn >= 2 else np.full(size, turn == 0)
            sign = np.where(wants_up & (side | ~wants_down), 1.0, np.where(wants_down, -1.0, 0.0))
            goal_up = np.where(sign > 0, np.minimum(self.high + up, self.up), 0.0)
            goal_down = np.where(sign < 0, np.minimum(down - self.low, self.down), 0.0)
            # A move is split in what is wanted, which is rewarded, and what goes beyond, which is not.
            wanted = np.column_stack([-np.where(sign < 0, goal_down, 0.0), np.where(sign > 0, goal_up, 0.0)])
            beyond = np.column_stack([-(self.down - goal_down), self.up - goal_up])
            weight = sign * rng.uniform(0.5, 1.5, size) / np.maximum(goal_up + goal_down, 1.0)
            solved = linprog(
                np.concatenate([-weight, np.zeros(size)]),
                A_eq=hstack([self.sums, self.sums]).tocsr() if len(self.sum_rows) else None,
                b_eq=np.zeros(len(self.sum_rows)) if len(self.sum_rows) else None,
                A_ub=hstack([-self.orders, -self.orders]).tocsr() if len(self.order_rows) else None,
                b_ub=self.slack if len(self.order_rows) else None,
                bounds=np.vstack([wanted, beyond]),
                method="highs",
            )
            _require_solved(solved, self.system.name)
            self._note(solved.x[:size] + solved.x[size:])

    def _cut(self, i: int) -> Cut | None:
        """The cut of a cell that cannot move as far as it must, by the first of its needs that is not met."""
        need, cell = self.system, int(self.cells[i])
        sides: dict[float, _Side] = {}
        for needs, signs in ((need.need_up, (1.0,)), (need.need_down, (-1.0,)), (need.need_width, (1.0, -1.0))):
            for sign in signs:
                reached = sum(self.high[i] if way > 0 else -self.low[i] for way in signs)
                if reached < needs[cell] - _TOLERANCE and sign not in sides:
                    sides[sign] = self._furthest(i, sign)
            reached = sum(self.high[i] if way > 0 else -self.low[i] for way in signs)
            if reached >= needs[cell] - _TOLERANCE:
                continue
            entries = [sides[sign].entries for sign in signs]
            cells, company, coefficients = (np.concatenate(column) for column in zip(*entries, strict=True))
            constant = sum(sides[sign].constant for sign in signs)
            # Were every row hidden, this is still known, as a total of two schools that have rows is 2 at the least.
            needs[cell] = min(needs[cell], float(coefficients.sum()) + constant)
            if sum(sides[sign].reached for sign in signs) < needs[cell] - _TOLERANCE:
                return Cut(cell, cells, company, coefficients, float(needs[cell]) - constant)
        return None

    def _furthest(self, i: int, sign: float) -> _Side:
        """How far a cell moves at most, and why no further."""
        objective = np.zeros(len(self.cells))
        objective[i] = -sign
        solved = linprog(
            objective,
            A_eq=self.sums if len(self.sum_rows) else None,
            b_eq=np.zeros(len(self.sum_rows)) if len(self.sum_rows) else None,
            A_ub=-self.orders if len(self.order_rows) else None,
            b_ub=self.slack if len(self.order_rows) else None,
            bounds=np.column_stack([-self.down, self.up]),
            method="highs",
        )
        _require_solved(solved, self.system.name)
        self._note(solved.x)
        system = self.system
        rest = np.zeros(len(system.down))
        rest[self.cells[i]] = sign
        constant = 0.0
        if len(self.sum_rows):
            rest += system.sums[self.sum_rows].T @ solved.eqlin.marginals
        if len(self.order_rows):
            rest -= system.orders[self.order_rows].T @ solved.ineqlin.marginals
            constant = float(-solved.ineqlin.marginals @ self.slack)
        rest[np.abs(rest) < 1e-9] = 0.0
        return _Side(float(-solved.fun), self._entries(rest), constant)

    def _entries(self, rest: Floats) -> tuple[Integers, Integers, Floats]:
        """What hiding each cell may add, by its price: what it can by itself, and what only with its follower.

        Without the second, equal schools by the hundred were tried one after another: a cut asked for the mean score of
        any school, where only mean score and value added of one and the same school help.
        """
        system = self.system
        falls, rises = system.followers
        cells = np.flatnonzero(rest)
        down = rest[cells] < 0
        far = np.where(down, system.down[cells], system.up[cells])
        follower = np.where(down, falls.cell[cells], rises.cell[cells])
        free = np.where(follower >= 0, np.minimum(np.where(down, falls.slack[cells], rises.slack[cells]), far), far)
        price = np.abs(rest[cells])
        alone, together = price * free, price * (far - free)
        column = np.concatenate([cells, cells])
        company = np.concatenate([np.full(len(cells), -1, dtype=np.int64), follower])
        amount = np.concatenate([alone, together])
        counts = amount > 1e-9
        return column[counts], company[counts], amount[counts]


def _require_solved(solved: object, name: str) -> None:
    if getattr(solved, "status", None) != 0:
        raise ArithmeticError(
            f"Disclosure control could not solve the ranges of {name} ({getattr(solved, 'message', '')}); "
            "nothing may be published from it."
        )
