"""The comparison of ways to hide counts what each really hides."""

from __future__ import annotations

from quality.disclosure import decide_pattern
from quality.disclosure.compare import compare
from tests.disclosure.test_disclosure import REGISTRY
from tests.disclosure.trusts import random_trust


def test_the_programme_loses_no_more_than_the_greedy_method_and_less_than_hiding_whole_rows() -> None:
    marts = random_trust(3)
    found = compare(marts, REGISTRY, ["leaders"], with_greedy=True).set_index("method")
    pattern = decide_pattern(marts, REGISTRY, "leaders")
    hidden = pattern[pattern["table_name"].ne("gap")]
    programme = found.loc["integer programme"]
    assert programme["hidden"] == len(hidden) == programme["primary"] + programme["secondary"]
    assert programme["primary"] == hidden["reason"].eq("primary").sum() == found.loc["plain greedy", "primary"]
    assert programme["secondary"] > 0
    assert programme["weight"] <= found.loc["plain greedy", "weight"]
    assert found.loc["whole rows", "hidden"] > programme["hidden"]
