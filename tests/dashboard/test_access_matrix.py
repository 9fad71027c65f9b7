"""Role x tier x table x export: what each role reads is what is written down here, and the engine refuses the rest."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pyarrow.parquet as pq
import pytest
import yaml

from dashboard.access import AccessError, connect, grant_of, open_as
from dashboard.export import ExportError, export_bytes, export_table
from dashboard.reach import SPECIAL_COLUMNS, Reach
from dashboard.reader import QueryError, Release
from ingest.registry import load_registry
from ingest.settings import Settings
from tests.dashboard.pupil_rows import (
    ENROLMENTS,
    SPECIAL,
    STATUSES,
    THIS_YEAR,
    add_pupils,
    rows_of_no_school,
    rows_of_school,
)
from tests.dashboard.release_fixture import RELEASE_ID, SCHOOLS, TABLES, build_release

ROLES = """\
roles:
  public: {tier: public}
  leaders: {tier: leaders}
  operator: {tier: pupils, schools: all, year_groups: all, special_category: true}
  head: {tier: pupils, schools: [100001], year_groups: all, special_category: true}
  teacher: {tier: pupils, schools: [100001], year_groups: all}
  two-schools: {tier: pupils, schools: [100001, 100004], year_groups: all}
  year-10-lead: {tier: pupils, schools: [100001, 100004], year_groups: [10]}
  year-10-senco: {tier: pupils, schools: [100004], year_groups: ["10"], special_category: true}
  year-10-trust: {tier: pupils, schools: all, year_groups: [10]}
  analyst: {tier: pupils, schools: all, year_groups: all}
