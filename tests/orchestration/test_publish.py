"""A release is whole, a function of its inputs, and can be taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingest.settings import Settings
from orchestration.cli import execute
from orchestration.errors import ChainError, WrongUse
from orchestration.last_run import LastRun, now, write_last_run
from orchestration.publish import coverage_sentence, publish
from orchestration.releases import current_id, list_releases, read_manifest, rollback, verify
from orchestration.warehouse import open_warehouse
from tests.orchestration.small_warehouse import GATE, add_pupil_list, build, inputs_on, settings_for

DAY = date(2026, 7, 31)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_for(tmp_path / "home")


@pytest.fixture
def warehouse(settings: Settings, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_warehouse(settings) as connection:
        build(connection)
        add_pupil_list(connection, tmp_path)
        yield connection


def hashes(settings: Settings, release_id: str) -> dict[str, str]:
    tables: dict[str, Any] = read_manifest(settings, release_id)["tables"]
    return {f"{tier}.{name}": table["content_hash"] for tier in tables for name, table in tables[tier].items()}


def rows(path: Path) -> list[tuple[Any, ...]]:
    return duckdb.connect().execute("SELECT * FROM read_parquet(?, hive_partitioning = false)", [str(path)]).fetchall()


def inode(settings: Settings, release_id: str, path: str) -> int:
    return (settings.releases_dir / release_id / path).stat().st_ino


def test_a_release_is_laid_out_by_tier_and_school(settings: Settings, warehouse: duckdb.DuckDBPyConnection) -> None:
    release_id = publish(settings, warehouse, inputs_on(DAY), GATE)
    root = settings.releases_dir / release_id
    assert current_id(settings) == release_id
    assert (settings.releases_dir / "CURRENT").read_text() == f"{release_id}\n"
    marks = rows(root / "pupils/urn=100001/fct_session/2025-26.parquet")
    assert [(row[3].isoformat(), row[4], row[5]) for row in marks] == [
        ("2025-09-03", "AM", "/"),
        ("2025-09-03", "PM", "N"),
    ]
    assert rows(root / "pupils/urn=100002/fct_session/none.parquet") == []
    assert len(rows(root / "pupils/urn=100001/measure_value.parquet")) == 1
    assert [row[3] for row in rows(root / "pupils/urn=_all/measure_value.parquet")] == ["T1"]
    assert len(rows(root / "pupils/urn=100001/assessment_result.parquet")) == 1
    assert rows(root / "pupils/urn=100002/assessment_result.parquet") == []
    assert sorted(path.name for path in (root / "public").iterdir()) == [
        "coverage.parquet",
        "dim_school.parquet",
        "disclosure_loss.parquet",
        "gap.parquet",
        "measure.parquet",
        "measure_value.parquet",
        "progress_model.parquet",
        "progress_school.parquet",
        "published_comparator.parquet",
        "unit_coverage.parquet",
    ]
    assert {"data_quality_issue.parquet", "delivery.parquet"} <= {path.name for path in (root / "leaders").iterdir()}
    assert verify(settings, release_id) == []


def test_names_stand_in_their_own_schools_identity_folder_alone(
    settings: Settings, warehouse: duckdb.DuckDBPyConnection
) -> None:
    root = settings.releases_dir / publish(settings, warehouse, inputs_on(DAY), GATE)
    assert [(row[0], row[3]) for row in rows(root / "identity/urn=100001/pupil.parquet")] == [(1, "Ada")]
    assert [(row[0], row[3]) for row in rows(root / "identity/urn=100002/pupil.parquet")] == [(2, "Ben")]
    left = warehouse.execute(
        "SELECT count(*) FROM information_schema.tables WHERE table_name = 'publish_identity'"
    ).fetchone()
    assert left == (0,)


def test_bookkeeping_of_the_build_is_not_published(settings: Settings, warehouse: duckdb.DuckDBPyConnection) -> None:
    root = settings.releases_dir / publish(settings, warehouse, inputs_on(DAY), GATE)
    path = str(root / "pupils/urn=100001/fct_session/2025-26.parquet")
    columns = [row[0] for row in duckdb.connect().execute("DESCRIBE SELECT * FROM read_parquet(?)", [path]).fetchall()]
    assert "code" in columns
    assert "slice_fingerprint" not in columns


def test_every_published_file_is_read_only(settings: Settings, warehouse: duckdb.DuckDBPyConnection) -> None:
    root = settings.releases_dir / publish(settings, warehouse, inputs_on(DAY), GATE)
    modes = {path.stat().st_mode & 0o777 for path in root.rglob("*") if path.is_file()}
    assert modes == {0o444}


def test_the_same_inputs_give_the_same_release_and_content(settings: Settings, tmp_path: Path) -> None:
    seen = []
    for name in ("one", "two"):
        other = settings_for(tmp_path / name)
        with open_warehouse(other) as connection:
            build(connection)
            release_id = publish(other, connection, inputs_on(DAY), GATE)
        seen.append((release_id, hashes(other, release_id)))
    assert seen[0] == seen[1]


def test_the_order_in_which_rows_lie_in_the_warehouse_changes_no_hash(
    settings: Settings, warehouse: duckdb.DuckDBPyConnection
) -> None:
    first = publish(settings, warehouse, inputs_on(DAY, "one"), GATE)
    warehouse.execute("CREATE TABLE turned AS SELECT * FROM marts.fct_session ORDER BY session_date DESC, session DESC")
    warehouse.execute("DROP TABLE marts.fct_session")
    warehouse.execute("CREATE TABLE marts.fct_session AS SELECT * FROM turned")
    warehouse.execute("DROP TABLE turned")
    second = publish(settings, warehouse, inputs_on(DAY, "two"), GATE)
    assert first != second
    assert hashes(settings, first) == hashes(settings, second)


def test_a_changed_mark_changes_its_year_and_links_the_closed_one(
    settings: Settings, warehouse: duckdb.DuckDBPyConnection
) -> None:
    first = publish(settings, warehouse, inputs_on(DAY, "one"), GATE)
    build(warehouse, mark="N", slices=("s1", "s3"))
    second = publish(settings, warehouse, inputs_on(DAY, "two"), GATE)
    closed, changed = (f"pupils/urn=100001/fct_session/{year}.parquet" for year in ("2024-25", "2025-26"))
    assert inode(settings, first, closed) == inode(settings, second, closed)
    assert inode(settings, first, changed) != inode(settings, second, changed)
    assert hashes(settings, first)["pupils.fct_session"] != hashes(settings, second)["pupils.fct_session"]
    assert verify(settings, second) == []


def test_a_slice_with_the_same_fingerprint_is_not_even_written_again(
    settings: Settings, warehouse: duckdb.DuckDBPyConnection
) -> None:
    publish(settings, warehouse, inputs_on(DAY, "one"), GATE)
    # The fingerprint says that nothing changed: so the file of before is taken, whatever stands in the table.
    build(warehouse, mark="N", slices=("s1", "s2"))
    second = publish(settings, warehouse, inputs_on(DAY, "two"), GATE)
    path = settings.releases_dir / second / "pupils/urn=100001/fct_session/2025-26.parquet"
    assert [row[5] for row in rows(path)] == ["/", "N"]


def test_a_rotten_file_of_the_release_before_is_not_linked(
    settings: Settings, warehouse: duckdb.DuckDBPyConnection
) -> None:
    first = publish(settings, warehouse, inputs_on(DAY, "one"), GATE)
    damage(settings, first, "pupils/urn=100001/fct_session/2024-25.parquet")
    second = publish(settings, warehouse, inputs_on(DAY, "two"), GATE)
    assert verify(settings, second) == []


def damage(settings: Settings, release_id: str, path: str) -> None:
    target = settings.releases_dir / release_id / path
    content = bytearray(target.read_bytes())
    content[len(content) // 2] ^= 0xFF
    target.chmod(0o644)
    target.write_bytes(bytes(content))


def test_verify_names_a_changed_a_missing_and_a_foreign_file(
    settings: Settings, warehouse: duckdb.DuckDBPyConnection
) -> None:
    release_id = publish(settings, warehouse, inputs_on(DAY), GATE)
    root = settings.releases_dir / release_id
    damage(settings, release_id, "public/dim_school.parquet")
    (root / "leaders/gap.parquet").unlink()
    (root / "public/more.parquet").write_text("x")
    problems = verify(settings, release_id)
    assert any("public/dim_school.parquet does not hold the bytes" in problem for problem in problems)
    assert any("leaders/gap.parquet is missing" in problem for problem in problems)
    assert any("public/more.parquet is not in the manifest" in problem for problem in problems)
    assert len(problems) == 3


def test_verify_finds_rows_that_differ_though_the_manifest_was_made_to_fit_the_bytes(
    settings: Settings, warehouse: duckdb.DuckDBPyConnection
) -> None:
    release_id = publish(settings, warehouse, inputs_on(DAY), GATE)
    root = settings.releases_dir / release_id
    manifest = json.loads((root / "manifest.json").read_text())
    table = manifest["tables"]["public"]["dim_school"]
    table["files"][0]["content_hash"] = "0" * 64
    (root / "manifest.json").chmod(0o644)
    (root / "manifest.json").write_text(json.dumps(manifest))
    problems = verify(settings, release_id)
    assert "public/dim_school.parquet does not hold the rows that were published" in problems
    assert "the hash of table dim_school does not follow from its files" in problems


def test_status_says_that_the_newest_run_was_rolled_back(
    settings: Settings, warehouse: duckdb.DuckDBPyConnection, capsys: pytest.CaptureFixture[str]
) -> None:
    first = publish(settings, warehouse, inputs_on(DAY, "one"), GATE)
    build(warehouse, mark="N", slices=("s1", "s3"))
    second = publish(settings, warehouse, inputs_on(DAY, "two"), GATE)
    write_last_run(settings, LastRun("r", now(), now(), "published", 0, "Published.", release_id=second))
    said = []
    for wanted in (first, second):
        rollback(settings, wanted)
        assert execute(["--home", str(settings.home), "status"]) == 0
        said.append(f"everypupil rollback {second} brings it back" in capsys.readouterr().out)
    assert said == [True, False]


def test_rollback_serves_the_release_before_and_refuses_a_damaged_one(
    settings: Settings, warehouse: duckdb.DuckDBPyConnection
) -> None:
    first = publish(settings, warehouse, inputs_on(DAY, "one"), GATE)
    build(warehouse, mark="N", slices=("s1", "s3"))
    second = publish(settings, warehouse, inputs_on(DAY, "two"), GATE)
    rollback(settings, first)
    assert current_id(settings) == first
    damage(settings, second, "pupils/urn=100001/fct_session/2025-26.parquet")
    with pytest.raises(ChainError, match="is damaged and was not put back"):
        rollback(settings, second)
    assert current_id(settings) == first
    with pytest.raises(WrongUse, match="There is no release"):
        rollback(settings, "2020-01-01-000000000000")
    with pytest.raises(WrongUse, match="is not a release id"):
        rollback(settings, "../elsewhere")


def test_the_newest_releases_are_kept_and_the_one_in_force(
    tmp_path: Path, warehouse: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    few = settings.model_copy(update={"keep_releases": 2})
    ids = [publish(few, warehouse, inputs_on(DAY, code), GATE) for code in ("one", "two", "three")]
    kept = {manifest["release_id"] for manifest in list_releases(few)}
    assert ids[2] in kept
    assert len(kept) == 2


def test_what_a_killed_run_left_is_swept_away(settings: Settings, warehouse: duckdb.DuckDBPyConnection) -> None:
    leftover = settings.releases_dir / ".building-2026-07-31-abcdefabcdef" / "public"
    leftover.mkdir(parents=True)
    (leftover / "half.parquet").write_text("PAR1")
    release_id = publish(settings, warehouse, inputs_on(DAY), GATE)
    assert sorted(path.name for path in settings.releases_dir.iterdir()) == [release_id, "CURRENT"]


def test_publishing_the_same_inputs_again_keeps_the_release_that_stands(
    settings: Settings, warehouse: duckdb.DuckDBPyConnection
) -> None:
    release_id = publish(settings, warehouse, inputs_on(DAY), GATE)
    before = inode(settings, release_id, "manifest.json")
    assert publish(settings, warehouse, inputs_on(DAY), GATE) == release_id
    assert inode(settings, release_id, "manifest.json") == before


def test_publishing_again_mends_a_damaged_release(settings: Settings, warehouse: duckdb.DuckDBPyConnection) -> None:
    release_id = publish(settings, warehouse, inputs_on(DAY), GATE)
    damage(settings, release_id, "public/dim_school.parquet")
    publish(settings, warehouse, inputs_on(DAY), GATE)
    assert verify(settings, release_id) == []


def test_the_same_inputs_with_other_content_are_not_published(
    settings: Settings, warehouse: duckdb.DuckDBPyConnection
) -> None:
    release_id = publish(settings, warehouse, inputs_on(DAY), GATE)
    build(warehouse, mark="N", slices=("s1", "s3"))
    with pytest.raises(ChainError, match=r"same inputs gave other content .*pupils\.fct_session"):
        publish(settings, warehouse, inputs_on(DAY), GATE)
    assert current_id(settings) == release_id
    assert verify(settings, release_id) == []


def test_a_missing_table_leaves_the_old_release(settings: Settings, warehouse: duckdb.DuckDBPyConnection) -> None:
    release_id = publish(settings, warehouse, inputs_on(DAY, "one"), GATE)
    warehouse.execute("DROP TABLE exports_public.gap")
    with pytest.raises(ChainError, match=r"no table exports_public\.gap"):
        publish(settings, warehouse, inputs_on(DAY, "two"), GATE)
    assert current_id(settings) == release_id


def test_a_hostile_urn_names_no_folder(settings: Settings, warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute("UPDATE marts.fct_enrolment SET urn = '../100002' WHERE enrolment_key = 'e1'")
    with pytest.raises(ChainError, match="can name no folder"):
        publish(settings, warehouse, inputs_on(DAY), GATE)
    assert current_id(settings) is None


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (
            [("session_marks", "A", 10, 10, "ok"), ("session_marks", "B", 10, 10, "ok")],
            "2025/26: session marks complete for all 2 schools.",
        ),
        (
            [("session_marks", "A", 1000, 998, "ok"), ("session_marks", "B", None, 0, "x")],
            "2025/26: session marks received for 1 of 2 schools (received: at least 50% of what was expected).",
        ),
        (
            [("calendar", "A", 1, 0, "x"), ("calendar", "B", 1, 0, "x"), ("pupils", "A", 1, 1, "ok")],
            "2025/26: no calendars received (2 schools); pupil lists complete for the 1 school.",
        ),
        ([("calendar", "A", 4, 1, "u")], "2025/26: not enough calendars received (1 school)."),
        ([], "No delivery was expected, so there is no coverage to report."),
    ],
    ids=["all", "a school without registers", "none", "too little", "nothing expected"],
)
def test_the_coverage_sentence_counts_schools(rows: list[tuple[object, ...]], sentence: str) -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA marts")
        connection.execute(
            "CREATE TABLE marts.coverage (academic_year VARCHAR, period VARCHAR, feed VARCHAR, school_key VARCHAR, "
            "expected BIGINT, received BIGINT, status VARCHAR)"
        )
        for row in rows:
            connection.execute("INSERT INTO marts.coverage VALUES ('2025/26', 'YTD', ?, ?, ?, ?, ?)", list(row))
        assert coverage_sentence(connection, 50) == sentence
