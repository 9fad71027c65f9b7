"""How far each hidden amount could be from the truth, for one who knows every sum and everything that is shown.

Each amount that is found within too narrow a range comes back as a cut: an inequality that every pattern must meet in
which that range is wide enough (the dual solution of the attacker's problem; Fischetti and Salazar-González 2001,
Management Science 47(7): 1008-1027).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix, hstack, vstack
from scipy.sparse.csgraph import connected_components

from quality.disclosure.lines import Bools, Floats, Integers
from quality.programme import NoSolutionError, Programme, Solution

_TOLERANCE = 1e-6
_PROPAGATIONS = 4
_SHORT = 1e-4  # the price of moving what is hidden anyway: of moves that cost the same the shortest
_CUTS = 60  # of one connected set at a time: with them, the next pattern differs anyway
# Cells of a connected set from which the primal simplex goes on from the last range, in a fifth of the time. In small
# ones its duals make weaker cuts: the search of a trust of three schools took 5 times as long and lost 1.7 times more.
_MANY = 1000


@dataclass(frozen=True)
class Cut:
    """Where `cell` is hidden, the sum of coefficient over the hidden among `cells` is at least `least`."""

    cell: int
    cells: Integers
    coefficients: Floats
    least: float


class _Moves:
    """Moves that were found possible, end to end: a search among them looks at all of them at once."""

    def __init__(self) -> None:
        self._cells: list[Integers] = []
        self._amounts: list[Floats] = []

    def add(self, cells: Integers, amounts: Floats) -> None:
        """Adds a move of at least one cell."""
        self._cells.append(cells)
        self._amounts.append(amounts)

    def within(self, place: Integers) -> tuple[Integers, Floats]:
        """The places and amounts of the moves all of whose cells have a place (not -1)."""
        if not self._cells:
            return np.zeros(0, dtype=np.int64), np.zeros(0)
        lengths = np.array([len(cells) for cells in self._cells])
        at = place[np.concatenate(self._cells)]
        inside = np.minimum.reduceat(at, np.cumsum(lengths) - lengths) >= 0
        kept = np.repeat(inside, lengths)
        return at[kept], np.concatenate(self._amounts)[kept]


@dataclass(frozen=True)
class _Seen:
    """What audits of one system found before: cuts by hidden cells, and possible moves."""

    cuts: dict[bytes, tuple[Cut, ...]]
    moves: _Moves


@dataclass(frozen=True)
class System:
    """Amounts of cells and what is known of them.

    name: for people. down, up: how far an amount may be below and above its truth if only its own bounds are known.
    need_down, need_up, need_width: how far a hidden one must be able to move at least; the audit lowers a need that no
    pattern could meet. need_wide: its need_width where need_down is so lowered: a total of two that have rows is 2 at
    the least, and who is known not to be one must be one of as many as may be shown. sums: lines x cells, moves along
    them come to 0. orders: relations x cells, moves along them are at least -slack.
    """

    name: str
    down: Floats
    up: Floats
    need_down: Floats
    need_up: Floats
    need_width: Floats
    need_wide: Floats
    sums: csr_matrix
    orders: csr_matrix
    slack: Floats
    seen: _Seen = field(default_factory=lambda: _Seen({}, _Moves()), init=False, repr=False)

    @property
    def is_needy(self) -> Bools:
        """Cells that must be able to move when they are hidden."""
        return np.asarray((self.need_down > 0) | (self.need_up > 0) | (self.need_width > 0))

    @cached_property
    def relations(self) -> csr_matrix:
        """Sums and, after them, orders."""
        return vstack([self.sums, self.orders], format="csr")

    @cached_property
    def relations_slack(self) -> Floats:
        """How far moves along each relation may fall below 0."""
        return np.concatenate([np.zeros(self.sums.shape[0]), self.slack])


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
    rows = system.relations.tocoo()
    row, cell, weight = rows.row, rows.col, rows.data
    is_order = row >= system.sums.shape[0]
    slack = system.relations_slack
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
    is_unmet = down < system.need_down - _TOLERANCE
    width = np.maximum(system.need_width, np.where(is_unmet, system.need_wide, 0.0))
    return replace(
        system,
        down=down,
        up=up,
        need_down=np.minimum(system.need_down, down),
        need_up=np.minimum(system.need_up, up),
        need_width=np.minimum(width, down + up),
    )


class CheapestMoves:
    """Cheapest moves within one system, asked for one after another: a model for each set of cells that are tied.

    may: which cells may ever move.
    """

    def __init__(self, system: System, may: Bools) -> None:
        self._system = system
        self._parts = _connected(system, np.flatnonzero(may))
        self._part = np.full(len(may), -1, dtype=np.int64)
        for number, cells in enumerate(self._parts):
            self._part[cells] = number
        self._programmes: dict[int, Programme] = {}

    def find(self, cell: int, amount: float, price: Floats, allowed: Bools) -> tuple[Integers, float]:
        """The cells that move in the cheapest move that takes a cell by `amount` (below 0: down), and what it costs.

        price: per cell, of moving by one; 0 of what is hidden. allowed: which cells may move at all. No cells and an
        infinite price where there is no such move.
        """
        system, part = self._system, int(self._part[cell])
        cells = self._parts[part]
        place = int(np.searchsorted(cells, cell))
        # Up and down are variables of their own, so that the price is of how far a cell moves, not of where to.
        low, high = np.zeros((2, len(cells))), np.vstack([system.up[cells], system.down[cells]]) * allowed[cells]
        low[:, place] = high[:, place] = max(amount, 0.0), max(-amount, 0.0)
        if part in self._programmes:
            self._programmes[part].bound(low.ravel(), high.ravel())
        else:
            inside = system.relations[:, cells]
            rows = np.flatnonzero(np.diff(inside.indptr))
            lower = -system.relations_slack[rows]
            upper = np.where(rows >= system.sums.shape[0], np.inf, 0.0)
            both = hstack([inside[rows], -inside[rows]]).tocsr()
            self._programmes[part] = Programme(both, lower, upper, low.ravel(), high.ravel(), presolve=True)
        try:
            solved = self._programmes[part].least(np.concatenate([price[cells], price[cells]]) + _SHORT)
        except NoSolutionError as error:
            if error.is_infeasible:
                return np.zeros(0, dtype=np.int64), np.inf
            raise ArithmeticError(_unsolved(system.name, str(error))) from error
        move = solved.amounts[: len(cells)] - solved.amounts[len(cells) :]
        moved = cells[np.abs(move) > _TOLERANCE]
        return moved, float(price[cells] @ np.abs(move))


def untouched(system: System) -> System:
    """A copy with needs of its own: an audit lowers those of its system that nothing could meet."""
    needs = {name: getattr(system, name).copy() for name in ("need_down", "need_up", "need_width")}
    return replace(system, **needs)


def _connected(system: System, hidden: Integers) -> list[Integers]:
    """The hidden cells, apart where no relation ties them."""
    if not len(hidden):
        return []
    entries = system.relations[:, hidden].tocoo()
    size = len(hidden) + entries.shape[0]
    graph = csr_matrix((np.ones(len(entries.row)), (entries.col, len(hidden) + entries.row)), shape=(size, size))
    # Cells come before relations, so the sets are in the order of their first cells.
    label = np.unique(connected_components(graph, directed=False)[1][: len(hidden)], return_inverse=True)[1]
    order = np.argsort(label, kind="stable")
    return np.split(hidden[order], np.cumsum(np.bincount(label))[:-1])


@dataclass(frozen=True)
class _Side:
    """reached: how far a cell moves. cells, coefficients: of its cut. constant: what orders add."""

    reached: float
    cells: Integers
    coefficients: Floats
    constant: float


class _Attack:
    """The linear programmes of one connected set of hidden cells."""

    def __init__(self, system: System, cells: Integers) -> None:
        self.system, self.cells = system, cells
        inside = system.relations[:, cells]
        rows = np.flatnonzero(np.diff(inside.indptr))
        self.relations, self.inside, self.slack = system.relations[rows], inside[rows], system.relations_slack[rows]
        self.is_order = rows >= system.sums.shape[0]
        self.down, self.up = system.down[cells], system.up[cells]
        self.low, self.high = np.zeros(len(cells)), np.zeros(len(cells))
        self.programme: Programme | None = None

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
        at, amounts = self.system.seen.moves.within(place)
        np.maximum.at(self.high, at, amounts)
        np.minimum.at(self.low, at, amounts)

    def _note(self, move: Floats) -> None:
        """What this move shows of every cell, kept for other patterns."""
        move = np.where(np.abs(move) < _TOLERANCE, 0.0, move)
        moved = np.flatnonzero(move)
        if ((move > self.high + _TOLERANCE) | (move < self.low - _TOLERANCE)).any():
            self.system.seen.moves.add(self.cells[moved], move[moved])
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
        together: Programme | None = None
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
            wanted = -np.where(sign < 0, goal_down, 0.0), np.where(sign > 0, goal_up, 0.0)
            beyond = -(self.down - goal_down), self.up - goal_up
            low, high = np.concatenate([wanted[0], beyond[0]]), np.concatenate([wanted[1], beyond[1]])
            weight = sign * rng.uniform(0.5, 1.5, size) / np.maximum(goal_up + goal_down, 1.0)
            if together is None:
                together = self._programme(hstack([self.inside, self.inside]).tocsr(), low, high)
            else:
                together.bound(low, high)
            move = self._solve(together, np.concatenate([-weight, np.zeros(size)])).amounts
            self._note(move[:size] + move[size:])

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
            cells = np.concatenate([sides[sign].cells for sign in signs])
            coefficients = np.concatenate([sides[sign].coefficients for sign in signs])
            constant = sum(sides[sign].constant for sign in signs)
            # Were every row hidden, this is still known, as a total of two schools that have rows is 2 at the least.
            most = float(coefficients.sum()) + constant
            if needs is need.need_down and most < needs[cell] - _TOLERANCE:
                need.need_width[cell] = max(need.need_width[cell], need.need_wide[cell])
            needs[cell] = min(needs[cell], most)
            if sum(sides[sign].reached for sign in signs) < needs[cell] - _TOLERANCE:
                return Cut(cell, cells, coefficients, float(needs[cell]) - constant)
        return None

    def _furthest(self, i: int, sign: float) -> _Side:
        """How far a cell moves at most, and why no further."""
        if self.programme is None:
            keeps = len(self.cells) > _MANY
            self.programme = self._programme(self.inside, -self.down, self.up, keeps)
        objective = np.zeros(len(self.cells))
        objective[i] = -sign
        solved = self._solve(self.programme, objective)
        self._note(solved.amounts)
        system = self.system
        rest = self.relations.T @ solved.duals
        rest[self.cells[i]] += sign
        constant = float(solved.duals @ self.slack)
        # What hiding a cell may add: as far as it can move, at its price.
        added = np.where(rest < 0, -rest * system.down, rest * system.up)
        cells = np.flatnonzero(added > 1e-9)
        return _Side(-solved.value, cells, added[cells], constant)

    def _programme(self, matrix: csr_matrix, low: Floats, high: Floats, keeps_bounds: bool = False) -> Programme:
        """Moves within these ends that are possible along every relation."""
        upper = np.where(self.is_order, np.inf, 0.0)
        return Programme(matrix, -self.slack, upper, low, high, keeps_bounds=keeps_bounds)

    def _solve(self, programme: Programme, objective: Floats) -> Solution:
        try:
            return programme.least(objective)
        except NoSolutionError as error:
            raise ArithmeticError(_unsolved(self.system.name, str(error))) from error


def _unsolved(name: str, message: str) -> str:
    return f"Disclosure control could not solve the ranges of {name} ({message}); nothing may be published from it."
