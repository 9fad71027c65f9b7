"""What a large problem does otherwise (few choices offered, terms tied, cover mended) gives nothing away either."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from ingest.registry import Registry
from quality.disclosure import decide
from quality.disclosure.audit import System, bounded, untouched
from quality.disclosure.cells import counted_rows
from quality.disclosure.problems import count_stages
from quality.disclosure.secondary import LIMITED, MENDED, PROGRAMME, Limits, Problem, View, choose
from tests.disclosure.test_disclosure import REGISTRY
from tests.disclosure.trusts import breaches, random_trust

SEEDS = (2, 3, 8)
# Every problem is large; of the second none is searched at all, and what is hidden is the cheapest moves alone.
OFFERED, MENDED_ALONE = {"choices": 0}, {"choices": 0, "fresh": 0, "rounds": 0}
# Every block is broad: its search ends at the root.
AT_ROOT = {"broad": 0}
# Every block of more than a few decisions has too many rules to be searched again.
CROWDED = {"crowd": 0}


def test_a_cell_that_cannot_move_as_far_as_it_should_is_mended_as_it_is_searched() -> None:
    """One cell moves only with another that moves against it: that both stand still shows once both are hidden."""
    system = System(
        name="two sums",
        down=np.array([5.0, 5.0, 0.0]),
        up=np.array([5.0, 5.0, 0.0]),
        need_down=np.zeros(3),
        need_up=np.array([2.0, 0.0, 0.0]),
        need_width=np.zeros(3),
        need_wide=np.zeros(3),
        sums=csr_matrix(np.array([[-1.0, -1.0, 0.0], [1.0, -1.0, -1.0]])),
        orders=csr_matrix((0, 3)),
        slack=np.zeros(0),
    )
    none = np.zeros(0, dtype=np.int64)
    for rounds in (24, 0):
        limits = Limits(**{**REGISTRY.data["disclosure"]["programme"], "fresh": rounds})
        views = [View(bounded(untouched(system)), np.array([0, 1, -1]))]
        problem = Problem("two sums", np.ones(2), np.array([True, False]), np.zeros(2, dtype=bool), none, none, views)
        assert choose(problem, limits).hidden.tolist() == [True, True]


def with_programme(**changes: Any) -> Registry:
    disclosure = REGISTRY.data["disclosure"]
    programme = {**disclosure["programme"], **changes}
    return replace(REGISTRY, data={**REGISTRY.data, "disclosure": {**disclosure, "programme": programme}})


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("programme", [OFFERED, MENDED_ALONE, AT_ROOT])
def test_no_hidden_figure_can_be_solved_for(programme: dict[str, int], seed: int) -> None:
    marts = random_trust(seed)
    decided = decide(marts, with_programme(**programme), ["leaders", "public"])
    methods = {method for decision in decided.values() for method in decision.blocks["method"]}
    assert (MENDED in methods) == (programme is MENDED_ALONE)
    for decision in decided.values():
        assert breaches(marts, decision.pattern) == []
        # A part of the choices proves nothing of the least loss.
        limited = decision.blocks["method"].isin([LIMITED, MENDED])
        assert (decision.blocks.loc[limited, "bound"] == 0).all()


def test_a_crowded_block_is_mended_and_gives_nothing_away_in_any_order_of_rows() -> None:
    marts = random_trust(8)
    registry = with_programme(**CROWDED)
    turned = replace(marts, measure_value=marts.measure_value.iloc[::-1], gap=marts.gap.iloc[::-1])
    tiers = ["leaders", "public"]
    searched, mended, again = (
        decide(marts, REGISTRY, tiers),
        decide(marts, registry, tiers),
        decide(turned, registry, tiers),
    )
    assert not any(MENDED in set(decision.blocks["method"]) for decision in searched.values())
    assert any(MENDED in set(decision.blocks["method"]) for decision in mended.values())
    for tier in tiers:
        assert breaches(marts, mended[tier].pattern) == []
        pd.testing.assert_frame_equal(again[tier].pattern, mended[tier].pattern)


@pytest.mark.parametrize(("registry", "is_one"), [(REGISTRY, False), (with_programme(**OFFERED), True)])
def test_a_schools_group_is_one_decision_for_all_terms_of_a_large_problem(registry: Registry, is_one: bool) -> None:
    marts = random_trust(2)
    (stage,) = count_stages(counted_rows(marts, registry), marts, registry)
    decided = stage.cells.assign(decision=stage.decision)
    of_schools = decided[decided["level"].eq("school") & (decided["decision"] >= 0)]
    groups = of_schools.groupby(["family", "unit_code", "group_dimension", "group_value"])
    assert (groups["period"].nunique() > 1).any()
    assert (groups["decision"].nunique() == 1).all() == is_one


def test_what_is_offered_costs_hardly_more_than_the_search_of_everything() -> None:
    for seed in SEEDS:
        marts = random_trust(seed)
        whole, offered = (
            decide(marts, registry, ["leaders"])["leaders"] for registry in (REGISTRY, with_programme(**OFFERED))
        )
        assert set(whole.blocks["method"]) == {PROGRAMME}
        assert len(offered.pattern) <= 1.5 * len(whole.pattern)
