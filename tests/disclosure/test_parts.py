"""A problem is taken apart only where nothing ties it, and its parts together say what the whole does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from quality.disclosure import parts
from quality.disclosure.audit import System
from quality.disclosure.parts import parts_of
from quality.disclosure.secondary import Choice, Limits, Problem, View, choose
from quality.disclosure.solved import choose_once
from tests.disclosure.test_disclosure import REGISTRY

LIMITS = Limits(**REGISTRY.data["disclosure"]["programme"])


def problem_of(families: list[list[float]], forced: set[int]) -> Problem:
    """Families of counts that each add up to a total of their own; the total is the last cell of each."""
    amounts: list[float] = []
    rows: list[tuple[int, int, float]] = []
    for family, counts in enumerate(families):
        first = len(amounts)
        amounts += [*counts, sum(counts)]
        rows += [(family, first + i, 1.0) for i in range(len(counts))]
        rows.append((family, len(amounts) - 1, -1.0))
    size = len(amounts)
    n = np.array(amounts)
    line, cell, sign = (np.array(column) for column in zip(*rows, strict=True))
    sums = csr_matrix((sign.astype(float), (line, cell)), shape=(len(families), size))
    none = csr_matrix((0, size))
    few = n < 10
    system = System(
        name="made up",
        down=np.maximum(n - 1.0, 0.0),
        up=np.full(size, 50.0),
        need_down=np.where(few, n - 1.0, 0.0),
        need_up=np.where(few, 9.0 - n, 0.0),
        need_width=np.where(few, 0.0, 9.0),
        need_wide=np.where(few, 9.0, 0.0),
        sums=sums,
        orders=none,
        slack=np.zeros(0),
    )
    is_forced = np.isin(np.arange(size), list(forced))
    decision = np.arange(size)
    is_total = np.zeros(size, dtype=bool)
    return Problem(
        "made up", n, is_forced, is_total, line.astype(np.int64), cell.astype(np.int64), [View(system, decision)]
    )


FAMILIES = [[3.0, 40.0, 60.0, 25.0], [80.0, 20.0, 30.0], [5.0, 12.0, 90.0]]


def test_what_is_chosen_of_the_parts_is_what_is_chosen_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_SMALL", 1)
    problem = problem_of(FAMILIES, {0, 9})
    solved: dict[str, Choice] = {}
    found = choose_once(problem, LIMITS, greedy=False, solved=solved)
    whole = choose(problem_of(FAMILIES, {0, 9}), LIMITS)
    assert found.hidden.tolist() == whole.hidden.tolist()
    assert sum(block.weight for block in found.blocks) == sum(block.weight for block in whole.blocks)
    assert np.flatnonzero(found.hidden).tolist() == sorted(
        {0, 9, *(int(k) for block in found.blocks for k in block.decisions)}
    )
    assert len(solved) == 2, "the family in which nothing is hidden is not solved at all"


def test_a_part_stands_when_another_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_SMALL", 1)
    solved: dict[str, Choice] = {}
    choose_once(problem_of(FAMILIES, {0, 9}), LIMITS, greedy=False, solved=solved)
    before = set(solved)
    longer = [[3.0, 41.0, 60.0, 25.0, 17.0], *FAMILIES[1:]]
    choose_once(problem_of(longer, {0, 10}), LIMITS, greedy=False, solved=solved)
    assert len(solved) == 3
    assert before < set(solved), "of the last family nothing changed but where it stands"


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 90).map(float), min_size=1, max_size=5), min_size=1, max_size=6),
    st.sets(st.integers(0, 20)),
    st.sampled_from([1, 4, 100]),
)
def test_no_sum_ties_two_parts(families: list[list[float]], forced: set[int], small: int) -> None:
    problem = problem_of(families, forced)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "_SMALL", small)
        found = parts_of(problem)
    own = [set(decisions.tolist()) for decisions, _ in found]
    everything = set().union(*own)
    assert sum(map(len, own)) == len(everything)
    assert set(np.flatnonzero(problem.forced).tolist()) <= everything
    sums = problem.views[0].system.sums
    for row in range(sums.shape[0]):
        tied = set(sums.indices[sums.indptr[row] : sums.indptr[row + 1]].tolist())
        assert all(not tied & part or tied <= part for part in own)
    for decisions, part in found:
        assert part.cost.tolist() == problem.cost[decisions].tolist()
        assert part.forced.tolist() == problem.forced[decisions].tolist()
        # Every sum of the part's cells is there, and no other.
        inside = set(decisions.tolist())
        of_part = [row for row in range(sums.shape[0]) if set(sums[[row]].indices.tolist()) <= inside]
        assert part.views[0].system.sums.shape == (len(of_part), len(decisions))
