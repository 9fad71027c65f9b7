"""Which further cells to hide, at the least weighted loss, so that no hidden one can be worked out.

An integer programme by HiGHS over the rules of single lines and the cuts of the audit, solved, audited and solved
again until the audit finds nothing. Its parts that share no variable are blocks and solved apart. A block that is too
large, or that HiGHS leaves without a solution within its nodes, is decided greedily: the cheapest cell, for what it
does, of each rule that does not hold. Limits are counts, never a clock, so a pattern can be repeated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from quality.disclosure.audit import Cut, System, narrow_ranges
from quality.disclosure.lines import Bools, Floats, Integers

PROGRAMME, LIMITED, GREEDY = "integer programme", "integer programme, stopped at its limit", "greedy"
_OPTIMAL, _AT_LIMIT, _INFEASIBLE = 0, 1, 2
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class View:
    """A system of amounts, and which decision hides each of its cells (-1: shown whatever is decided)."""

    system: System
    decision: Integers


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
    """cells: of a block that the integer programme takes. nodes: of its search. gap: share of the least loss to ignore.

    fresh: rounds of audit and solution after which a block of more than fresh_cells keeps what it has chosen; one whose
    search took more than fresh_nodes keeps it at once, any block after `rounds`.
    """

    cells: int
    nodes: int
    rounds: int
    fresh: int
    fresh_cells: int
    fresh_nodes: int
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
    master = _Master(problem, limits)
    hidden = problem.forced.copy()
    rounds = 0
    while master.learn(hidden):
        rounds += 1
        if greedy:
            hidden = master.add_cheapest(hidden, master.rules)
        # Equal schools stand for one another, so a search from nothing tries one after another, a round for each.
        elif rounds > limits.rounds:
            hidden = master.solve(hidden, 0)
        else:
            hidden = master.solve(hidden, limits.fresh_cells if rounds > limits.fresh else len(master.both))
    if greedy:
        return master.choice(hidden, rounds + 1)
    # What was kept was chosen before all rules were known: some of it is needed no more.
    for decision, rules in master.kept_choices(hidden):
        without = hidden.copy()
        without[decision] = False
        if master.hold(rules, without) and not master.learn(without):
            hidden = without
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
        self.pairs: dict[tuple[int, int], int] = {}
        self.both: Integers = np.repeat(np.arange(len(problem.cost), dtype=np.int64), 2).reshape(-1, 2)
        self.solved: dict[bytes, tuple[Bools, str, float]] = {}
        self.greedy_added = np.zeros(len(problem.cost), dtype=bool)
        self.hard = np.zeros(len(problem.cost), dtype=bool)
        self.looked_at = problem.forced | problem.totals
        self.last: list[tuple[Integers, str, float]] = []

    # Rules -----------------------------------------------------------------------------------------------------------

    def learn(self, hidden: Bools) -> int:
        """Adds the rules that this pattern breaks; returns how many."""
        count = self._learn_lines(hidden)
        if count:
            return count
        for view in self.problem.views:
            of_cell = (view.decision >= 0) & hidden[np.maximum(view.decision, 0)]
            for cut in narrow_ranges(view.system, of_cell):
                self._learn_cut(view, cut)
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
        offered = np.unique(self.both[among])
        for when in offered[~self.looked_at[offered]]:
            self.looked_at[when] = True
            for line in self.lines_of.indices[self.lines_of.indptr[when] : self.lines_of.indptr[when + 1]]:
                entries = self.entries[self.starts[line] : self.starts[line + 1]]
                self._add(int(when), entries, np.ones(len(entries)), 1.0, twice=True)

    def _learn_cut(self, view: View, cut: Cut) -> None:
        when, among = int(view.decision[cut.cell]), view.decision[cut.cells]
        company = np.where(cut.company >= 0, view.decision[np.maximum(cut.company, 0)], among)
        movable = (among >= 0) & (company >= 0)
        among, company, coefficients = among[movable], company[movable], cut.coefficients[movable]
        # One that is hidden anyway is no further condition.
        surely = self.problem.forced.copy()
        surely[when] = True
        among, company = np.where(surely[among], company, among), np.where(surely[company], among, company)
        self._add(when, self._columns(among, company), coefficients, cut.least)

    def _columns(self, among: Integers, company: Integers) -> Integers:
        """The columns that say that both decisions are to hide; the decision itself where they are one."""
        columns = among.copy()
        for i in np.flatnonzero(among != company):
            pair = min(int(among[i]), int(company[i])), max(int(among[i]), int(company[i]))
            if pair not in self.pairs:
                self.pairs[pair] = len(self.problem.cost) + len(self.pairs)
                for decision in pair:
                    nothing = np.zeros(0, dtype=np.int64)
                    self.rules.append(_Rule(self.pairs[pair], np.array([decision]), np.ones(1), 1.0, nothing))
            columns[i] = self.pairs[pair]
        size = len(self.problem.cost)
        if len(self.both) < size + len(self.pairs):
            new = list(self.pairs)[len(self.both) - size :]
            self.both = np.concatenate([self.both, np.array(new, dtype=np.int64)])
        return columns

    def _hidden(self, columns: Integers, hidden: Bools) -> Bools:
        """Per column whether all its decisions are to hide."""
        return np.asarray(hidden[self.both[columns]].all(axis=1))

    def _add(self, when: int, among: Integers, coefficients: Floats, least: float, twice: bool = False) -> None:
        problem = self.problem
        columns, inverse = np.unique(among, return_inverse=True)
        weights = np.bincount(inverse, coefficients, len(columns))
        own = columns == when
        if twice:
            weights[own] -= 1.0  # the cell that wants company is no company to itself
        given = own | self._hidden(columns, problem.forced)
        least -= float(weights[given].sum())
        behind = self.both[columns[given & ~own]].ravel()
        forced = np.unique(np.append(behind, [when] if problem.forced[when] else []))
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
        self.rules.append(_Rule(-1 if problem.forced[when] else when, columns, weights, 1.0, forced.astype(np.int64)))

    # Solutions -------------------------------------------------------------------------------------------------------

    def add_cheapest(self, hidden: Bools, rules: list[_Rule]) -> Bools:
        """Hides the cheapest cell for what it does, rule after rule, until all rules hold."""
        hidden = hidden.copy()
        open_rules = True
        while open_rules:
            open_rules = False
            for rule in rules:
                if rule.when >= 0 and not hidden[self.both[rule.when]].all():
                    continue
                while (short := 1.0 - float(rule.coefficients[self._hidden(rule.among, hidden)].sum())) > 1e-9:
                    left = np.flatnonzero(~self._hidden(rule.among, hidden))
                    gain = np.minimum(rule.coefficients[left], short)
                    pairs = self.both[rule.among[left]]
                    price = np.where(hidden[pairs], 0.0, self.problem.cost[pairs])
                    price = np.where(pairs[:, 0] == pairs[:, 1], price[:, 0], price.sum(axis=1))
                    added = pairs[np.argmin(price / gain)]
                    self.greedy_added[added[~hidden[added]]] = True
                    hidden[added] = True
                    open_rules = True
        return hidden

    def blocks(self) -> list[tuple[Integers, list[_Rule]]]:
        """The rules, apart where they share no decision that is still open."""
        size = len(self.both)
        rows = np.concatenate([np.full(len(rule.among), k) for k, rule in enumerate(self.rules)])
        among = np.concatenate([rule.among for rule in self.rules])
        conditional = [(k, rule.when) for k, rule in enumerate(self.rules) if rule.when >= 0]
        rows = np.concatenate([rows, np.array([k for k, _ in conditional], dtype=np.int64)])
        among = np.concatenate([among, np.array([when for _, when in conditional], dtype=np.int64)])
        ties = csr_matrix((np.ones(len(rows)), (rows, among)), shape=(len(self.rules), size))
        _, label = connected_components(_bipartite(ties), directed=False)
        by_label: dict[int, list[_Rule]] = {}
        for k, rule in enumerate(self.rules):
            by_label.setdefault(int(label[k]), []).append(rule)
        found = []
        for rules in by_label.values():
            members = [rule.among for rule in rules] + [np.array([r.when]) for r in rules if r.when >= 0]
            found.append((np.unique(np.concatenate(members)), rules))
        return sorted(found, key=lambda block: int(block[0][0]))

    def solve(self, standing: Bools, keeping: int) -> Bools:
        """The least loss that meets every rule learnt so far.

        What stands is kept in blocks of more than `keeping` and in those that were hard to search.
        """
        hidden = self.problem.forced.copy()
        self.last = []
        for members, rules in self.blocks():
            kept = np.zeros(len(members), dtype=bool)
            if len(members) > keeping or self.hard[members[members < len(hidden)]].any():
                kept = self._hidden(members, standing)
            whens = np.array([rule.when for rule in rules], dtype=np.int64)
            key = b"".join(rule.among.tobytes() + rule.coefficients.tobytes() for rule in rules)
            key += whens.tobytes() + kept.tobytes()
            if key not in self.solved:
                self.solved[key] = self._solve_block(members, rules, kept)
            inside, method, bound = self.solved[key]
            chosen = members[inside]
            hidden[chosen[chosen < len(hidden)]] = True
            self.last.append((members, method, bound))
        return hidden

    def _solve_block(self, members: Integers, rules: list[_Rule], kept: Bools) -> tuple[Bools, str, float]:
        place = {int(decision): i for i, decision in enumerate(members)}
        cost = np.append(self.problem.cost, np.zeros(len(self.both) - len(self.problem.cost)))[members]
        if len(members) <= self.limits.cells:
            row: list[int] = []
            column: list[int] = []
            value: list[float] = []
            for k, rule in enumerate(rules):
                row += [k] * len(rule.among)
                column += [place[int(decision)] for decision in rule.among]
                value += rule.coefficients.tolist()
                if rule.when >= 0:
                    row.append(k)
                    column.append(place[rule.when])
                    value.append(-1.0)
            least = np.array([0.0 if rule.when >= 0 else 1.0 for rule in rules])
            solved = milp(
                cost,
                integrality=np.ones(len(members)),
                bounds=Bounds(kept.astype(np.float64), 1),
                constraints=LinearConstraint(
                    csr_matrix((value, (row, column)), shape=(len(rules), len(members))), least - 1e-7
                ),
                options={"node_limit": self.limits.nodes, "mip_rel_gap": self.limits.gap},
            )
            if solved.status == _INFEASIBLE:
                raise ValueError(f"Disclosure control cannot protect {self.problem.name}; nothing is published.")
            if solved.x is not None:
                self.hard[members[members < len(self.hard)]] |= solved.mip_node_count > self.limits.fresh_nodes
                # What was kept is not known to be needed: no more than nothing is known of the least loss then.
                method = PROGRAMME if solved.status == _OPTIMAL and not kept.any() else LIMITED
                return solved.x > 0.5, method, 0.0 if kept.any() else float(solved.mip_dual_bound)
        hidden = self.problem.forced.copy()
        hidden[self.both[members[kept]]] = True
        hidden = self.add_cheapest(hidden, rules)
        return self._hidden(members, hidden), GREEDY, 0.0

    def kept_choices(self, hidden: Bools) -> list[tuple[int, list[_Rule]]]:
        """What blocks chose and kept while they learnt more, the dearest first, with the rules that each counts in."""
        inside = [members for members, method, _ in self.last if method != PROGRAMME]
        members = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *inside]))
        members = members[members < len(hidden)]
        chosen = members[hidden[members] & ~self.problem.forced[members]]
        counts_in: dict[int, list[_Rule]] = {int(decision): [] for decision in chosen}
        for rule in self.rules:
            for decision in np.unique(self.both[rule.among]).tolist():
                if decision in counts_in:
                    counts_in[decision].append(rule)
        order = np.argsort(-self.problem.cost[chosen], kind="stable")
        return [(int(decision), counts_in[int(decision)]) for decision in chosen[order]]

    def hold(self, rules: list[_Rule], hidden: Bools) -> bool:
        """Whether every one of these rules is met."""
        return all(
            float(rule.coefficients[self._hidden(rule.among, hidden)].sum()) > 1.0 - _TOLERANCE
            for rule in rules
            if rule.when < 0 or hidden[self.both[rule.when]].all()
        )

    # Report ----------------------------------------------------------------------------------------------------------

    def choice(self, hidden: Bools, rounds: int) -> Choice:
        """The pattern and what each of its blocks lost."""
        if not self.rules:
            return Choice(hidden, [])
        solved = {int(members[0]): (method, bound) for members, method, bound in self.last}
        found = []
        for columns, rules in self.blocks():
            members = columns[columns < len(hidden)]
            chosen = members[hidden[members] & ~self.problem.forced[members]]
            inside = [entry for first, entry in solved.items() if first in set(columns.tolist())]
            method = GREEDY if not inside or self.greedy_added[members].any() else _worst(inside)
            weight = float(self.problem.cost[chosen].sum())
            bound = sum(bound for _, bound in inside)
            forced = np.unique(np.concatenate([rule.forced for rule in rules]))
            if not len(chosen) and not len(forced):
                continue  # rules that came into sight and ask for nothing
            found.append(Block(chosen, forced, len(members), method, weight, min(bound, weight), rounds))
        return Choice(hidden, found)


def _worst(solved: list[tuple[str, float]]) -> str:
    methods = {method for method, _ in solved}
    return next(method for method in (GREEDY, LIMITED, PROGRAMME) if method in methods)


def _bipartite(ties: csr_matrix) -> csr_matrix:
    """The adjacency of rows and columns as one graph: rows first."""
    rows, columns = ties.shape
    entries = ties.tocoo()
    return csr_matrix((entries.data, (entries.row, entries.col + rows)), shape=(rows + columns, rows + columns))
