"""The attack in the gate and on the command line: what refuses, what warns, and that neither tells what is hidden."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import highspy
import pandas as pd
import pytest

from ingest.registry import load_registry
from ingest.settings import Settings, load_settings
from quality.attacker.__main__ import main
from quality.attacker.verdict import attack_results
from tests.attacker.made_up import trust_of
from tests.attacker.published import Tables, attacked, published
from tests.attacker.test_planted_faults import TRUSTS, nothing_beside, real, trust

NAME = "one small group"


def release(folder: Path, tables: Tables) -> Path:
    """A release with nothing but the two folders that an attack reads."""
    for tier in ("public", "leaders"):
        (folder / tier).mkdir(parents=True)
        for name, frame in tables.items():
            frame.to_parquet(folder / tier / f"{name}.parquet")
    return folder


def home_with(folder: Path, tables: Tables) -> Settings:
    """A home whose warehouse holds nothing but the exports."""
    settings = load_settings(folder, memory_limit="500MB", threads=1)
    settings.warehouse_path.parent.mkdir(parents=True)
    with duckdb.connect(str(settings.warehouse_path)) as connection:
        for tier in ("public", "leaders"):
            connection.execute(f"create schema exports_{tier}")
            for name, frame in tables.items():
                connection.register("rows_given", frame)
                connection.execute(f"create table exports_{tier}.{name} as from rows_given")
                connection.unregister("rows_given")
    return settings


def test_the_gate_names_a_cell_and_its_identity_but_not_what_it_comes_to(tmp_path: Path) -> None:
    settings = home_with(tmp_path / "home", nothing_beside(NAME))
    results = attack_results(settings, load_registry(settings), tmp_path / "quality")
    failed = [result for result in results if not result.success]
    assert {result.rule_id for result in failed} == {"DA-001"}
    sentence = failed[0].sentence
    assert "add up" in sentence
    assert "(4" not in sentence
    written = tmp_path / "quality" / "breaches.json"
    assert written.stat().st_mode & 0o077 == 0
    assert any(breach["low"] == breach["high"] == 4 for breach in json.loads(written.read_text(encoding="utf-8")))


def test_the_gate_passes_what_gives_nothing_away(tmp_path: Path) -> None:
    settings = home_with(tmp_path / "home", published(trust(NAME), real(NAME)))
    results = attack_results(settings, load_registry(settings), tmp_path / "quality")
    assert [result.success for result in results] == [True, True]


def test_the_command_line_ends_with_3_and_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leaking = release(tmp_path / "leaking", nothing_beside(NAME))
    assert main(["--release", str(leaking), "--tier", "public", "--json"]) == 3
    breaches = json.loads(capsys.readouterr().out)
    assert {"tier", "table", "row_key", "low", "high", "identities"} <= set(breaches[0])
    safe = release(tmp_path / "safe", published(trust(NAME), real(NAME)))
    assert main(["--release", str(safe), "--parent", str(safe), "--tier", "public"]) == 0
    assert "0 breaches" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--tier", "pubic"], ["--tier", "leaders", "--parent", "nowhere"]])
def test_an_attack_that_cannot_be_made_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    folder = release(tmp_path / "release", published(trust(NAME), real(NAME)))
    assert main(["--release", str(folder), *arguments]) == 1
    assert capsys.readouterr().err.startswith("The attack could not be made: ")


def test_totals_that_contradict_their_parts_are_named(tmp_path: Path) -> None:
    tables = published(trust_of(TRUSTS[NAME]), {})
    values: pd.DataFrame = tables["measure_value"]
    total = values["level"].eq("trust") & values["group_dimension"].eq("all") & values["period"].eq("AUT")
    tables["measure_value"] = values.assign(denominator=values["denominator"].where(~total, values["denominator"] + 7))
    folder = release(tmp_path / "release", tables)
    assert main(["--release", str(folder), "--tier", "public"]) == 3


def test_a_system_that_presolving_cannot_manage_is_solved_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """HiGHS ended a small trust's attack with a status that SciPy does not know, which broke the gate."""
    tables = published(trust(NAME), real(NAME))
    asked: list[str] = []
    status_of = highspy.Highs.getModelStatus

    def lost_in_presolve(highs: highspy.Highs) -> highspy.HighsModelStatus:
        asked.append(str(highs.getOptionValue("presolve")[1]))
        return status_of(highs) if asked[-1] == "off" else highspy.HighsModelStatus.kUnknown

    monkeypatch.setattr(highspy.Highs, "getModelStatus", lost_in_presolve)
    assert attacked(tables) == []
    assert asked[:3] == ["on", "on", "off"]
