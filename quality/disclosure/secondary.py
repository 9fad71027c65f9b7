"""Which further cells to hide, at the least weighted loss, so that no hidden one can be worked out.

An integer programme by HiGHS over the rules of single lines and the cuts of the audit, solved, audited and solved
again until the audit finds nothing. Its parts that share no variable are blocks and solved apart. A block that is too
large, or that HiGHS leaves without a solution within its nodes, is decided greedily: the cheapest cell, for what it
does, of each rule that does not hold. Limits are counts, never a clock, so a pattern can be repeated.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from quality.disclosure.audit import CheapestMoves, Cut, System, narrow_ranges
from quality.disclosure.lines import Bools, Floats, Integers

PROGRAMME, LIMITED = "integer programme", "integer programme, stopped at its limit"
MENDED, GREEDY = "integer programme, mended by cheapest moves", "greedy"
_OPTIMAL, _AT_LIMIT, _INFEASIBLE = 0, 1, 2
_TOLERANCE = 1e-6
_QUICK = 20  # decisions of a block that is solved in no time, however many its rules
_PLENTY = 2.0  # times what a rule asks for is offered at the least


@dataclass(frozen=True)
class View:
    """A system of amounts, and which decision hides each of its cells (-1: shown whatever is decided).

    last: to be audited only where the others find nothing, because it is large and seldom finds anything. What it finds
    is mended, not searched for: its cuts name so many cells that a search among them goes astray.
    lowered: of nearly all its cells too much is known whatever is hidden; what hiding all of them would leave known is
    found out first, and not asked for.
    """

    system: System
    decision: Integers
    last: bool = False
    lowered: bool = False


@dataclass(frozen=True)
class Problem:
    """Decisions to hide, each 0 or 1.

    name: for people. cost: weighted loss of each. forced: hidden whatever it costs. totals: of groups; they are dear,
    so what hiding one brings along is looked at only where one is chosen. line, in_line: one entry per decision in a
    line of which none or at least two cells must be hidden; a decision with two cells of a line enters it twice. views:
    what is audited.
    """

    name: str
    cost: Floats
    forced: Bools
    totals: Bools
    line: Integers
    in_line: Integers
    views: list[View]


@dataclass(frozen=True)
class Limits:
    """cells: of a block that the integer programme takes. nodes: of its search; one for a block of more decisions than
    `broad`, where the hundred take half a minute and find nothing better. gap: share of the least loss to ignore.

    choices: decisions of a problem that is searched whole; of a larger one each rule is offered the `offers` cheapest.
    fresh: rounds of audit and solution, each from nothing, after which what was chosen is kept and only added to.
    rounds: after which what still lacks room is mended. few: decisions of a problem that is mended after `fresh` rounds
    already, or once it is crowded. crowd: rules per decision of any block, beyond which such a problem is solved once
    more and then mended: where nearly everything must be hidden each solution breaks as many rules as the last, and
    searching on takes a minute and loses more. In a larger problem one mended cell takes a hundred others along.
    """

    cells: int
    choices: int
    offers: int
    nodes: int
    broad: int
    fresh: int
    rounds: int
    few: int
    crowd: int
    gap: float


@dataclass(frozen=True)
class Block:
    """What one block lost. decisions: positions of those it hides besides the forced. bound: no less can be lost."""

    decisions: Integers
    forced: Integers
    candidates: int
    method: str
    weight: float
    bound: float
    rounds: int

    @property
    def gap(self) -> float:
        """Share of the weight by which the loss may exceed the least possible."""
        return 0.0 if self.weight <= 0 else max(0.0, (self.weight - self.bound) / self.weight)


@dataclass(frozen=True)
class Choice:
    """Whether each decision is hidden, and the blocks of those that were not forced."""

    hidden: Bools
    blocks: list[Block]


@dataclass(frozen=True)
class _Rule:
    """If decision `when` is hidden (-1: always), the coefficients over the hidden `among` come to at least `least`."""

    when: int
    among: Integers
    coefficients: Floats
    least: float
    forced: Integers  # decisions that stand behind it, for the report of its block


def choose(problem: Problem, limits: Limits, greedy: bool = False) -> Choice:
    """The decisions that protect every forced one and each other.

    Raises `ValueError` where even hiding everything would not protect a cell.
    """
    for view in problem.views:
        if view.lowered:
            narrow_ranges(view.system, np.ones(len(view.decision), dtype=bool))
    master = _Master(problem, limits)
    hidden = problem.forced.copy()
    rounds = 0
    # Rules of single lines spare audits; whatever they ask for an audit asks for too.
    most = limits.fresh if master.is_small else limits.rounds
    while master.learn(hidden, lines=greedy or (rounds < most and not master.is_crowded), cut_last=greedy):
        rounds += 1
        if greedy:
            hidden = master.add_cheapest(hidden, master.rules)
        elif rounds > most or master.is_crowded or master.only_last:
            hidden = master.mend(hidden)
        # From nothing at first: what an earlier round hid for a rule that others meet by now would stay hidden.
        else:
            hidden = master.solve(hidden if rounds > limits.fresh or master.is_mended.any() else problem.forced)
    return master.choice(hidden, rounds + 1)


class _Master:
    """The rules learnt so far and the solution of each block that they form."""

    def __init__(self, problem: Problem, limits: Limits) -> None:
        self.problem, self.limits = problem, limits
        self.rules: list[_Rule] = []
        self.known: set[tuple[int, bytes, float]] = set()
        order = np.argsort(problem.line, kind="stable")
        self.entries = problem.in_line[order]
        self.starts = np.searchsorted(problem.line[order], np.arange(problem.line.max(initial=-1) + 2))
        self.lines_of = csr_matrix(
            (np.ones(len(problem.line)), (problem.in_line, problem.line)),
            shape=(len(problem.cost), len(self.starts) - 1),
        )
        self.forced_in_line = np.bincount(problem.line, problem.forced[problem.in_line], len(self.starts) - 1)
        # Of what a rule could use, what a large problem's programme may choose from.
        self.is_small = len(problem.cost) <= limits.few
        self.offered = problem.forced | (len(problem.cost) <= limits.choices)
        self.solved: dict[tuple[bytes, bytes, bytes], tuple[Bools, str, float]] = {}
        self.greedy_added = np.zeros(len(problem.cost), dtype=bool)
        self.is_mended = np.zeros(len(problem.cost), dtype=bool)
        self.is_crowded = False
        self.narrow: list[tuple[View, int]] = []
        self.moves: dict[int, CheapestMoves] = {}  # by the id of the view
        self.looked_at = problem.forced | problem.totals
        self.last: list[tuple[Integers, str, float]] = []

    # Rules -----------------------------------------------------------------------------------------------------------

    @property
    def only_last(self) -> bool:
        """Whether what lacks room was found by the last views alone."""
        return bool(self.narrow) and all(view.last for view, _ in self.narrow)

    def learn(self, hidden: Bools, *, lines: bool, cut_last: bool) -> int:
        """Adds the rules that this pattern breaks; returns how many. cut_last: what the last views find as well."""
        self.narrow = []
        count = self._learn_lines(hidden) if lines else 0
        if count:
            return count
        for view in sorted(self.problem.views, key=lambda view: view.last):
            if view.last and count:
                break
            of_cell = (view.decision >= 0) & hidden[np.maximum(view.decision, 0)]
            for cut in narrow_ranges(view.system, of_cell):
                if cut_last or not view.last:
                    self._learn_cut(view, cut)
                self.narrow.append((view, cut.cell))
                count += 1
        self._look_ahead()
        return count

    def _learn_lines(self, hidden: Bools) -> int:
        """The rule of each line in which just one cell is hidden, and of the lines that this may spread to."""
        in_line = np.bincount(self.problem.line, hidden[self.problem.in_line], len(self.starts) - 1)
        lonely = np.flatnonzero(in_line == 1)
        before = len(self.rules)
        for line in lonely:
            entries = self.entries[self.starts[line] : self.starts[line + 1]]
            for when in np.unique(entries[hidden[entries]]):
                self._add(int(when), entries, np.ones(len(entries)), 1.0, twice=True)
        self._look_ahead()
        return len(self.rules) - before

    def _look_ahead(self) -> None:
        """The lines of every decision that a rule offers, so that the programme sees what choosing it brings along."""
        among = np.concatenate([np.zeros(0, dtype=np.int64), *(rule.among for rule in self.rules)])
        for when in np.unique(among[self.offered[among] & ~self.looked_at[among]]):
            self.looked_at[when] = True
            own = slice(self.lines_of.indptr[when], self.lines_of.indptr[when + 1])
            lines, cells = self.lines_of.indices[own], self.lines_of.data[own]
            # Where a line has another cell that is hidden anyway, or of the same decision, it asks for nothing.
            company = self.forced_in_line[lines] + np.where(self.problem.forced[when], 0, cells) - 1
            for line in lines[company < 1]:
                entries = self.entries[self.starts[line] : self.starts[line + 1]]
                self._add(int(when), entries, np.ones(len(entries)), 1.0, twice=True)

    def _learn_cut(self, view: View, cut: Cut) -> None:
        among = view.decision[cut.cells]
        movable = among >= 0
        self._add(int(view.decision[cut.cell]), among[movable], cut.coefficients[movable], cut.least)

    def _add(self, when: int, among: Integers, coefficients: Floats, least: float, twice: bool = False) -> None:
        problem = self.problem
        columns, inverse = np.unique(among, return_inverse=True)
        weights = np.bincount(inverse, coefficients, len(columns))
        own = columns == when
        if twice:
            weights[own] -= 1.0  # the cell that wants company is no company to itself
        given = own | problem.forced[columns]
        least -= float(weights[given].sum())
        forced = np.unique(np.append(columns[given & ~own], [when] if problem.forced[when] else []))
        useful = ~given & (weights > 1e-9)
        columns, weights = columns[useful], weights[useful]
        if least <= 1e-7:
            if twice:
                return
            raise ArithmeticError(f"Disclosure control found no way to protect {problem.name}; nothing is published.")
        weights = np.minimum(weights, least) / least
        if weights.sum() < 1.0 - 1e-9:
            raise ValueError(
                f"Disclosure control cannot protect a cell of {problem.name}, whatever it hides; nothing is published."
            )
        key = (when, columns.tobytes() + np.round(weights, 9).tobytes(), 1.0)
        if key in self.known:
            return
        self.known.add(key)
        self._offer(columns, weights)
        self.offered[when] = True
        self.rules.append(_Rule(-1 if problem.forced[when] else when, columns, weights, 1.0, forced.astype(np.int64)))

    def _offer(self, columns: Integers, weights: Floats) -> None:
        """Offers the cheapest for what they do, until a rule has enough to choose from; what is offered already counts.

        Equal schools and weeks stand for one another: of a hundred of them a few are choice enough.
        """
        there = self.offered[columns]
        price = np.where(there, -1.0, self.problem.cost[columns] / weights)
        order = np.argsort(price, kind="stable")
        enough = np.maximum(self.limits.offers, 1 + int(np.searchsorted(np.cumsum(weights[order]), _PLENTY)))
        self.offered[columns[order[:enough]]] = True

    # Solutions -------------------------------------------------------------------------------------------------------

    def add_cheapest(self, hidden: Bools, rules: list[_Rule]) -> Bools:
        """Hides the cheapest cell for what it does, rule after rule, until all rules hold."""
        hidden = hidden.copy()
        open_rules = True
        while open_rules:
            open_rules = False
            for rule in rules:
                if rule.when >= 0 and not hidden[rule.when]:
                    continue
                while (short := 1.0 - float(rule.coefficients[hidden[rule.among]].sum())) > 1e-9:
                    left = np.flatnonzero(~hidden[rule.among])
                    gain = np.minimum(rule.coefficients[left], short)
                    best = int(rule.among[left[np.argmin(self.problem.cost[rule.among[left]] / gain)]])
                    hidden[best] = self.greedy_added[best] = self.offered[best] = True
                    open_rules = True
        return hidden

    def blocks(self) -> list[tuple[Integers, Integers]]:
        """The numbers of the rules, apart where they share no decision that is offered and still open."""
        size, count = len(self.problem.cost), len(self.rules)
        among = np.concatenate([rule.among for rule in self.rules])
        row = np.repeat(np.arange(count), [len(rule.among) for rule in self.rules])
        when = np.array([rule.when for rule in self.rules], dtype=np.int64)
        conditional = np.flatnonzero(when >= 0)
        row, among = np.append(row, conditional), np.append(among, when[conditional])
        row, among = row[self.offered[among]], among[self.offered[among]]
        ties = csr_matrix((np.ones(len(row)), (row, among)), shape=(count, size))
        _, label = connected_components(_bipartite(ties), directed=False)
        members = np.unique(among)
        of_members, of_rules = label[count + members], label[:count]
        found = []
        for part in np.unique(of_rules):
            found.append((members[of_members == part], np.flatnonzero(of_rules == part)))
        return sorted(found, key=lambda block: int(block[0][0]))

    def solve(self, kept: Bools) -> Bools:
        """The least loss that meets every rule learnt so far, with what is kept."""
        hidden = self.problem.forced.copy()
        self.last = []
        wanted: list[tuple[Integers, tuple[bytes, bytes, bytes]]] = []
        unsolved: dict[tuple[bytes, bytes, bytes], tuple[Integers, list[_Rule], Bools, bool]] = {}
        for members, numbers in self.blocks():
            crowded = len(members) > _QUICK and len(numbers) > self.limits.crowd * len(members)
            self.is_crowded |= crowded and self.is_small
            # Rules are only ever added: their numbers stand for them.
            key = numbers.tobytes(), members.tobytes(), kept[members].tobytes()
            wanted.append((members, key))
            if key not in self.solved:
                rules = [self.rules[k] for k in numbers]
                # Asked before any block is solved: what one decides greedily is offered to the others from then on.
                is_whole = all(self.offered[rule.among].all() for rule in rules)
                unsolved[key] = members, rules, kept[members], is_whole
        # HiGHS lets other threads run; blocks share no decision, so in which order they end changes nothing.
        with ThreadPoolExecutor() as pool:
            found = pool.map(lambda block: self._solve_block(*block), unsolved.values())
            self.solved |= zip(unsolved, found, strict=True)
        for members, key in wanted:
            inside, method, bound = self.solved[key]
            hidden[members[inside]] = True
            self.last.append((members, method, bound))
        return hidden

    def _solve_block(
        self, members: Integers, rules: list[_Rule], kept: Bools, is_whole: bool
    ) -> tuple[Bools, str, float]:
        """Which members to hide, how it was found, and what must be lost at the least.

        is_whole: whether all that the rules could use is offered.
        """
        place = np.full(len(self.problem.cost), -1, dtype=np.int64)
        place[members] = np.arange(len(members))
        if len(members) <= self.limits.cells:
            at = place[np.concatenate([rule.among for rule in rules])]
            row = np.repeat(np.arange(len(rules)), [len(rule.among) for rule in rules])
            value = np.concatenate([rule.coefficients for rule in rules])
            row, at, value = row[at >= 0], at[at >= 0], value[at >= 0]
            when = np.array([rule.when for rule in rules])
            conditional = np.flatnonzero(when >= 0)
            row, at = np.append(row, conditional), np.append(at, place[when[conditional]])
            value = np.append(value, np.full(len(conditional), -1.0))
            least = np.where(when >= 0, 0.0, 1.0)
            solved = milp(
                self.problem.cost[members],
                integrality=np.ones(len(members)),
                bounds=Bounds(kept.astype(np.float64), 1),
                constraints=LinearConstraint(
                    csr_matrix((value, (row, at)), shape=(len(rules), len(members))), least - 1e-7
                ),
                options={
                    "node_limit": self.limits.nodes if len(members) <= self.limits.broad else 1,
                    "mip_rel_gap": self.limits.gap,
                },
            )
            if solved.status == _INFEASIBLE and is_whole:
                raise ValueError(f"Disclosure control cannot protect {self.problem.name}; nothing is published.")
            if solved.x is not None:
                # What was kept, or chosen from a part, says nothing of the least loss that there could be.
                is_whole &= not (kept & ~self.problem.forced[members]).any()
                method = PROGRAMME if solved.status == _OPTIMAL and is_whole else LIMITED
                return solved.x > 0.5, method, float(solved.mip_dual_bound) if is_whole else 0.0
        hidden = self.problem.forced.copy()
        hidden[members[kept]] = True
        hidden = self.add_cheapest(hidden, rules)
        return hidden[members], GREEDY, 0.0

    def mend(self, hidden: Bools) -> Bools:
        """Hides what moves in the cheapest move of each cell that cannot move as far as it must, one after another.

        The cells that such a move takes along can themselves move with it, so few rounds are left to do (Kelly, Golden
        and Assad 1992, Networks 22(4): 397-417, of cell suppression by cheapest paths).
        """
        hidden = hidden.copy()
        before = hidden.copy()
        for view, cell in self.narrow:
            system = view.system
            for amounts in _ways(system, cell):
                found = [self._cheapest(view, cell, amount, hidden) for amount in amounts]
                cells, _ = min(found, key=lambda move: move[1])
                added = np.unique(view.decision[cells][~hidden[view.decision[cells]]])
                if not len(added):
                    continue
                hidden[added] = True
                # What mends a cell stays with it: in its block, and in whatever is solved after.
                self._add(int(view.decision[cell]), added, np.ones(len(added)), float(len(added)), twice=True)
        if not (hidden & ~before).any():
            # A cell that can never move as far as it should is found out only once more around it is hidden: no move
            # takes it there, but what its rules ask for brings the next audit nearer.
            hidden = self.add_cheapest(hidden, self.rules)
        if not (hidden & ~before).any():
            raise ValueError(f"Disclosure control cannot protect {self.problem.name}; nothing is published.")
        self.offered |= hidden
        self.is_mended |= hidden & ~before
        return hidden

    def _cheapest(self, view: View, cell: int, amount: float, hidden: Bools) -> tuple[Integers, float]:
        """The cells of the cheapest move among what is offered, or among all that may be hidden where there is none."""
        may = view.decision >= 0
        decision = np.maximum(view.decision, 0)
        price = np.where(hidden[decision], 0.0, self.problem.cost[decision])
        if id(view) not in self.moves:
            self.moves[id(view)] = CheapestMoves(view.system, may)
        moves = self.moves[id(view)]
        found = moves.find(cell, amount, price, may & (self.offered | hidden)[decision])
        return found if len(found[0]) else moves.find(cell, amount, price, may)

    # Report ----------------------------------------------------------------------------------------------------------

    def choice(self, hidden: Bools, rounds: int) -> Choice:
        """The pattern and what each of its blocks lost."""
        if not self.rules:
            return Choice(hidden, [])
        solved = {int(members[0]): (method, bound) for members, method, bound in self.last}
        found = []
        for members, numbers in self.blocks():
            chosen = members[hidden[members] & ~self.problem.forced[members]]
            inside = [entry for first, entry in solved.items() if first in set(members.tolist())]
            method = GREEDY if not inside or self.greedy_added[members].any() else _worst(inside)
            method = MENDED if self.is_mended[members].any() else method
            weight = float(self.problem.cost[chosen].sum())
            bound = sum(bound for _, bound in inside)
            forced = np.unique(np.concatenate([self.rules[k].forced for k in numbers]))
            if not len(chosen) and not len(forced):
                continue  # rules that came into sight and ask for nothing
            found.append(Block(chosen, forced, len(members), method, weight, min(bound, weight), rounds))
        return Choice(hidden, found)


def _ways(system: System, cell: int) -> list[list[float]]:
    """The moves that a cell must be able to make, each as the amounts of which one will do."""
    ways = [[system.need_up[cell]], [-system.need_down[cell]]]
    width, up, down = system.need_width[cell], system.up[cell], system.down[cell]
    if up >= width and down >= width:
        ways.append([width, -width])
    else:
        ways += [[min(width, up)], [min(width, up) - width]]
    return [[float(amount) for amount in amounts] for amounts in ways if abs(amounts[0]) > _TOLERANCE]


def _worst(solved: list[tuple[str, float]]) -> str:
    methods = {method for method, _ in solved}
    return next(method for method in (GREEDY, LIMITED, PROGRAMME) if method in methods)


def _bipartite(ties: csr_matrix) -> csr_matrix:
    """The adjacency of rows and columns as one graph: rows first."""
    rows, columns = ties.shape
    entries = ties.tocoo()
    return csr_matrix((entries.data, (entries.row, entries.col + rows)), shape=(rows + columns, rows + columns))
