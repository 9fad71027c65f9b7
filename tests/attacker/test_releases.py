"""Two releases side by side: what was shown before and is hidden now, and the one pupil who joined between them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from quality.attacker.pair import Together, attack_pair, years_that_differ
from quality.attacker.release import prepare
from tests.attacker.made_up import Group, trust_of
from tests.attacker.published import REGISTRY, Tables, attacked, published, row_keys, suppressed
from tests.attacker.test_planted_faults import TRUSTS, real, trust

NAME = "one small group"


def test_the_same_release_twice_tells_nothing_new() -> None:
    tables = published(trust(NAME), real(NAME))
    assert attacked(tables, parent=tables) == []


def test_what_protects_a_small_group_now_was_shown_before() -> None:
    """The cells that cover the small ones were shown in the release before: subtraction works across the two."""
    marts = trust(NAME)
    values = marts.measure_value
    before = {table: set(rows) for table, rows in real(NAME).items()}
    large = set(row_keys(values, "measure_value")[values["n"] >= 10])
    shares = ("persistent_absence_rate", "severe_absence_rate")
    before["measure_value"] = {
        key for key in before["measure_value"] if key not in large or key.split("|")[4] in shares
    }
    found = attacked(published(marts, real(NAME)), parent=published(marts, before))
    assert {breach.kind for breach in found} == {"between_releases"}
    assert any("nothing changed for everybody there" in said for breach in found for said in breach.identities)
    assert {breach.identities[0] for breach in found} >= {"hidden now"}


def joined(extra: Group) -> list[Group]:
    return [*TRUSTS[NAME], extra]


@pytest.mark.parametrize("n", [1, 9])
def test_a_few_joiners_are_the_difference_of_two_shown_counts(n: int) -> None:
    """Late scores of a few pupils: the two shown sums differ by exactly theirs."""
    late = trust_of(joined(Group("100003", "N", "M", n)))
    found = attacked(published(late, suppressed(late)), parent=published(trust(NAME), real(NAME)))
    moved = [breach for breach in found if breach.kind == "difference"]
    assert {breach.low for breach in moved} == {float(n)}
    assert any("|mean_score_reading|" in breach.row_key and "|100003|" in breach.row_key for breach in moved)


def test_as_many_joiners_as_may_be_shown_are_no_difference() -> None:
    late = trust_of(joined(Group("100003", "N", "M", 10)))
    found = attacked(published(late, suppressed(late)), parent=published(trust(NAME), real(NAME)))
    assert [breach for breach in found if breach.kind == "difference" and np.isfinite(breach.low or 0)] == []


def with_a_closed_year(tables: dict[str, pd.DataFrame], closed: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables and, as the year of 2001, those of another release, its rows in its order."""
    return {
        name: pd.concat([frame, closed[name].assign(academic_year="2001/02")], ignore_index=True)
        if "academic_year" in frame
        else frame
        for name, frame in tables.items()
    }


def together(tables: Tables, parent: Tables) -> Together:
    prepared = prepare(tables, REGISTRY, "public")
    assert prepared is not None
    return attack_pair(tables, prepared, parent, REGISTRY, "public")


def test_a_year_that_both_releases_show_alike_is_not_attacked_twice() -> None:
    marts = trust(NAME)
    before = {table: set(rows) for table, rows in real(NAME).items()}
    large = set(row_keys(marts.measure_value, "measure_value")[marts.measure_value["n"] >= 10])
    before["measure_value"] -= {key for key in large if key.split("|")[4].startswith("attendance")}
    now, parent = published(marts, real(NAME)), published(marts, before)
    assert years_that_differ(now, parent) == set(marts.measure_value["academic_year"])
    turned = {name: frame.iloc[::-1] for name, frame in now.items()}
    longer = with_a_closed_year(now, now), with_a_closed_year(parent, turned)
    assert years_that_differ(*longer) == years_that_differ(now, parent)
    assert together(*longer) == together(now, parent)
    assert together(now, parent).given_away


def test_schools_that_are_not_the_same_make_every_year_another() -> None:
    """Who belongs to a trust says what its sums are of."""
    tables = published(trust(NAME), real(NAME))
    years = set(trust(NAME).measure_value["academic_year"])
    schools = pd.DataFrame({"urn": ["1", "2"], "trust_code": ["T", "T"]})
    now = tables | {"dim_school": schools}
    assert years_that_differ(now, tables | {"dim_school": schools.iloc[::-1]}) == set()
    assert years_that_differ(now, tables | {"dim_school": schools.assign(trust_code=["T", "U"])}) == years