"""
ALL_SCHOOLS = tuple(urn for urn, *_ in SCHOOLS)
EXPORTS = {"public": set(TABLES), "leaders": {*TABLES, "data_quality_issue", "delivery"}}
GROUPED = {"measure_value", "gap", "attendance_by_status", "attendance_reason", "attendance_signal_backtest"}
PLAIN = ("all", "sex", "nc_year")
OF_YEAR_GROUPS = {
    *("absence_spell", "assessment_result", "attendance_enrolment_year", "attendance_pupil_year", "attendance_signal"),
    *("dim_pupil_status", "dim_school"),
    *("fct_enrolment", "fct_session", "measure", "measure_value", "progress_pupil"),
}
OF_NO_SCHOOL = {"attendance_signal_backtest", "delivery", "dim_pupil_status", "measure", "progress_model"}
UNHEARD_OF = "staff_note"
MARTS = {*rows_of_school("100001"), *rows_of_no_school()}
# A workbook takes a third of a second: these are read back, and every other table is refused or not as its csv is.
READ_BACK = {"exports.dim_school", "marts.dim_pupil_status", "marts.fct_session", "marts.gap", "marts.measure_value"}
FORMATS = ("csv", "parquet", "xlsx")
Row = dict[str, Any]


@dataclass(frozen=True)
class Expected:
    """What a role reads, written down without the code under test."""

    tier: str
    schools: tuple[str, ...] = ()
    is_all_schools: bool = False
    year_groups: tuple[str, ...] | None = None
    special: bool = False
    packs: set[str] = field(default_factory=lambda: {"school_pack", "trust_pack"})

    @property
    def marts(self) -> set[str]:
        if self.tier != "pupils":
            return set()
        names = set(MARTS)
        if not self.is_all_schools:
            names -= OF_NO_SCHOOL - ({"dim_pupil_status"} if self.special else set())
        if self.year_groups is not None:
            names &= OF_YEAR_GROUPS
        return names - ({UNHEARD_OF} if self.year_groups is not None or not self.special else set())

    def rows(self, table: str) -> list[Row]:
        rows = [row for urn in self.schools for row in rows_of_school(urn).get(table, [])]
        rows += rows_of_no_school().get(table, []) if self.is_all_schools or table == "dim_pupil_status" else []
        return self.without_special(table, [row for row in rows if self.may_read(table, row)])

    def may_read(self, table: str, row: Row) -> bool:
        if table in GROUPED:
            if self.year_groups is None:
                return self.special or row["group_dimension"] in PLAIN
            own = row["group_dimension"] == "nc_year" and row["group_value"] in self.year_groups
            return own and row["academic_year"] == THIS_YEAR
        if table == "dim_pupil_status":
            return (self.special and self.is_everything) or any(
                e.pupil_key == row["pupil_key"]
                and (
                    not self.special
                    or (row["valid_to"] > e.entry and (not e.leaving or row["valid_from"] <= e.leaving))
                )
                for e in self.enrolments()
            )
        if "enrolment_key" in row:
            return row["enrolment_key"] in {e.key for e in self.enrolments()}
        if "pupil_key" in row:
            return (row["pupil_key"], row["urn"]) in {(e.pupil_key, e.urn) for e in self.enrolments()}
        return True

    @property
    def is_everything(self) -> bool:
        return self.is_all_schools and self.year_groups is None

    def enrolments(self) -> list[Any]:
        own = [e for e in ENROLMENTS if e.urn in self.schools]
        if self.year_groups is None:
            return own
        first_day = "2025-08-01"
        return [e for e in own if e.year_group in self.year_groups and str(e.leaving or "9999") >= first_day]

    def without_special(self, table: str, rows: list[Row]) -> list[Row]:
        if self.special or table != "dim_pupil_status":
            return rows
        keys = dict.fromkeys((row["pupil_key"], row["sex"]) for row in rows)
        return [{"pupil_key": key, "sex": sex} for key, sex in keys]

    def files(self, root: Path) -> set[str]:
        """The files that the engine itself opens; what is read in part is in no file."""
        if self.tier != "pupils":
            return {f"{self.tier}/{name}.parquet" for name in EXPORTS[self.tier]}
        whole = set(self.marts) - {"dim_pupil_status"}
        if self.year_groups is not None:
            whole = {"dim_school", "measure"}
        elif not self.special:
            whole -= GROUPED
        elif self.is_all_schools:
            whole.add("dim_pupil_status")
        folders = [*self.schools, *(["_all"] if self.is_all_schools else [])]
        names = {f"pupils/urn={folder}/{table}.parquet" for folder in folders for table in whole}
        return {f"leaders/{name}.parquet" for name in EXPORTS["leaders"]} | {n for n in names if (root / n).exists()}


EXPECTED = {
    "public": Expected("public"),
    "leaders": Expected("leaders"),
    "operator": Expected("pupils", ALL_SCHOOLS, is_all_schools=True, special=True),
    "head": Expected("pupils", ("100001",), special=True, packs={"school_pack"}),
    "teacher": Expected("pupils", ("100001",), packs={"school_pack"}),
    "two-schools": Expected("pupils", ("100001", "100004"), packs={"school_pack"}),
    "year-10-lead": Expected("pupils", ("100001", "100004"), year_groups=("10",), packs={"school_pack"}),
    "year-10-senco": Expected("pupils", ("100004",), year_groups=("10",), special=True, packs={"school_pack"}),
    "year-10-trust": Expected("pupils", ALL_SCHOOLS, is_all_schools=True, year_groups=("10",)),
    "analyst": Expected("pupils", ALL_SCHOOLS, is_all_schools=True),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = build_release(tmp_path_factory.mktemp("matrix"))
    add_pupils(settings)
    settings.access_path.write_text(ROLES)
    return settings


@pytest.fixture(params=sorted(EXPECTED))
def role(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def opened(home: Settings, role: str) -> Iterator[Release]:
    release = connect(home, grant_of(home, role), action=None)
    yield release
    release.close()


def tables_of(expected: Expected) -> set[str]:
    figures = "leaders" if expected.tier == "pupils" else expected.tier
    return {f"exports.{name}" for name in EXPORTS[figures]} | {f"marts.{name}" for name in expected.marts}


def every_table() -> list[str]:
    return sorted({f"exports.{name}" for name in EXPORTS["leaders"]} | {f"marts.{name}" for name in MARTS})


def in_order(rows: list[Row]) -> list[str]:
    return sorted(repr(sorted(row.items(), key=lambda item: item[0])) for row in rows)


def test_a_role_reads_its_tables_and_exactly_its_rows_and_columns(opened: Release, role: str) -> None:
    expected = EXPECTED[role]
    listed = opened.rows("SELECT table_schema || '.' || table_name AS name FROM information_schema.tables")
    assert {row["name"] for row in listed} == set(opened.tables) == tables_of(expected)
    for table in every_table():
        if table not in tables_of(expected):
            with pytest.raises(QueryError):
                opened.query(f"FROM {table}")
            with pytest.raises(duckdb.Error):
                opened._connection.execute(f"FROM {table}").fetchall()
        elif table.startswith("marts."):
            assert in_order(opened.rows(f"FROM {table}")) == in_order(expected.rows(table.removeprefix("marts."))), (
                table
            )
        else:
            assert opened.query(f"FROM {table}").num_rows > 0


def test_the_matrix_expects_rows_of_pupils_and_their_absence_where_it_should() -> None:
    """The test above would hold for a reader of nothing, if nothing were expected."""
    pupils = {role: {row["pupil_key"] for row in expected.rows("fct_session")} for role, expected in EXPECTED.items()}
    assert {role: len(keys) for role, keys in pupils.items()} == {
        "public": 0,
        "leaders": 0,
        "operator": 31,
        "analyst": 31,
        "head": 6,
        "teacher": 6,
        "two-schools": 11,
        "year-10-lead": 5,
        "year-10-senco": 3,
        "year-10-trust": 13,
    }
    assert len(STATUSES) == len(EXPECTED["operator"].rows("dim_pupil_status")) == 32
    assert len(EXPECTED["year-10-senco"].rows("dim_pupil_status")) == 3
    assert EXPECTED["analyst"].rows("dim_pupil_status")[0].keys() == {"pupil_key", "sex"}


def test_the_engine_opens_the_files_of_a_role_and_no_other(home: Settings, opened: Release, role: str) -> None:
    root = (home.releases_dir / RELEASE_ID).resolve()
    readable = set()
    for path in sorted(root.rglob("*.parquet")):
        for sql in ("SELECT count(*) FROM read_parquet(?)", "SELECT count(*) FROM parquet_metadata(?)"):
            try:
                opened._connection.execute(sql, [str(path)]).fetchall()
            except duckdb.PermissionException:
                continue
            readable.add(path.relative_to(root).as_posix())
    assert readable == EXPECTED[role].files(root)


def rows_of(content: bytes, file_format: str) -> int:
    if file_format == "parquet":
        return int(pq.read_table(io.BytesIO(content)).num_rows)
    if file_format == "csv":
        return len(list(csv.reader(io.StringIO(content.decode())))) - 1
    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True)
    sheet = book[next(name for name in book.sheetnames if name not in ("Cover", "Contents", "Notes"))]
    return (
        sum(
            1 for row in sheet.iter_rows(values_only=True) if row[0] is not None and len(row) > 1 and row[1] is not None
        )
        - 1
    )


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_role_takes_away_what_it_reads_and_nothing_else(
    home: Settings, opened: Release, role: str, file_format: str
) -> None:
    grant = grant_of(home, role)
    expected = EXPECTED[role]
    for table in every_table():
        make: Callable[[], bytes] = lambda name=table: export_bytes(home, opened, grant, name, None, file_format)  # type: ignore[misc]  # noqa: E731 - the call is made in two ways
        if table not in tables_of(expected):
            with pytest.raises(ExportError, match="no table or pack"):
                make()
            continue
        if file_format == "xlsx" and table not in READ_BACK:
            continue
        count = opened.query(f"FROM {table}").num_rows
        if not count and file_format == "xlsx":
            with pytest.raises(ExportError, match="no rows"):
                make()
            continue
        content = make()
        assert rows_of(content, file_format) == count, table
        if file_format == "parquet" and not expected.special and table.startswith("marts."):
            assert not SPECIAL_COLUMNS & set(pq.read_schema(io.BytesIO(content)).names)


def test_packs_are_for_whoever_may_have_them(home: Settings, role: str, tmp_path: Path) -> None:
    expected = EXPECTED[role]
    own = (expected.schools or ALL_SCHOOLS)[0]
    for pack, unit in (("school_pack", own), ("trust_pack", None)):
        if pack in expected.packs:
            assert export_table(home, pack, role, unit, "xlsx", tmp_path / f"{pack}.xlsx").is_file()
        else:
            with pytest.raises(AccessError):
                export_table(home, pack, role, unit, "xlsx", tmp_path / f"{pack}.xlsx")
    if expected.schools and not expected.is_all_schools:
        with pytest.raises(AccessError):
            export_table(home, "school_pack", role, "100006", "xlsx", tmp_path / "other.xlsx")


def test_a_pack_of_a_role_that_reads_in_part_holds_leaders_figures(home: Settings, tmp_path: Path) -> None:
    path = export_table(home, "school_pack", "teacher", "100001", "xlsx", tmp_path / "own.xlsx")
    leaders = export_table(home, "school_pack", "leaders", "100001", "xlsx", tmp_path / "leaders.xlsx")
    books = [openpyxl.load_workbook(found, read_only=True) for found in (path, leaders)]
    values = [[tuple(cell for cell in row) for row in book["Attendance"].iter_rows(values_only=True)] for book in books]
    assert values[0] == values[1]
    assert len(values[0]) > 10


@pytest.mark.parametrize(
    "unknown", ["", "Public", "school:100001", "head ", "administrator", "*", "leaders\n", "../public"]
)
def test_an_unknown_role_reads_nothing_and_takes_nothing(home: Settings, unknown: str, tmp_path: Path) -> None:
    for table in ("exports.dim_school", "marts.fct_session"):
        with pytest.raises(AccessError), open_as(home, unknown) as release:
            release.query(f"FROM {table}")
    for name in ("dim_school", "school_pack", "trust_pack"):
        for file_format in FORMATS if name == "dim_school" else ("xlsx",):
            with pytest.raises(AccessError):
                export_table(home, name, unknown, "100001", file_format, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_what_was_not_announced_is_listed_and_the_engine_refuses_it(home: Settings) -> None:
    """`sql` copies what the text names; a name put together while it runs finds no rows, in the copy or in the file."""
    with open_as(home, "year-10-lead", action=None, tables={"fct_session"}) as release:
        assert release.query("FROM marts.fct_session").num_rows > 0
        assert release.has("marts.fct_enrolment")
        for sql in ("FROM marts.fct_enrolment", "FROM query_table('marts.fct_' || 'enrolment')"):
            with pytest.raises(QueryError, match="outside what this role may read"):
                release.query(sql)


def test_what_filters_the_copies_is_gone_when_the_fence_closes(home: Settings) -> None:
    with open_as(home, "year-10-lead", action=None) as release:
        assert release.rows("SELECT schema_name FROM duckdb_schemas() WHERE schema_name = 'reach'") == []
        with pytest.raises(QueryError):
            release.query("FROM reach.enrolment")


# The lists of the code against the models: a column or a group that is added has to be judged before it is read.
PLAIN_COLUMNS_OF_PUPILS = {
    # A reason of absence tells no more than the code of the mark.
    *("start_date", "start_session", "end_date", "end_session", "sessions", "school_days", "main_reason"),
    *("attended_before", "is_open", "rule_id", "rule_name", "signal_date", "evidence_from", "spells", "spell_starts"),
    *("queue_place", "is_in_queue", "action_taken", "action_date", "school_days_to_action"),
    *(
        "absent",
        "academic_year",
        "assessment_id",
        "attended",
        "authorised",
        "baseline",
        "category",
        "code",
        "component",
    ),
    *("delivery_id", "enrol_status", "enrolment_id", "enrolment_key", "entry_date", "entry_date_basis"),
    *(
        "exclusion_reason",
        "expected",
        "in_measure",
        "is_attended",
        "is_authorised",
        "is_expected",
        "is_late",
        "is_missing",
    ),
    *(
        "is_persistent_absent",
        "is_possible",
        "is_score",
        "is_severely_absent",
        "is_unauthorised",
        "last_listed",
        "late",
    ),
    *(
        "leaving_date",
        "leaving_date_basis",
        "measure_id",
        "missing",
        "n_schools",
        "nc_year",
        "numeric_value",
        "outcome",
        "possible",
    ),
    *(
        "pupil_key",
        "raw_result",
        "received",
        "reg_group",
        "residual",
        "result_date",
        "scale_id",
        "school_key",
        "session",
    ),
    *(
        "session_date",
        "sex",
        "slice_fingerprint",
        "subject",
        "unauthorised",
        "urn",
        "valid_from",
        "valid_to",
        "z_value",
    ),
}


def mart_columns(settings: Settings) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in sorted((settings.dbt_project_dir / "models" / "marts").rglob("*.yml")):
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", []):
            found[model["name"]] = {column["name"] for column in model["columns"]}
    return found


def test_every_column_about_a_pupil_is_known_as_special_or_plain(settings: Settings) -> None:
    marts = mart_columns(settings)
    about_pupils = {name: columns for name, columns in marts.items() if columns & {"pupil_key", "enrolment_key"}}
    assert len(about_pupils) > 5
    assert set(SPECIAL) <= SPECIAL_COLUMNS & about_pupils["dim_pupil_status"]
    unknown = {name: columns - PLAIN_COLUMNS_OF_PUPILS - SPECIAL_COLUMNS for name, columns in about_pupils.items()}
    assert {name: columns for name, columns in unknown.items() if columns} == {}
    for mart, columns in marts.items():
        Reach(("100001",), None, False).copy_of(mart, sorted(columns))  # no KeyError: a mart is read or judged


def test_every_group_of_pupils_is_known_as_special_or_plain(settings: Settings) -> None:
    registry = load_registry(settings)
    dimensions = {str(group["dimension"]) for kind in ("groups", "status_series") for group in registry.data[kind]}
    special = {"disadvantage", "fsm", "sen", "ethnicity", "eal", "looked_after"}
    assert dimensions <= special | set(PLAIN)
    # What a model expects of a pupil would tell a special category if one were among its covariates.
    terms = [str(c["expression"]) for model in registry.data["value_added"] for c in model["covariates"]]
    assert terms
    assert [term for term in terms if any(column in term for column in SPECIAL_COLUMNS)] == []
