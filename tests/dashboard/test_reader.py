"""The fence: the engine refuses what a reader may not see, whatever is asked of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import duckdb
import pytest

from dashboard.access import AccessError, grant_of, open_as
from dashboard.reader import QueryError, ReleaseError, open_release, read_last_run
from ingest.settings import Settings
from tests.dashboard.release_fixture import RELEASE_ID, build_release

OWN, OTHER = "100001", "100002"
HOSTILE = [
    "FROM read_parquet('{root}/pupils/urn=100002/attendance_pupil_year.parquet')",
    "FROM '{root}/pupils/urn=100002/attendance_pupil_year.parquet'",
    "FROM read_parquet('{root}/pupils/urn=100001/../urn=100002/attendance_pupil_year.parquet')",
    "FROM read_parquet('{root}/pupils/urn=100001/./../../pupils/urn=100002/attendance_pupil_year.parquet')",
    "FROM read_parquet('{root}/pupils/urn=*/attendance_pupil_year.parquet')",
    "FROM read_parquet('{root}/pupils/**/attendance_pupil_year.parquet')",
    "FROM read_parquet('{root}/pupils/urn=10000[12]/attendance_pupil_year.parquet')",
    "FROM read_parquet(['{root}/pupils/urn=100001/attendance_pupil_year.parquet',"
    " '{root}/pupils/urn=100002/attendance_pupil_year.parquet'])",
    "FROM read_parquet('file://{root}/pupils/urn=100002/attendance_pupil_year.parquet')",
    "FROM read_parquet('{root}/pupils/urn=_all/delivery.parquet')",
    "FROM read_parquet('{root}/identity/urn=100001/pupil.parquet')",
    "FROM read_parquet('{root}/pupils/urn=100001/link_to_file.parquet')",
    "FROM read_parquet('{root}/pupils/urn=100001/link_to_folder/attendance_pupil_year.parquet')",
    "FROM read_text('{root}/manifest.json')",
    "FROM read_text('/etc/passwd')",
    "FROM read_blob('{root}/pupils/urn=100002/attendance_pupil_year.parquet')",
    "FROM read_text('/proc/self/status')",
    "FROM parquet_metadata('{root}/pupils/urn=100002/attendance_pupil_year.parquet')",
    "FROM parquet_schema('{root}/pupils/urn=100002/attendance_pupil_year.parquet')",
    "FROM glob('{root}/pupils/*/*')",
    "FROM query_table('{root}/pupils/urn=100002/attendance_pupil_year.parquet')",
    "FROM query('FROM read_text(''/etc/passwd'')')",
    "FROM read_parquet('https://example.invalid/x.parquet')",
    "FROM read_parquet('s3://bucket/x.parquet')",
]
NOT_READING = [
    "ATTACH '{root}/pupils/urn=100001/new.duckdb'",
    "ATTACH '{home}/warehouse/warehouse.duckdb'",
    "COPY (SELECT 1) TO '{root}/pupils/urn=100001/new.parquet'",
    "COPY (SELECT 1) TO '/tmp/everypupil-escaped.csv'",
    "EXPORT DATABASE '{root}/pupils/urn=100001/dump'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{root}/pupils/urn=100001/new.parquet'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "SET allowed_directories = ['/']",
    "SET lock_configuration = false",
    "RESET allowed_directories",
    "PRAGMA enable_external_access",
    "CALL pragma_version()",
    "CREATE TABLE copy_of AS SELECT 1",
    "DROP VIEW marts.attendance_pupil_year",
    "CREATE OR REPLACE VIEW exports.gap AS SELECT 1",
    "SELECT 1; COPY (SELECT 1) TO '{root}/pupils/urn=100001/new.parquet'",
    "",
]


@pytest.fixture(scope="module")
def fenced(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A release in which someone has planted links out of a school's own folder."""
    settings = build_release(tmp_path_factory.mktemp("fenced"))
    root = settings.releases_dir / RELEASE_ID
    own = root / "pupils" / f"urn={OWN}"
    (own / "link_to_file.parquet").symlink_to(root / "pupils" / f"urn={OTHER}" / "attendance_pupil_year.parquet")
    (own / "link_to_folder").symlink_to(root / "pupils" / f"urn={OTHER}", target_is_directory=True)
    return settings


@pytest.mark.parametrize("sql", HOSTILE)
def test_a_reader_for_one_school_is_refused_every_way_to_anothers_files(fenced: Settings, sql: str) -> None:
    root = (fenced.releases_dir / RELEASE_ID).resolve()
    with open_release(fenced, "pupils", [OWN]) as release, pytest.raises(QueryError):
        release.query(sql.format(root=root, home=fenced.home))


@pytest.mark.parametrize("sql", HOSTILE)
def test_the_engine_itself_refuses_and_not_the_check_on_statements(fenced: Settings, sql: str) -> None:
    root = (fenced.releases_dir / RELEASE_ID).resolve()
    with open_release(fenced, "pupils", [OWN]) as release, pytest.raises(duckdb.Error):
        release._connection.execute(sql.format(root=root, home=fenced.home)).fetchall()


