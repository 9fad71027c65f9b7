"""Bridges of the registry: the same records under other people's definitions, one change of definition a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_BRIDGE_TEXTS = ("bridge_id", "name", "whose", "source")
_STEP_TEXTS = ("step_id", "name", "sentence")
# The models keep these counts of a stay's sessions by term; a measure of others has no bridge.
_COUNTED = frozenset({"attended", "absent", "possible"})
_RECORDS = ("unit_pupil", "year_pupil")


def check_bridges(registry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The bridges with every number written into the texts beside it.

    Parameters: `registry`, all registry files merged: `bridges` as its file writes them, `bridge_start`,
    `statistical_terms` and `measures`.
    Raises: `ValueError` naming the bridge, its step and what is wrong with it.
    """
    lacking = sorted({"bridges", "bridge_start", "statistical_terms"} - set(registry))
    if lacking:
        raise ValueError(f"Registry file bridges.yml lacks {', '.join(lacking)}; write it down.")
    terms = frozenset(registry["statistical_terms"])
    measures = {measure["measure_id"]: measure for measure in registry["measures"]}
    _demand_texts("The start of every bridge", registry["bridge_start"], _STEP_TEXTS)
    bridges = [_checked_bridge(bridge, terms, measures) for bridge in registry["bridges"]]
    _demand_once("bridges.yml", [bridge["bridge_id"] for bridge in bridges])
    return bridges


def _checked_bridge(
    bridge: Mapping[str, Any], terms: frozenset[str], measures: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    name = f"Bridge '{bridge.get('bridge_id')}'"
    _demand_texts(name, bridge, _BRIDGE_TEXTS)
    if not bridge.get("measures") or not bridge.get("steps"):
        raise ValueError(f"{name} of bridges.yml lacks measures or steps; name at least one of each.")
    for measure_id in bridge["measures"]:
        if not _can_be_bridged(measures.get(measure_id, {})):
            raise ValueError(
                f"{name} of bridges.yml has the measure '{measure_id}', which is none of attendance or is made of "
                f"other counts than {', '.join(sorted(_COUNTED))}; take it out."
            )
    steps = [_checked_step(f"{name}, step '{step.get('step_id')}'", step, terms) for step in bridge["steps"]]
    _demand_once(name, [step["step_id"] for step in steps])
    return {**bridge, "steps": steps}


def _can_be_bridged(measure: Mapping[str, Any]) -> bool:
    made_of = measure.get("boundary", measure)
    counts = {made_of.get("numerator"), made_of.get("denominator")}
    return measure.get("source_model") == "attendance" and measure.get("unit") == "percent" and counts <= _COUNTED


def _checked_step(name: str, step: Mapping[str, Any], terms: frozenset[str]) -> dict[str, Any]:
    _demand_texts(name, step, _STEP_TEXTS)
    change = step.get("change")
    if not isinstance(change, Mapping) or len(change) != 1:
        raise ValueError(f"{name} of bridges.yml does not make one change; a step makes exactly one.")
    ((kind, value),) = change.items()
    is_right = _CHANGES.get(kind)
    if is_right is None or not is_right(value, terms):
        raise ValueError(
            f"{name} of bridges.yml has a change that nothing can be made of ('{kind}: {value}'); the head of the "
            "file says what a change may be."
        )
    numbers = value if isinstance(value, Mapping) else {kind: value}
    try:
        texts = {text: str(step[text]).format_map(numbers) for text in ("name", "sentence")}
    except (KeyError, ValueError, IndexError) as error:
        raise ValueError(
            f"{name} of bridges.yml names in its text what its change does not hold ({error}); write a name of the "
            "change in braces."
        ) from error
    return {**step, **texts}


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_ages(value: Any, _: frozenset[str]) -> bool:
    if not isinstance(value, Mapping) or set(value) != {"minimum", "maximum", "unknown"}:
        return False
    ages = (value["minimum"], value["maximum"])
    return all(map(_is_whole, ages)) and ages[0] <= ages[1] and value["unknown"] in ("stays", "leaves")


def _is_term_of_an_age(value: Any, terms: frozenset[str]) -> bool:
    if not isinstance(value, Mapping) or set(value) != {"term", "age"}:
        return False
    return value["term"] in terms and _is_whole(value["age"])


_CHANGES: dict[str, Callable[[Any, frozenset[str]], bool]] = {
    "ages": _are_ages,
    "terms": lambda value, terms: isinstance(value, list) and bool(value) and set(value) <= terms,
    "not_begun_in": lambda value, terms: value in terms,
    "without": _is_term_of_an_age,
    "on_roll": lambda value, _: value is True,
    "days": lambda value, _: value in ({"part_missed": "half"}, {"part_missed": "attended"}),
    "minimum_possible": lambda value, _: _is_whole(value) and value > 0,
    "record": lambda value, _: value in _RECORDS,
}


def _demand_texts(name: str, holder: Mapping[str, Any], texts: tuple[str, ...]) -> None:
    lacking = [text for text in texts if not str(holder.get(text) or "").strip()]
    if lacking:
        raise ValueError(f"{name} of bridges.yml lacks {', '.join(lacking)}; write it down.")


def _demand_once(name: str, ids: list[str]) -> None:
    twice = sorted({one for one in ids if ids.count(one) > 1})
    if twice:
        raise ValueError(f"{name} names {', '.join(twice)} more than once; an id stands once.")
