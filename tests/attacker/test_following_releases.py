"""A year decided from what its autumn hid and showed gives nothing of it away; decided by itself it does."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from quality.disclosure import Marts, decide
from quality.disclosure.pattern import Before
from tests.attacker.published import REGISTRY, attacked, published, row_keys
from tests.disclosure.trusts import YEAR, random_trust

TIERS = ["leaders", "public"]
MOVERS = 0.04
OF_AUTUMN = "AUT|W2024-3[6-9]"


def autumn(marts: Marts) -> Marts:
    """What is published at the end of the autumn term, which is the year so far."""
    values = marts.measure_value[marts.measure_value["period"].str.fullmatch(OF_AUTUMN)]
    values = pd.concat([values, values[values["period"].eq("AUT")].assign(period="YTD")], ignore_index=True)
    there = values["period"]
    return replace(
        marts,
        measure_value=values,
        gap=marts.gap[marts.gap["period"].eq("AUT")],
        periods=marts.periods[marts.periods["part"].isin(there) & marts.periods["whole"].isin(there)],
        renamed=pd.DataFrame({"academic_year": [YEAR], "period": ["AUT"], "also": ["YTD"]}),
    )


def hidden_rows(pattern: pd.DataFrame) -> dict[str, set[str]]:
    return {str(table): set(rows["row_key"]) for table, rows in pattern.groupby("table_name")}


def lasting(first: Marts, hidden: dict[str, set[str]]) -> Before:
    """Of the first release what is over by then: all but the year so far."""
    keys = row_keys(first.measure_value, "measure_value")
    over = {key for key, period in zip(keys, first.measure_value["period"], strict=True) if period != "YTD"}
    gone = over & hidden.get("measure_value", set())
    return Before(*(frozenset(("measure_value", key) for key in keys) for keys in (gone, over - gone)))


def told_by_both(seed: int, follows: bool) -> list[tuple[int, str]]:
    """What autumn and the whole year give away together, but for few joiners: decided one from the other, or alone."""
    marts = random_trust(seed, 5, MOVERS, weeks=4)
    first = autumn(marts)
    before = {tier: hidden_rows(found.pattern) for tier, found in decide(first, REGISTRY, TIERS).items()}
    start = {tier: lasting(first, hidden) for tier, hidden in before.items()}
    patterns = decide(marts, REGISTRY, TIERS, before=start if follows else None)
    leaks: list[tuple[int, str]] = []
    for tier in TIERS:
        now = published(marts, hidden_rows(patterns[tier].pattern))
        found = attacked(now, tier, published(first, before[tier]))
        leaks += [(seed, breach.sentence()) for breach in found if breach.kind != "difference"]
    return leaks


@pytest.mark.parametrize("part", range(4))
def test_what_was_hidden_stays_safe_from_whoever_kept_the_release_before(part: int, soak_factor: int) -> None:
    assert [leak for seed in range(part, 8 * soak_factor, 4) for leak in told_by_both(seed, follows=True)] == []


def test_decided_by_itself_the_second_release_gives_away_what_the_first_hid() -> None:
    leaks = told_by_both(0, follows=False)
    assert leaks
    assert all("together with the release before" in sentence for _, sentence in leaks)
