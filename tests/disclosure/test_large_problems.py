"""What a large problem does otherwise (few choices offered, terms tied, cover mended) gives nothing away either."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ingest.registry import Registry
from quality.disclosure import decide
from quality.disclosure.cells import counted_rows
from quality.disclosure.problems import count_stages
from quality.disclosure.secondary import LIMITED, MENDED, PROGRAMME
from tests.disclosure.test_disclosure import REGISTRY
from tests.disclosure.trusts import breaches, random_trust

SEEDS = (2, 3, 8)
# Every problem is large; of the second none is searched at all, and what is hidden is the cheapest moves alone.
OFFERED, MENDED_ALONE = {"choices": 0}, {"choices": 0, "rounds": 0}


def with_programme(**changes: Any) -> Registry:
    disclosure = REGISTRY.data["disclosure"]
    programme = {**disclosure["programme"], **changes}
    return replace(REGISTRY, data={**REGISTRY.data, "disclosure": {**disclosure, "programme": programme}})


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("programme", [OFFERED, MENDED_ALONE])
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
