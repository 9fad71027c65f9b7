"""One place has one name, and a trust or an authority is never taken for another."""

from __future__ import annotations

import pandas as pd

from dashboard.places import Places

PLACES = Places(
    pd.DataFrame(
        [
            ("1", "100001", "Elm", "T1", "First Trust", "850", "Hampshire"),
            ("2", "100002", "Ash", "T1", "First Trust", "851", "Portsmouth"),
            ("3", "100003", "Oak", "T2", None, "851", "Portsmouth"),
            ("4", "100004", "Fir", None, None, None, None),
        ],
        columns=["school_key", "urn", "school_name", "trust_code", "trust_name", "la_code", "la_name"],
    )
)


def test_a_place_is_named_by_its_level_and_a_code_without_a_name_stands() -> None:
    named = [("trust", "T1"), ("trust", "T2"), ("la", "850"), ("la", "999"), ("school", "100003"), ("school", "3")]
    assert [PLACES.name(level, code) for level, code in named] == [
        *("All schools of First Trust", "All schools of trust T2", "Schools in Hampshire"),
        *("Schools in local authority 999", "Oak", "Oak"),
    ]
    assert PLACES.name("school", "100009") == "100009"


def test_two_trusts_of_one_release_have_their_own_schools() -> None:
    assert PLACES.schools_of("trust", "T1") == {"100001", "100002"}
    assert PLACES.schools_of("trust", "T2") == {"100003"}
    assert PLACES.schools_of("la", "851") == {"100002", "100003"}


def test_the_whole_stands_before_its_parts_and_parts_by_name() -> None:
    units = {("school", "100001"), ("school", "100002"), ("la", "851"), ("la", "850"), ("trust", "T1")}
    assert [code for _, code in PLACES.in_order(units)] == ["T1", "850", "851", "100002", "100001"]
