"""What one attack found to give nothing away the next does not solve again, and nothing else is taken for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from ingest.registry import load_registry
from quality.attacker import solver
from quality.attacker.breach import Rule
from quality.attacker.solver import Ranges, solve
from quality.attacker.sound import SoundParts, read_sound, write_sound
from quality.attacker.system import System
from quality.attacker.verdict import attack_results
from tests.attacker.published import published
from tests.attacker.test_planted_faults import nothing_beside, real, trust
from tests.attacker.test_verdict import NAME, home_with


def ranges(total: float, limit: float, sound: SoundParts) -> Ranges:
    """Of two groups of pupils in each of two schools, where every total is the same."""
    system = System(np.ones(4), np.full(4, np.inf), str)
    row = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    of = np.array([0, 1, 2, 3, 0, 2, 1, 3])
    system.add("sum", row, of, np.ones(8), total, total)
    return solve(system, np.ones(4, dtype=bool), Rule(np.full(4, limit), np.zeros(4, dtype=bool)), sound)


def test_a_sound_part_is_solved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = SoundParts()
    assert ranges(40.0, 6.0, first).why == {}
    assert len(first.used) == 1
    second = SoundParts(first.used)
    with monkeypatch.context() as patch:
        patch.delattr(solver, "_Programme")
        assert ranges(40.0, 6.0, second).why == {}
    assert second.used == first.used


@pytest.mark.parametrize(("total", "limit"), [(41.0, 6.0), (40.0, 10.0)])
def test_other_figures_and_another_rule_are_another_part(total: float, limit: float) -> None:
    first = SoundParts()
    ranges(40.0, 6.0, first)
    second = SoundParts(first.used)
    ranges(total, limit, second)
    assert not second.used & first.used


def test_a_part_that_gives_something_away_is_not_sound() -> None:
    sound = SoundParts()
    found = ranges(5.0, 6.0, sound)
    assert len(found.why) == 4
    assert sound.used == set()


def test_a_leaking_release_is_refused_however_often_it_is_attacked(tmp_path: Path) -> None:
    home = home_with(tmp_path / "home", nothing_beside(NAME))
    for _ in range(2):
        results = attack_results(home, load_registry(home), tmp_path / "quality")
        assert not all(result.success for result in results)


def test_a_release_that_gives_nothing_away_is_not_solved_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = home_with(tmp_path / "home", published(trust(NAME), real(NAME)))
    attack_results(home, load_registry(home), tmp_path / "quality")
    assert json.loads((home.state_dir / "sound_parts.json").read_text(encoding="utf-8"))
    monkeypatch.delattr(solver, "_Programme")
    assert all(result.success for result in attack_results(home, load_registry(home), tmp_path / "quality"))


def test_what_was_not_met_again_is_forgotten_and_what_cannot_be_read_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sound.json"
    assert not read_sound(path).has("a")
    sound = SoundParts(["a", "b"])
    assert sound.has("a")
    assert not sound.has("c")
    sound.add("c")
    write_sound(path, sound)
    kept = read_sound(path)
    assert [kept.has(key) for key in "abc"] == [True, False, True]
    path.write_text('["a"', encoding="utf-8")
    assert not read_sound(path).has("a")


def test_a_question_that_ran_out_of_time_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole numbers narrow a range of 1.5 to 4.5; where there is no time to see it nothing is noted."""
    monkeypatch.setattr(solver, "_SECONDS_PER_PROGRAMME", 0.0)
    programme = solver._Programme(
        csr_matrix(np.array([[2.0, 2.0]])), np.array([9.0]), np.array([9.0]), np.ones(2), np.full(2, 8.0)
    )
    assert programme.is_certain
    programme._in_whole_numbers(0, 1.0, 4.0)
    assert not programme.is_certain
