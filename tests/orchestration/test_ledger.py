"""The ledger of what was published stops a run that lacks it, and a release's id depends on it."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path

import duckdb
import pytest

from ingest.settings import Settings
from orchestration.errors import ChainError
from orchestration.ledger import waiting_sentence
from orchestration.publish import publish
from orchestration.releases import current_id, current_manifest, require_ledger, verify_ledger
from orchestration.runner import run_chain
from orchestration.warehouse import open_warehouse
from quality.ledger.decision import NO_LEDGER_SQL
from quality.ledger.store import Ledger
from tests.orchestration.small_warehouse import GATE, build, inputs_on, settings_for

DAY = date(2026, 7, 31)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_for(tmp_path / "home")


def decided(settings: Settings, connection: duckdb.DuckDBPyConnection, code: str) -> None:
    """Lays out schema `ledger` as deciding would, for one pupil of one result."""
    entries = Ledger(settings.lake_dir).entries()
    own = bool(entries) and entries[-1].release_id == inputs_on(DAY, code).release_id_after(entries[-1].before)
    before = "" if not entries else entries[-1].before if own else entries[-1].entry_id
    connection.execute(NO_LEDGER_SQL)
    connection.execute(
        "create or replace table ledger.decision as select ? as release_id, ? as before, 0 as waiting",
        [inputs_on(DAY, code).release_id_after(before), before],
    )
    connection.execute(
        f"""
        create or replace table ledger.record_delta as select '2025/26' as academic_year, 'attendance' as family,
            'A' as school_key, 1::bigint as pupil_key, '{code}' as groups, '' as result, false as is_removed;
        create or replace table ledger.week_delta as select academic_year, school_key, pupil_key, 'AUT' as term,
            date '2025-09-01' as week_start, 1 as expected, 1 as received, 1 as possible, 1 as attended,
            0 as authorised, 0 as unauthorised, 0 as late, is_removed from ledger.record_delta;
        create or replace table ledger.publication (academic_year varchar, period varchar, family varchar,
            revision integer, published_release varchar, as_of date);
        """
    )


def publish_with_ledger(settings: Settings, code: str) -> str:
    with open_warehouse(settings) as connection:
        build(connection)
        # The tables made by hand have keys alone; the ledger names figures of none of them.
        for table in ("gap", "measure_value", "progress_model", "progress_school"):
            connection.execute(f"delete from exports_public.{table}")
        connection.execute("alter table exports_public.coverage add column if not exists status varchar")
        connection.execute("alter table exports_public.progress_school add column if not exists urn varchar")
        decided(settings, connection, code)
        return publish(settings, connection, inputs_on(DAY, code), GATE)


def test_the_manifest_says_which_entry_the_release_builds_on(settings: Settings) -> None:
    first = publish_with_ledger(settings, "one")
    second = publish_with_ledger(settings, "two")
    one, two = Ledger(settings.lake_dir).entries()
    manifest = current_manifest(settings)
    assert manifest is not None
    assert manifest["ledger"]["before"] == one.entry_id
    assert manifest["ledger"]["entry"] == two.entry_id
    assert first == inputs_on(DAY, "one").release_id
    assert second == inputs_on(DAY, "two").release_id_after(one.entry_id) != inputs_on(DAY, "two").release_id


def test_a_run_stopped_between_ledger_and_current_ends_in_the_same_release(settings: Settings) -> None:
    publish_with_ledger(settings, "one")
    second = publish_with_ledger(settings, "two")
    (settings.releases_dir / "CURRENT").write_text(f"{inputs_on(DAY, 'one').release_id}\n")
    shutil.rmtree(settings.releases_dir / second)
    assert publish_with_ledger(settings, "two") == second
    assert current_id(settings) == second
    assert len(Ledger(settings.lake_dir).entries()) == 2


def test_a_run_without_its_ledger_stops_and_says_which_folder_to_restore(settings: Settings) -> None:
    release_id = publish_with_ledger(settings, "one")
    require_ledger(settings, current_manifest(settings))
    shutil.rmtree(settings.lake_dir / "disclosure")
    with pytest.raises(ChainError, match=r"put the folder .*lake/disclosure back whole from the backup"):
        require_ledger(settings, current_manifest(settings))
    settings.landing_dir.mkdir(parents=True)
    run = run_chain(settings, DAY)
    assert (run.outcome, run.exit_code, run.release_id) == ("failed", 1, release_id)
    assert "lake/disclosure" in run.sentence
    assert json.loads((settings.releases_dir / "LAST_RUN.json").read_text())["outcome"] == "failed"


def test_verify_names_a_changed_file_of_the_ledger(settings: Settings) -> None:
    publish_with_ledger(settings, "one")
    assert verify_ledger(settings) == []
    (path,) = (settings.lake_dir / "disclosure").glob("*/record.parquet")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    (problem,) = verify_ledger(settings)
    assert "record.parquet does not hold the bytes" in problem


@pytest.mark.parametrize(
    ("waiting", "sentence"),
    [
        (0, "Nothing waits to be told to the public."),
        (9, "What came of fewer than 10 pupils waits to be told to the public until it is not told of few."),
        (1200, "What came of 1,200 pupils waits to be told to the public until it is not told of few."),
    ],
)
def test_few_who_wait_are_not_counted(waiting: int, sentence: str) -> None:
    assert waiting_sentence(waiting, 10) == sentence
