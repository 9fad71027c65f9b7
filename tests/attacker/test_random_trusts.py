"""Over random trusts the real suppressor gives nothing away, in any order of rows, and bare primary hiding does."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from quality.attacker.breach import Breach
from tests.attacker.published import attacked, primary, published, suppressed, suppressed_at
from tests.disclosure.trusts import YEAR, random_trust

TRUSTS, SOAK_TRUSTS, MOST_SCHOOLS, SOAK_MOST_SCHOOLS = 50, 500, 5, 30
PARTS = 10  # each a test of its own, so that a long form that breaks off has shown what it did
MOVERS = 0.04


@pytest.mark.parametrize("part", range(PARTS))
def test_no_random_trust_gives_a_hidden_count_away(part: int, soak_factor: int) -> None:
    leaks = []
    trusts, schools = (SOAK_TRUSTS, SOAK_MOST_SCHOOLS) if soak_factor > 1 else (TRUSTS, MOST_SCHOOLS)
    for seed in range(part, trusts, PARTS):
        marts = random_trust(seed, schools, MOVERS)
        for tier, hidden in suppressed_at(marts, ["public", "leaders"]).items():
            leaks += [(seed, breach.sentence()) for breach in attacked(published(marts, hidden), tier)]
    assert leaks == []


def test_counts_that_repeat_are_not_taken_for_rounded() -> None:
    """Two schools, each an authority of its own: the few counts that are shown stand there twice, and all end in 5."""
    marts = random_trust(202, SOAK_MOST_SCHOOLS, MOVERS)
    assert [b.sentence() for b in attacked(published(marts, suppressed(marts, "leaders")), "leaders")] == []


def hidden_but_for(*periods: str) -> list[Breach]:
    """What is found out where the rows of some periods that are to be hidden are shown."""
    marts = random_trust(7, 5, MOVERS, weeks=4, half_terms=True)
    hidden = suppressed(marts)
    shown = {key for key in hidden["measure_value"] if key.split("|")[1] in periods}
    assert shown
    return attacked(published(marts, {**hidden, "measure_value": hidden["measure_value"] - shown}))


def test_a_trust_with_half_terms_gives_no_hidden_count_away() -> None:
    marts = random_trust(7, 5, MOVERS, weeks=4, half_terms=True)
    for tier in ("public", "leaders"):
        assert [breach.sentence() for breach in attacked(published(marts, suppressed(marts, tier)), tier)] == []


@pytest.mark.parametrize(
    ("periods", "identity"),
    [(["Y6"], "two names of one period"), (["HT1", "HT2"], "the half-terms of 2024/25 add up to AUT")],
)
def test_periods_that_are_not_hidden_with_the_others_are_found_out(periods: list[str], identity: str) -> None:
    said = {line for breach in hidden_but_for(*periods) for line in breach.identities}
    assert any(identity in line for line in said), said


def test_until_more_is_told_the_year_so_far_is_the_term() -> None:
    """In autumn nothing else is told: what is hidden of the term and shown of the year so far is found out."""
    marts = random_trust(7, 5, MOVERS, weeks=4, half_terms=True)
    values = marts.measure_value[marts.measure_value["period"].isin(["AUT", "HT1", "HT2"])]
    values = pd.concat([values, values[values["period"].eq("AUT")].assign(period="YTD")], ignore_index=True)
    so_far = replace(
        marts,
        measure_value=values,
        gap=marts.gap[marts.gap["period"].eq("AUT")],
        periods=marts.periods[
            marts.periods["part"].isin(values["period"]) & marts.periods["whole"].isin(values["period"])
        ],
        renamed=pd.DataFrame({"academic_year": [YEAR], "period": ["AUT"], "also": ["YTD"]}),
    )
    hidden = suppressed(so_far)
    assert [breach.sentence() for breach in attacked(published(so_far, hidden))] == []
    shown = {key for key in hidden["measure_value"] if key.split("|")[1] == "YTD"}
    found = attacked(published(so_far, {**hidden, "measure_value": hidden["measure_value"] - shown}))
    assert any("two names of one period" in line for breach in found for line in breach.identities)


def test_primary_hiding_alone_is_found_out_in_random_trusts(soak_factor: int) -> None:
    found_out = 0
    for seed in range(10, 10 + 4 * soak_factor):
        marts = random_trust(seed)
        found_out += bool(attacked(published(marts, primary(marts))))
    assert found_out >= 2 * soak_factor


def test_the_order_of_rows_changes_nothing() -> None:
    marts = random_trust(10)
    tables = published(marts, primary(marts))
    turned = {name: frame.iloc[::-1].reset_index(drop=True) for name, frame in tables.items()}
    assert {(b.row_key, b.quantity, b.low, b.high) for b in attacked(tables)} == {
        (b.row_key, b.quantity, b.low, b.high) for b in attacked(turned)
    }
