"""A problem taken apart where nothing ties its decisions, so that what stands of it need not be solved again.

Results of one subject share no sum with those of another nor with attendance: when a week closes, they stand.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_matrix, vstack
from scipy.sparse.csgraph import connected_components

from quality.disclosure.audit import System
from quality.disclosure.lines import Bools, Integers
from quality.disclosure.secondary import Block, Choice, Problem, View

_SMALL = 100  # decisions: smaller parts are solved together, for each alone takes longer to tell apart than to solve


def parts_of(problem: Problem) -> list[tuple[Integers, Problem]]:
    """The parts in which something is hidden already, each with its decisions' positions in the whole.

    Where nothing is hidden nothing needs protection. Parts are in the order of their first decisions, those of fewer
    than a hundred decisions together at the end.
    """
    label = _tied(problem)
    size = np.bincount(label)
    concerned = np.zeros(len(size), dtype=bool)
    concerned[label[problem.forced]] = True
    large, small = np.flatnonzero(concerned & (size >= _SMALL)), concerned & (size < _SMALL)
    found = [np.flatnonzero(label == part) for part in sorted(large, key=lambda part: int(np.argmax(label == part)))]
    if small.any():
        found.append(np.flatnonzero(small[label]))
    if len(found) == 1 and len(found[0]) == len(label):
        return [(found[0], problem)]
    return [(decisions, _part(problem, decisions)) for decisions in found]


def put_together(problem: Problem, chosen: list[tuple[Integers, Choice]]) -> Choice:
    """The choice of the whole from those of its parts."""
    hidden, blocks = problem.forced.copy(), []
    for decisions, choice in chosen:
        hidden[decisions[choice.hidden]] = True
        blocks += [
            replace(block, decisions=decisions[block.decisions], forced=decisions[block.forced])
            for block in choice.blocks
        ]
    return Choice(hidden, sorted(blocks, key=_first))


def _first(block: Block) -> int:
    return int(np.concatenate([block.decisions, block.forced]).min())


def _tied(problem: Problem) -> Integers:
    """Per decision the number of the set that it is in: two are tied by a line, or by a relation of any view."""
    size = len(problem.cost)
    ties = [csr_matrix((np.ones(len(problem.line)), (problem.line, problem.in_line)), shape=(_most(problem), size))]
    for view in problem.views:
        entries = view.system.relations.tocoo()
        decision = view.decision[entries.col]
        movable = decision >= 0
        shape = (view.system.relations.shape[0], size)
        ties.append(csr_matrix((np.ones(int(movable.sum())), (entries.row[movable], decision[movable])), shape=shape))
    tied = vstack(ties).tocoo()
    lines = tied.shape[0]
    graph = csr_matrix((np.ones(len(tied.row)), (tied.row, tied.col + lines)), shape=(lines + size, lines + size))
    label = connected_components(graph, directed=False)[1][lines:]
    return np.unique(label, return_inverse=True)[1]


def _most(problem: Problem) -> int:
    return int(problem.line.max(initial=-1)) + 1


def _part(problem: Problem, decisions: Integers) -> Problem:
    place = np.full(len(problem.cost), -1, dtype=np.int64)
    place[decisions] = np.arange(len(decisions))
    inside = place[problem.in_line] >= 0
    return Problem(
        name=problem.name,
        cost=problem.cost[decisions],
        forced=problem.forced[decisions],
        totals=problem.totals[decisions],
        # Numbered afresh: a part is the same problem whatever lies beside it.
        line=np.unique(problem.line[inside], return_inverse=True)[1],
        in_line=place[problem.in_line[inside]],
        views=[_view(view, place) for view in problem.views],
    )


def _view(view: View, place: Integers) -> View:
    """The cells of some decisions. What is shown whatever is decided moves nothing, so it is left out."""
    decision = np.where(view.decision >= 0, place[np.maximum(view.decision, 0)], -1)
    cells = decision >= 0
    return replace(view, system=_system(view.system, cells), decision=decision[cells])


def _system(system: System, cells: Bools) -> System:
    """The amounts of some cells that no relation ties to others that may be hidden, with the relations of theirs."""
    sums, orders = system.sums[:, cells], system.orders[:, cells]
    of_sums, of_orders = np.diff(sums.indptr) > 0, np.diff(orders.indptr) > 0
    bounds = {
        name: getattr(system, name)[cells] for name in ("down", "up", "need_down", "need_up", "need_width", "need_wide")
    }
    return replace(system, **bounds, sums=sums[of_sums], orders=orders[of_orders], slack=system.slack[of_orders])
