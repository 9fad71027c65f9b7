"""No model, macro or test of the project holds a number that the registry decides."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ingest.registry import read_registry
from tests.dbt.conftest import PROJECT

COMPARED_NUMBER = re.compile(r"(?:>=|<=|>|<|=|between)\s*(-?\d+(?:\.\d+)?)(?![\w.\-])")
PLAIN = {"0", "1", "2"}


def thresholds_in(sql: str) -> set[str]:
    """Numbers with which an SQL text compares something, but 0, 1 and 2 (counts that an estimator needs)."""
    bare = re.sub(r"\{#.*?#\}|--[^\n]*|'[^']*'", " ", sql, flags=re.DOTALL)
    return {number for number in COMPARED_NUMBER.findall(bare) if number not in PLAIN}


@pytest.mark.parametrize("path", sorted((PROJECT / "models").rglob("*.sql")), ids=lambda path: path.stem)
def test_no_model_compares_with_a_threshold_of_its_own(path: Path) -> None:
    assert thresholds_in(path.read_text(encoding="utf-8")) == set()


def test_the_search_finds_a_planted_threshold() -> None:
    assert thresholds_in("select absent * 10 >= 0.1 * possible, n < 10 -- n < 7") == {"0.1", "10"}


def test_every_boundary_stands_in_the_registry() -> None:
    boundaries = {
        m["flag"]: m["boundary"]["percent"] for m in read_registry(PROJECT / "registry").measures if "flag" in m
    }
    assert boundaries == {"is_persistent_absent": 10, "is_severely_absent": 50}
