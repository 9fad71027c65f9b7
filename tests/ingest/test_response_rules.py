"""A registry whose rules of early response cannot be meant is refused, with the rule and what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest.registry import read_registry
from ingest.responses import response_faults

FOLDER = Path(__file__).parents[2] / "dbt_project" / "registry"
DATA: dict[str, Any] = yaml.safe_load((FOLDER / "responses.yml").read_text(encoding="utf-8"))
BROKEN: dict[str, Callable[[dict[str, Any]], object]] = {
    "absence_reasons is not there": lambda data: data.pop("absence_reasons"),
    "responses.backtest is not there": lambda data: data["responses"].pop("backtest"),
    "reason of absence illness stands twice": lambda data: data["absence_reasons"].append(
        {"reason": "illness", "name": "Again", "codes": []}
    ),
    "register code M stands twice": lambda data: data["absence_reasons"][0]["codes"].append("M"),
    "reasons_never_counted names the reason faith": lambda data: data["responses"]["reasons_never_counted"].append(
        "faith"
    ),
    "pupils_in_queue_per_school_and_day is no number from 1": lambda data: data["responses"].update(
        pupils_in_queue_per_school_and_day=0
    ),
    "action_answers_within_school_days is no number from 1": lambda data: data["responses"].update(
        action_answers_within_school_days=0
    ),
    "responses.rules is empty": lambda data: data["responses"]["rules"].clear(),
    "rule third_spell stands twice": lambda data: data["responses"]["rules"].append(rule(data, "third_spell")),
    "rule last_term_below stands twice": lambda data: rule(data, "third_spell").update(rule_id="last_term_below"),
    "rule third_spell looks at 'mood'": lambda data: rule(data, "third_spell").update(looks_at="mood"),
    "rule third_spell lacks within_school_days": lambda data: rule(data, "third_spell").pop("within_school_days"),
    "rule third_spell lacks source": lambda data: rule(data, "third_spell").pop("source"),
    "rule third_spell has of_last, which no rule of spells reads": lambda data: rule(data, "third_spell").update(
        of_last=9
    ),
    "rule third_spell has count 0": lambda data: rule(data, "third_spell").update(count=0),
    "rule third_spell has count 2.5": lambda data: rule(data, "third_spell").update(count=2.5),
    "rule recent_rate has below_percent True": lambda data: rule(data, "recent_rate").update(below_percent=True),
    "rule third_spell names the reason flu": lambda data: rule(data, "third_spell")["reasons"].append("flu"),
    "rule third_spell counts religious_observance, which stands for a characteristic protected in law": (
        lambda data: rule(data, "third_spell")["reasons"].append("religious_observance")
    ),
}


def rule(data: dict[str, Any], rule_id: str) -> dict[str, Any]:
    found: dict[str, Any] = next(rule for rule in data["responses"]["rules"] if rule["rule_id"] == rule_id)
    return found


def test_the_rules_that_ship_can_be_meant() -> None:
    assert list(response_faults(DATA)) == []


@pytest.mark.parametrize("sentence", sorted(BROKEN))
def test_a_rule_that_cannot_be_meant_is_named(sentence: str) -> None:
    data = deepcopy(DATA)
    BROKEN[sentence](data)
    (fault,) = response_faults(data)
    assert fault.startswith(sentence)
    assert fault.endswith(".")


def test_a_registry_with_such_a_rule_is_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "registry"
    shutil.copytree(FOLDER, folder)
    data = deepcopy(DATA)
    rule(data, "third_spell").pop("count")
    (folder / "responses.yml").write_text(yaml.safe_dump(data), encoding="utf-8")
    with pytest.raises(ValueError, match=r"responses\.yml: rule third_spell lacks count; add it"):
        read_registry(folder)
