"""A release's identity follows from its inputs and from nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from orchestration.fingerprint import RunInput, hash_sources, read_run_input

INPUT = RunInput((("d1", "p1", "2026-01-01", False),), date(2026, 7, 31), "key", "code", "registry")


def test_the_release_id_is_the_day_and_the_start_of_the_fingerprint() -> None:
    assert INPUT.release_id == f"2026-07-31-{INPUT.fingerprint[:12]}"


def test_an_input_noted_down_is_the_same_input() -> None:
    assert read_run_input(INPUT.to_json()) == INPUT


@pytest.mark.parametrize(
    "change",
    [
        {"deliveries": ()},
        {"deliveries": (("d1", "p2", "2026-01-01", False),)},
        {"deliveries": (("d1", "p1", "2026-01-02", False),)},
        {"deliveries": (("d1", "p1", "2026-01-01", True),)},
        {"as_of": date(2026, 8, 1)},
        {"key_id": "other"},
        {"code_fingerprint": "other"},
        {"registry_fingerprint": "other"},
    ],
)
def test_every_input_counts(change: dict[str, object]) -> None:
    assert replace(INPUT, **change).fingerprint != INPUT.fingerprint  # type: ignore[arg-type]  # one field at a time


def test_sources_count_by_name_and_content_and_what_was_built_does_not(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    (project / "models" / "a.sql").write_text("select 1")
    first = hash_sources([project])
    (project / "target").mkdir()
    (project / "target" / "manifest.yml").write_text("built")
    (project / "notes.log").write_text("noise")
    assert hash_sources([project]) == first
    (project / "models" / "a.sql").write_text("select 2")
    second = hash_sources([project])
    (project / "models" / "a.sql").rename(project / "models" / "b.sql")
    assert len({first, second, hash_sources([project])}) == 3


def test_the_same_sources_elsewhere_have_the_same_fingerprint(tmp_path: Path) -> None:
    for place in ("one", "two"):
        (tmp_path / place / "project").mkdir(parents=True)
        (tmp_path / place / "project" / "a.sql").write_text("select 1")
    assert hash_sources([tmp_path / "one" / "project"]) == hash_sources([tmp_path / "two" / "project"])
