"""Every planted fault is found by ingest, under the rule it was planted for, as often as it was planted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from ingest.catalogue import write_catalogue
from ingest.contracts import load_contract
from ingest.lake import Lake
from ingest.pipeline import ingest_all
from ingest.settings import Settings, load_settings
from ingest.synth.config import PlantedFault, SynthConfig
from ingest.synth.faults import FAULTS, plant
from ingest.synth.trust import write_trust

SMALL = SynthConfig(schools=4, pupils=400, years=1, seed=5)
NATURAL = {"PU-004", "SM-009"}
"""Rules that a sound trust meets too: temporary UPNs, marks that nobody entered."""


@dataclass(frozen=True)
class Taken:
    """What ingest made of a trust with every fault: rows by rule, and refusal sentences, both by path."""

    settings: Settings
    planted: dict[str, PlantedFault]
    rules: dict[str, dict[str, int]]
    refused: dict[str, str]


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Taken:
    home = tmp_path_factory.mktemp("home")
    settings = load_settings(home, ingest_workers=1)
    report = write_trust(settings.landing_dir, SynthConfig(**{**vars(SMALL), "faults": ("all",)}))
    reports = ingest_all(settings)
    refused = {one.path: one.sentence for feed in reports.values() for one in feed.refused}
    paths = {(path.parts[-3], path.parts[-2], path.name): path for path in settings.landing_dir.rglob("*/*/*.csv")}
    rules: dict[str, dict[str, int]] = {}
    for parse in Lake(settings).parses():
        manifest = parse.manifest
        key = (manifest["feed"], str(manifest["laestab"]), manifest["file_name"])
        if key in paths:
            relative = paths[key].relative_to(settings.landing_dir).as_posix()
            rules[relative] = {rule: found["n_rows"] for rule, found in manifest["rules"].items()}
    return Taken(settings, {one.name: one for one in report.faults}, rules, refused)


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.kind in ("quarantine", "flag")])
def test_a_fault_of_rows_is_found_under_its_rule_as_often_as_planted(taken: Taken, name: str) -> None:
    planted = taken.planted[name]
    assert planted.rule_id is not None
    found = {rule: n for rule, n in taken.rules[planted.path].items() if rule not in NATURAL}
    assert found == {planted.rule_id: planted.n_rows}
    severity = load_contract(planted.feed).rules[planted.rule_id].severity
    assert severity == ("refuse" if planted.kind == "quarantine" else "flag")


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.kind == "refusal"])
def test_a_broken_file_is_refused_in_a_sentence_that_says_why(taken: Taken, name: str) -> None:
    planted = taken.planted[name]
    assert planted.says is not None
    assert planted.says in taken.refused[planted.path]


def test_nothing_else_is_found_or_refused(taken: Taken) -> None:
    with_rows = {one.path for one in taken.planted.values() if one.rule_id is not None and one.kind != "hold"}
    found = {path for path, rules in taken.rules.items() if rules.keys() - NATURAL}
    assert found == with_rows
    assert set(taken.refused) == {one.path for one in taken.planted.values() if one.kind == "refusal"}


def test_a_name_in_windows_1252_is_no_fault(taken: Taken) -> None:
    planted = taken.planted["windows_1252_name"]
    assert planted.path not in taken.refused
    assert taken.rules[planted.path].keys() <= NATURAL


def test_a_register_cut_off_half_way_is_held_and_no_other(taken: Taken, tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        write_catalogue(taken.settings, connection)
        held = connection.sql("select file_name, laestab, rows_read from lake.delivery where is_held").fetchall()
    planted = taken.planted["truncated_register"]
    assert held == [(Path(planted.path).name, Path(planted.path).parent.name, planted.n_rows)]


def test_no_two_faults_share_a_file_and_planting_repeats_itself(tmp_path: Path) -> None:
    write_trust(tmp_path / "a", SMALL)
    write_trust(tmp_path / "b", SMALL)
    first, second = (plant(tmp_path / name, ("all",), seed=9) for name in "ab")
    assert first == second
    assert max(Counter(one.path for one in first).values()) == 1
    assert len(first) >= 15


def test_an_unknown_fault_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No fault is called goblins"):
        plant(tmp_path, ("goblins",), seed=1)