def test_the_same_paths_are_readable_without_the_fence_so_the_test_above_can_fail(fenced: Settings) -> None:
    root = (fenced.releases_dir / RELEASE_ID).resolve()
    readable = 0
    for sql in HOSTILE:
        if "example.invalid" in sql or "s3://" in sql:
            continue
        with duckdb.connect() as connection:
            readable += len(connection.execute(sql.format(root=root, home=fenced.home)).fetchall()) > 0
    assert readable == len(HOSTILE) - 2


@pytest.mark.parametrize("sql", NOT_READING)
def test_a_release_can_only_be_read(fenced: Settings, sql: str) -> None:
    root = (fenced.releases_dir / RELEASE_ID).resolve()
    before = sorted(root.rglob("*"))
    with open_release(fenced, "pupils", [OWN]) as release, pytest.raises(QueryError):
        release.query(sql.format(root=root, home=fenced.home))
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize(
    "sql",
    [
        "FROM enable_logging(storage = 'file', storage_path = '{root}/pupils/urn=100001/log')",
        'SELECT * FROM range(1), main."Enable_Logging"()',
        "WITH a AS (FROM enable_profiling()) SELECT (SELECT count(*) FROM a)",
        "FROM truncate_duckdb_logs()",
        "FROM checkpoint()",
        "FROM query('SELECT 1')",
        "FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
        "SELECT system.main.write_log('x')",
        "SELECT 1 WHERE sleep_ms(1) IS NULL",
        "FROM duckdb_logs()",
        "FROM duckdb_secrets()",
    ],
)
def test_a_select_cannot_call_what_acts_on_the_process_or_runs_a_text(fenced: Settings, sql: str) -> None:
    root = (fenced.releases_dir / RELEASE_ID).resolve()
    before = sorted(root.rglob("*"))
    with open_release(fenced, "pupils", [OWN]) as release, pytest.raises(QueryError):
        release.query(sql.format(root=root))
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize(
    "sql", ["SUMMARIZE exports.gap", "DESCRIBE exports.gap", "SHOW ALL TABLES", "VALUES (1)", "FROM range(3)"]
)
def test_the_other_ways_of_reading_still_work(fenced: Settings, sql: str) -> None:
    with open_release(fenced, "public") as release:
        assert release.query(sql).num_rows > 0


def test_a_query_ends_when_its_time_or_its_room_is_used_up(fenced: Settings) -> None:
    small = fenced.model_copy(update={"query_seconds": 0.5, "result_limit": "1MB"})
    with open_release(small, "public") as release:
        with pytest.raises(QueryError, match=r"took longer than 0\.5 seconds"):
            release.query("SELECT sum(a.range * b.range) FROM range(10000000) AS a, range(10000000) AS b")
        with pytest.raises(QueryError, match="larger than 1MB"):
            release.query("SELECT repeat('x', 1000) AS text FROM range(100000)")
        assert release.rows("SELECT 1 AS one") == [{"one": 1}]


def test_a_variable_of_the_calling_program_cannot_be_read_as_a_table(fenced: Settings) -> None:
    secret = duckdb.sql("SELECT 1 AS secret").to_arrow_table()
    assert secret.num_rows == 1
    with open_release(fenced, "public") as release, pytest.raises(QueryError):
        release.query("FROM secret")


def test_a_school_sees_its_own_rows_and_no_others(settings: Settings) -> None:
    with open_release(settings, "pupils", [OWN]) as release:
        assert release.rows("SELECT DISTINCT urn FROM marts.attendance_pupil_year") == [{"urn": OWN}]
        assert not release.has("marts.delivery")


def test_the_operator_sees_every_school_and_the_rows_of_no_one_school(settings: Settings) -> None:
    with open_release(settings, "pupils") as release:
        found = release.rows("SELECT count(DISTINCT urn) AS n FROM marts.attendance_pupil_year")
        assert found == [{"n": 6}]
        assert release.has("marts.delivery")


def test_public_has_no_pupil_rows_no_deliveries_and_hides_more_than_leaders(settings: Settings) -> None:
    hidden = "SELECT count(*) AS n FROM exports.measure_value WHERE status = 'c'"
    with open_release(settings, "public") as public, open_release(settings, "leaders") as leaders:
        assert not any(table.startswith("marts.") for table in public.tables + leaders.tables)
        assert not public.has("exports.delivery")
        assert leaders.has("exports.delivery")
        assert public.rows(hidden)[0]["n"] > leaders.rows(hidden)[0]["n"] > 0


@pytest.mark.parametrize("urn", ["..", "../..", "100001/../100002", "_all", "*", "", "999999", "urn=100001"])
def test_a_hostile_school_is_refused_in_one_sentence(settings: Settings, urn: str) -> None:
    with pytest.raises(ReleaseError) as caught, open_release(settings, "pupils", [urn]):
        pass
    assert str(caught.value).count("\n") == 0


