"""The rows of disclosure control are read from what a run says of itself, and hold back what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.chain import hold_back
from benchmarks.disclosure import closing, growth
from benchmarks.measure import Measurement
from benchmarks.report import Row, in_a_line
from orchestration import progress


def said(capsys: pytest.CaptureFixture[str], *, with_attack: bool) -> Measurement:
    """What a run prints: the steps by the same code, the seconds put in place of those it took here."""
    with progress.shown():
        with progress.step("disclosure"):
            progress.say("disclosure: 3 problems stood as they were decided before, 1 were solved")
        with progress.step("gate"):
            pass
        if with_attack:
            progress.say("gate, attack: 2.5 s")
    printed = capsys.readouterr().err.replace("disclosure: 0.0 s", "disclosure: 1.5 s")
    return Measurement(60.0, 10**9, printed.replace("gate: 0.0 s", "gate: 12.5 s"))


def test_a_week_that_closes_is_held_against_the_rest_of_its_gate(capsys: pytest.CaptureFixture[str]) -> None:
    row = closing(said(capsys, with_attack=True), "demo trust")
    assert (row.measured, row.yardstick_measured, row.ratio, row.is_met) == (4.0, 10.0, 0.4, True)
    assert "1 problems solved again, 3 stood" in row.note
    assert in_a_line(row).startswith("measured: a closing week decided and attacked, demo trust: 4.000 s, 0.400 of ")


def test_a_run_that_does_not_say_how_long_its_attack_took_gives_no_row(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(LookupError, match="gate, attack"):
        closing(said(capsys, with_attack=False), "demo trust")


def test_growth_is_told_from_each_size_to_the_next() -> None:
    first, second = growth({90: 27.0, 10: 1.0, 30: 3.0})
    assert (first.measured, first.yardstick_measured, second.measured) == (3.0, 1.0, 27.0)
    assert "to the power 1.00" in first.note
    assert "to the power 2.00" in second.note


def test_a_figure_without_a_target_is_neither_met_nor_missed_but_for_its_memory() -> None:
    row = Row("what", 2.0, "that", 1.0, None)
    assert not row.is_target
    assert not Row("what", 2.0, "that", 1.0, None, peak_bytes=3, peak_at_most_bytes=2).is_met
    assert "at most" not in in_a_line(row)
    assert "7 rows, 0.700 of 10 rows of that (at most 1)" in in_a_line(Row("what", 7, "that", 10, 1.0, unit="rows"))


def test_a_week_is_held_back_with_its_first_night_apart_and_all_that_came_later(tmp_path: Path) -> None:
    landing, aside = tmp_path / "landing", tmp_path / "aside"
    registers = landing / "session_marks" / "8502500"
    registers.mkdir(parents=True)
    names = {
        "before": [
            "register_2026-07-06_2026-07-10_20260710T190000.csv",
            "register_2026-07-10_2026-07-10_20260710T183000.csv",
        ],
        "night": ["register_2026-07-13_2026-07-13_20260713T183000.csv"],
        "week": [
            "register_2026-07-14_2026-07-14_20260714T183000.csv",
            "register_2026-07-17_2026-07-17_20260717T183000.csv",
            "register_2026-07-13_2026-07-17_20260717T190000.csv",
        ],
        "later": ["register_corrections_2026-07-13_2026-07-17_20260724T200000.csv"],
    }
    for name in (name for group in names.values() for name in group):
        (registers / name).touch()
    held = hold_back(landing, aside)
    assert sorted(path.name for path in registers.iterdir()) == sorted(names["before"])
    assert [belongs.name for _, belongs in held.night] == names["night"]
    assert sorted(belongs.name for _, belongs in held.rest_of_week) == sorted(names["week"])
    assert all(lies.is_file() and not belongs.exists() for lies, belongs in (*held.night, *held.rest_of_week))


def test_a_landing_folder_without_nights_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="no date in the landing folder"):
        hold_back(tmp_path, tmp_path / "aside")
