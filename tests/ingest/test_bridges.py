"""What a bridge of the registry may be, and what is said of one that may not."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ingest.bridges import check_bridges

REGISTRY: dict[str, Any] = {
    "statistical_terms": ["AUT", "SPR", "SUM1", "SUM2"],
    "bridge_start": {"step_id": "ours", "name": "Our figure", "sentence": "Everybody."},
    "measures": [
        {
            "measure_id": "absence",
            "source_model": "attendance",
            "unit": "percent",
            "numerator": "absent",
            "denominator": "possible",
        },
        {
            "measure_id": "authorised",
            "source_model": "attendance",
            "unit": "percent",
            "numerator": "authorised",
            "denominator": "possible",
        },
        {"measure_id": "score", "source_model": "attainment", "unit": "standard deviations"},
    ],
    "bridges": [
        {
            "bridge_id": "theirs",
            "name": "Theirs",
            "whose": "Somebody",
            "source": "a page",
            "measures": ["absence"],
            "steps": [
                {
                    "step_id": "ages",
                    "name": "Ages {minimum} to {maximum}",
                    "sentence": "From {minimum}.",
                    "change": {"ages": {"minimum": 5, "maximum": 15, "unknown": "stays"}},
                },
                {
                    "step_id": "few",
                    "name": "At least {minimum_possible}",
                    "sentence": "Not fewer.",
                    "change": {"minimum_possible": 20},
                },
            ],
        }
    ],
}


def with_(path: list[Any], value: Any) -> dict[str, Any]:
    """The registry with one thing of its only bridge changed."""
    registry = copy.deepcopy(REGISTRY)
    holder = registry["bridges"][0]
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return registry


def test_the_numbers_of_a_change_stand_in_its_texts() -> None:
    (bridge,) = check_bridges(REGISTRY)
    assert [(step["name"], step["sentence"]) for step in bridge["steps"]] == [
        ("Ages 5 to 15", "From 5."),
        ("At least 20", "Not fewer."),
    ]
    assert REGISTRY["bridges"][0]["steps"][0]["name"] == "Ages {minimum} to {maximum}"


CHANGE = ["steps", 0, "change"]


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (["source"], "", "lacks source"),
        (["measures"], [], "lacks measures or steps"),
        (["measures"], ["unheard_of"], "'unheard_of', which is none of attendance"),
        (["measures"], ["score"], "'score', which is none of attendance"),
        (["measures"], ["authorised"], "'authorised', which is none of attendance"),
        (["steps", 0, "sentence"], " ", "lacks sentence"),
        (["steps", 1, "step_id"], "ages", "names ages more than once"),
        (["steps", 0, "name"], "From {youngest}", "names in its text what its change does not hold"),
        (CHANGE, {}, "does not make one change"),
        (CHANGE, {"on_roll": True, "not_begun_in": "SUM2"}, "does not make one change"),
        (CHANGE, {"ever_in_year": True}, "a change that nothing can be made of"),
        (CHANGE, {"ages": {"minimum": 15, "maximum": 5, "unknown": "stays"}}, "a change that nothing"),
        (CHANGE, {"ages": {"minimum": 5, "maximum": 15, "unknown": "maybe"}}, "a change that nothing"),
        (CHANGE, {"ages": {"minimum": 5, "maximum": 15}}, "a change that nothing"),
        (CHANGE, {"terms": []}, "a change that nothing"),
        (CHANGE, {"terms": ["AUT", "HT1"]}, "a change that nothing"),
        (CHANGE, {"not_begun_in": "June"}, "a change that nothing"),
        (CHANGE, {"without": {"term": "SUM2"}}, "a change that nothing"),
        (CHANGE, {"without": {"term": "SUM2", "age": "15"}}, "a change that nothing"),
        (CHANGE, {"on_roll": "yes"}, "a change that nothing"),
        (CHANGE, {"days": {"part_missed": "none"}}, "a change that nothing"),
        (CHANGE, {"minimum_possible": 0}, "a change that nothing"),
        (CHANGE, {"record": "class"}, "a change that nothing"),
    ],
)
def test_a_bridge_that_cannot_be_drawn_is_refused_by_name(path: list[Any], value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        check_bridges(with_(path, value))
    assert "theirs" in str(refused.value)


def test_a_registry_without_bridges_says_what_it_lacks() -> None:
    lacking = {key: value for key, value in REGISTRY.items() if key != "statistical_terms"}
    with pytest.raises(ValueError, match="lacks statistical_terms"):
        check_bridges(lacking)


def test_two_bridges_have_two_names() -> None:
    registry = {**REGISTRY, "bridges": REGISTRY["bridges"] * 2}
    with pytest.raises(ValueError, match="names theirs more than once"):
        check_bridges(registry)