def test_no_schools_is_not_every_school(settings: Settings) -> None:
    with pytest.raises(ReleaseError), open_release(settings, "pupils", []):
        pass


@pytest.mark.parametrize(
    "role", ["", "admin", "Operator", "school:", "school:../..", "school:100001 ", "leaders,operator", "*"]
)
def test_an_unknown_role_reads_nothing(settings: Settings, role: str) -> None:
    with pytest.raises(AccessError):
        grant_of(settings, role)


def test_known_roles_open_their_tier(settings: Settings) -> None:
    for role, tier in (
        ("public", "public"),
        ("leaders", "leaders"),
        (f"school:{OWN}", "pupils"),
        ("operator", "pupils"),
    ):
        with open_as(settings, role) as release:
            assert release.tier == tier


def _remove_current(settings: Settings) -> None:
    (settings.releases_dir / "CURRENT").unlink()


def _point_nowhere(settings: Settings) -> None:
    (settings.releases_dir / "CURRENT").write_text("2020-01-01-000000000000\n")


def _point_outside(settings: Settings) -> None:
    (settings.releases_dir / "CURRENT").write_text("../../etc\n")


def _break_manifest(settings: Settings) -> None:
    (settings.releases_dir / RELEASE_ID / "manifest.json").write_text('{"tables": {')


def _empty_manifest(settings: Settings) -> None:
    (settings.releases_dir / RELEASE_ID / "manifest.json").write_text("{}")


def _remove_table(settings: Settings) -> None:
    (settings.releases_dir / RELEASE_ID / "public" / "gap.parquet").unlink()


def _truncate_table(settings: Settings) -> None:
    path = settings.releases_dir / RELEASE_ID / "public" / "gap.parquet"
    path.write_bytes(path.read_bytes()[:200])


def _empty_table(settings: Settings) -> None:
    (settings.releases_dir / RELEASE_ID / "public" / "gap.parquet").write_bytes(b"")


def _swap_table(settings: Settings) -> None:
    folder = settings.releases_dir / RELEASE_ID / "public"
    (folder / "gap.parquet").write_bytes((folder / "coverage.parquet").read_bytes())


def _remove_tier(settings: Settings) -> None:
    os.rename(settings.releases_dir / RELEASE_ID / "public", settings.releases_dir / "elsewhere")


def _link_tier(settings: Settings) -> None:
    root = settings.releases_dir / RELEASE_ID
    os.rename(root / "public", settings.releases_dir / "elsewhere")
    (root / "public").symlink_to(root / "pupils", target_is_directory=True)


def _climb_out(settings: Settings) -> None:
    path = settings.releases_dir / RELEASE_ID / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["tables"]["public"]["gap"]["files"][0]["path"] = "public/../leaders/gap.parquet"
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "damage",
    [_remove_current, _point_nowhere, _point_outside, _break_manifest, _empty_manifest, _remove_table, _truncate_table,
     _empty_table, _swap_table, _remove_tier, _link_tier, _climb_out],
)  # fmt: skip
def test_a_missing_or_damaged_release_is_one_sentence_and_never_an_empty_result(
    own_home: Settings, damage: object
) -> None:
    assert callable(damage)
    damage(own_home)
    with pytest.raises(ReleaseError) as caught, open_release(own_home, "public"):
        pass
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_file_damaged_after_opening_is_an_error_too(own_home: Settings) -> None:
    path = own_home.releases_dir / RELEASE_ID / "public" / "gap.parquet"
    with open_release(own_home, "public") as release:
        path.write_bytes(b"PAR1" + b"\0" * (path.stat().st_size - 8) + b"PAR1")
        with pytest.raises((ReleaseError, QueryError)):
            release.query("SELECT sum(gap) FROM exports.gap")


def test_a_second_release_is_read_beside_the_first(own_home: Settings) -> None:
    sql = "SELECT value FROM exports.measure_value WHERE level = 'trust' AND measure_id = 'attendance_rate' LIMIT 1"
    with open_release(own_home, "public") as first:
        build_release(own_home.home, release_id="2026-08-01-ba9876543210", shift=0.5)
        with open_release(own_home, "public") as second:
            assert second.release_id != first.release_id
            assert second.rows(sql)[0]["value"] == pytest.approx(first.rows(sql)[0]["value"] + 0.5)


def test_no_recorded_run_is_none_and_a_damaged_record_an_error(own_home: Settings) -> None:
    assert read_last_run(own_home) is None
    (own_home.releases_dir / "LAST_RUN.json").write_text("{")
    with pytest.raises(ReleaseError):
        read_last_run(own_home)


def test_paths_given_through_a_linked_home_still_open(own_home: Settings, tmp_path: Path) -> None:
    link = tmp_path / "linked"
    link.symlink_to(own_home.home, target_is_directory=True)
    with open_release(own_home.model_copy(update={"home": link}), "public") as release:
        assert release.rows("SELECT count(*) AS n FROM exports.dim_school") == [{"n": 6}]
