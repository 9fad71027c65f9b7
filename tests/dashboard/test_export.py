"""What leaders take away: marked-up workbooks, tidy CSV, and nothing that another role may see."""

from __future__ import annotations

import csv
import datetime as dt
import io
import time
import zipfile
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dashboard import readings, wording
from dashboard.access import AccessError, open_as
from dashboard.export import ExportError, _excel_cell, csv_text, export_table
from dashboard.pack import headlines
from dashboard.reader import ReleaseError
from dashboard.workbook import Sheet, WorkbookError, write_workbook
from ingest.settings import Settings
from tests.dashboard.release_fixture import RELEASE_ID, build_release

PACKS = [
    ("school_pack", "leaders", "100001"),
    ("school_pack", "public", "100003"),
    ("school_pack", "school:100002", None),
    ("trust_pack", "public", None),
    ("trust_pack", "operator", None),
    ("delivery", "leaders", None),
]


@pytest.fixture(params=PACKS, ids=lambda pack: "-".join(str(part) for part in pack))
def book(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Path:
    name, role, unit = request.param
    return export_table(settings, name, role, unit, "xlsx", tmp_path / "book.xlsx")


def test_a_workbook_is_marked_up_as_the_analysis_function_asks(book: Path) -> None:
    content = openpyxl.load_workbook(book)
    summaries = ["Summary", "Summary of gaps"] if "Attendance" in content.sheetnames else []
    assert content.sheetnames[: 3 + len(summaries)] == ["Cover", *summaries, "Contents", "Notes"]
    assert "Definitions" in content.sheetnames
    table_names = []
    for sheet in content:
        assert sheet["A1"].value
        assert not sheet.merged_cells.ranges
        assert sheet.sheet_view.selection[0].activeCell == "A1"
        assert sheet["A1"].font.name == "Arial"
        assert (sheet["A1"].font.sz or 0) >= 12
        assert not any(row.hidden for row in sheet.row_dimensions.values())
        if sheet.title == "Cover":
            continue
        assert len(sheet.tables) == 1
        table = next(iter(sheet.tables.values()))
        table_names.append(table.name)
        (_, _, last_column, last_row) = openpyxl.utils.range_boundaries(table.ref)
        assert (sheet.max_row, sheet.max_column) == (last_row, last_column), "nothing stands below or beside the table"
        assert openpyxl.utils.range_boundaries(table.ref)[0] == 1, "the table stands against the left edge"
        headings = [column.name for column in table.tableColumns]
        assert len(set(headings)) == len(headings)
        for row in sheet.iter_rows(*openpyxl.utils.range_boundaries(table.ref)[1::2]):
            assert all(cell.value not in (None, "") for cell in row)
        first_row = openpyxl.utils.range_boundaries(table.ref)[1]
        assert all(sheet.cell(row, 2).value is None for row in range(1, first_row)), "information stands in column A"
    assert len(set(table_names)) == len(table_names)
    assert all(cell.data_type != "f" for sheet in content for row in sheet.iter_rows() for cell in row)


def test_the_document_has_a_title_and_a_language(book: Path) -> None:
    properties = openpyxl.load_workbook(book).properties
    assert properties.title
    assert properties.language == "en-GB"
    with zipfile.ZipFile(book) as archive:
        assert archive.testzip() is None
        assert not [name for name in archive.namelist() if "vba" in name or "media" in name]


def test_the_cover_says_which_release_of_when_and_how_whole(book: Path) -> None:
    text = " ".join(str(cell.value) for (cell,) in openpyxl.load_workbook(book)["Cover"].iter_rows(max_col=1))
    for part in (RELEASE_ID, "31 July 2026", "91% of expected sessions", "registry", "Tier:"):
        assert part in text


def test_hidden_figures_stand_as_shorthand_and_numbers_stay_numbers(settings: Settings, tmp_path: Path) -> None:
    path = export_table(settings, "school_pack", "public", "100003", "xlsx", tmp_path / "b.xlsx")
    sheet = openpyxl.load_workbook(path)["Attendance"]
    rows = list(sheet.iter_rows(values_only=True))
    head = next(i for i, row in enumerate(rows) if row[0] == "School")
    value, n, status = (rows[head].index(name) for name in ("Value", "Pupils (n)", "Status"))
    assert {row[status] for row in rows[head + 1 :]} <= {"shown", "[x]", "[c]", "[u]"}
    for row in rows[head + 1 :]:
        assert isinstance(row[value], float) == (row[status] == "shown")
        assert row[value] == row[status] or row[status] == "shown"
        assert isinstance(row[n], int) or row[n] in ("[x]", "[c]")
    assert any("[c] hidden to protect pupils" in str(row[0]) for row in rows[:head]), "shorthand is explained above"


def test_the_workbook_equals_the_release_cell_for_cell(settings: Settings, tmp_path: Path) -> None:
    path = export_table(settings, "school_pack", "leaders", "100001", "xlsx", tmp_path / "b.xlsx")
    rows = list(openpyxl.load_workbook(path)["Attendance"].iter_rows(values_only=True))
    head = next(i for i, row in enumerate(rows) if row[0] == "School")
    frame = pd.DataFrame(rows[head + 1 :], columns=rows[head])
    with open_as(settings, "leaders") as release:
        found = release.frame(
            "SELECT value FROM exports.measure_value WHERE unit_code = ? AND status = 'ok' AND measure_id LIKE "
            "'%_rate' AND (group_dimension = 'all' OR academic_year = '2025/26')",
            ["100001"],
        )
    shown = frame[frame["Status"] == "shown"]["Value"].astype(float)
    assert sorted(shown) == pytest.approx(sorted(found["value"]))
    assert len(shown) == len(found) > 0


def test_a_key_of_nineteen_digits_keeps_every_digit(settings: Settings, tmp_path: Path) -> None:
    path = export_table(settings, "marts.attendance_pupil_year", "school:100001", None, "xlsx", tmp_path / "b.xlsx")
    sheet = openpyxl.load_workbook(path)["attendance_pupil_year"]
    rows = list(sheet.iter_rows(values_only=True))
    head = next(i for i, row in enumerate(rows) if "Pupil key" in row)
    assert [row[rows[head].index("Pupil key")] for row in rows[head + 1 :]] == [str(1000010 + i) for i in range(5)]


def test_the_cover_says_first_what_the_home_says_of_itself(tmp_path: Path) -> None:
    settings = build_release(tmp_path / "home").model_copy(update={"notice": "Synthetic schools."})
    path = export_table(settings, "trust_pack", "leaders", None, "xlsx", tmp_path / "pack.xlsx")
    cover = [str(cell.value) for (cell,) in openpyxl.load_workbook(path)["Cover"].iter_rows(max_col=1) if cell.value]
    assert cover[1] == "Synthetic schools."


def test_a_share_that_rounds_to_nought_is_not_called_nought() -> None:
    """In a column of one decimal 0.04 % would stand as 0.0; nought itself does, and so does a gap, which has a sign."""
    of = {"measure_id": "severe", "status": "ok"}
    cells = [
        _excel_cell(column, of | {column: value}, unit, frozenset())
        for column, value, unit in (
            *(("value", 0.04, "percent"), ("value", 0.0, "percent"), ("value", 0.05, "percent")),
            *(("gap", 0.04, "percent"), ("value", 0.004, "standard deviations")),
        )
    ]
    assert cells == ["[low]", 0.0, 0.05, 0.04, 0.004]
    assert wording.cell_text("value", 0.04, "ok", "percent") == wording.STATUS_WORDS["low"]
    assert [readings.with_unit(value, "percent") for value in (0.04, 0.0, 0.06)] == ["less than 0.1%", "0.0%", "0.1%"]


def test_a_release_without_attendance_says_so_on_the_cover(tmp_path: Path) -> None:
    settings = build_release(tmp_path / "home", with_attendance=False)
    content = openpyxl.load_workbook(export_table(settings, "trust_pack", "leaders", None, "xlsx", tmp_path / "b.xlsx"))
    assert "Attendance" not in content.sheetnames
    assert any(
        "Attendance and absence: no data" in str(cell.value) for (cell,) in content["Cover"].iter_rows(max_col=1)
    )


def test_a_schools_workbook_takes_under_five_seconds(settings: Settings, tmp_path: Path) -> None:
    start = time.perf_counter()
    export_table(settings, "school_pack", "leaders", "100005", "xlsx", tmp_path / "b.xlsx")
    assert time.perf_counter() - start < 5


def test_csv_carries_symbols_the_release_and_the_columns_of_open_data(settings: Settings, tmp_path: Path) -> None:
    path = export_table(settings, "measure_value", "public", "100003", "csv", tmp_path / "b.csv")
    rows = list(csv.DictReader(path.open(encoding="utf-8", newline="")))
    assert list(rows[0])[:3] == ["time_period", "time_identifier", "geographic_level"]
    assert {row["time_period"] for row in rows} == {"202425", "202526"}
    assert {row["release_id"] for row in rows} == {RELEASE_ID}
    assert all(cell != "" for row in rows for cell in row.values())
    for row in rows:
        assert row["value"] == row["status"] or (row["status"] == "ok" and float(row["value"]) is not None)


def test_csv_from_a_schools_file_name_cannot_run_in_a_spreadsheet(settings: Settings, tmp_path: Path) -> None:
    path = export_table(settings, "delivery", "leaders", None, "csv", tmp_path / "b.csv")
    names = [row["file_name"] for row in csv.DictReader(path.open(encoding="utf-8", newline=""))]
    assert "'=dunmore_half.csv" in names
    assert not any(name.startswith("=") for name in names)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=20))
@example(["<NA>"])
def test_no_text_whatever_starts_a_formula_in_csv_and_none_is_lost(texts: list[str]) -> None:
    out = csv_text(pd.DataFrame({"reason": texts}), "r")
    cells = [row[0] for row in csv.reader(io.StringIO(out, newline=""))][1:]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert [
        cell.removeprefix("'") if text[0] in "=+-@\t\r" else cell for cell, text in zip(cells, texts, strict=True)
    ] == texts


def test_a_negative_number_is_not_guarded_in_csv() -> None:
    assert csv_text(pd.DataFrame({"value": [-0.5]}), "r").splitlines()[1] == "-0.5,r"


def test_parquet_has_the_rows_and_names_its_release(settings: Settings, tmp_path: Path) -> None:
    table = pq.read_table(export_table(settings, "gap", "public", None, "parquet", tmp_path / "b.parquet"))
    with open_as(settings, "public") as release:
        assert table.num_rows == release.rows("SELECT count(*) AS n FROM exports.gap")[0]["n"]
    assert table.schema.metadata[b"release_id"] == RELEASE_ID.encode()


@pytest.mark.parametrize(
    ("name", "role", "unit", "file_format", "error"),
    [
        ("gap", "public", None, "ods", ExportError),
        ("nothing", "public", None, "csv", ExportError),
        ("delivery", "public", None, "csv", ExportError),
        ("marts.attendance_pupil_year", "leaders", None, "csv", ExportError),
        ("school_pack", "leaders", None, "xlsx", ExportError),
        ("school_pack", "leaders", "100001", "csv", ExportError),
        ("school_pack", "leaders", "999999", "xlsx", ExportError),
        ("trust_pack", "leaders", "100001", "xlsx", ExportError),
        ("measure", "leaders", "100001", "csv", ReleaseError),
        ("school_pack", "school:100001", "100002", "xlsx", AccessError),
        ("trust_pack", "school:100001", None, "xlsx", AccessError),
        ("gap", "stranger", None, "csv", AccessError),
    ],
)
def test_what_cannot_be_exported_is_one_sentence_and_leaves_no_file(
    settings: Settings, tmp_path: Path, name: str, role: str, unit: str | None, file_format: str, error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        export_table(settings, name, role, unit, file_format, tmp_path / "out.file")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_fails_leaves_the_old_file_whole(settings: Settings, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("old")
    with pytest.raises(ExportError):
        export_table(settings, "nothing", "public", None, "csv", out)
    assert out.read_text() == "old"


@pytest.mark.parametrize(
    ("columns", "rows"),
    [(["A"], []), (["A", "A"], [(1, 2)]), (["A"], [(None,)]), (["A"], [("",)])],
    ids=["no rows", "repeated heading", "missing cell", "empty cell"],
)
def test_a_sheet_that_breaks_the_rules_is_not_written(
    tmp_path: Path, columns: list[str], rows: list[tuple[object, ...]]
) -> None:
    import datetime as dt

    sheet = Sheet("S", "T", [], columns, rows)
    with pytest.raises(WorkbookError):
        write_workbook(tmp_path / "b.xlsx", "T", ["c"], ["n"], [sheet], dt.datetime(2026, 1, 1))
    assert list(tmp_path.iterdir()) == []


def rows_of(path: Path, sheet: str) -> list[dict[str, object]]:
    """The table of a sheet, by heading."""
    rows = list(openpyxl.load_workbook(path)[sheet].iter_rows(values_only=True))
    head = next(i for i, row in enumerate(rows) if all(cell is not None for cell in row) and len(row) > 1)
    return [dict(zip(map(str, rows[head]), row, strict=True)) for row in rows[head + 1 :]]


def test_a_summary_starts_with_last_year_beside_this_year_and_equals_the_release(
    settings: Settings, tmp_path: Path
) -> None:
    path = export_table(settings, "school_pack", "leaders", "100001", "xlsx", tmp_path / "b.xlsx")
    found = {row["Measure"]: row for row in rows_of(path, "Summary")}
    with open_as(settings, "leaders") as release:
        wanted = release.rows(
            "SELECT name, academic_year, value, n, v.status FROM exports.measure_value v JOIN exports.measure "
            "USING (measure_id) WHERE unit_code = ? AND group_dimension = 'all'",
            ["100001"],
        )
    assert len(found) * 2 == len(wanted) > 0
    for row in wanted:
        column = "Value" if row["academic_year"] == "2025/26" else "Same part, year before"
        assert row["status"] == "ok"
        assert found[row["name"]][column] == pytest.approx(row["value"])
    assert {row["Status"] for row in found.values()} == {"shown"}
    assert {row["Compared over"] for row in found.values()} == {"Year to date"}
    assert {row["Compared with the year before"] for row in found.values()} <= {
        "similar",
        "above",
        "below",
        "cannot tell",
    }


def test_a_summary_of_gaps_names_both_groups_with_both_numbers(settings: Settings, tmp_path: Path) -> None:
    rows = rows_of(
        export_table(settings, "trust_pack", "leaders", None, "xlsx", tmp_path / "b.xlsx"), "Summary of gaps"
    )
    assert {(row["Group"], row["Compared with"]) for row in rows} == {
        ("Disadvantaged", "Not known to be disadvantaged"),
        ("Boys", "Girls"),
    }
    for row in rows:
        assert isinstance(row["Pupils in the group (n)"], int)
        assert isinstance(row["Pupils compared with (n)"], int)
        assert isinstance(row["Effect size (gap in standard deviations)"], float)


def test_a_summary_of_hidden_figures_says_so_in_words(settings: Settings, tmp_path: Path) -> None:
    rows = rows_of(export_table(settings, "school_pack", "public", "100003", "xlsx", tmp_path / "b.xlsx"), "Summary")
    hidden = [row for row in rows if row["Status"] != "shown"]
    assert hidden
    assert all(str(row["Value"]) in ("[c]", "[x]", "[u]") for row in hidden)
    assert all(str(row["Value"])[1:-1] in str(row["Status"]) for row in hidden)


def test_an_exported_table_has_names_beside_its_keys(settings: Settings, tmp_path: Path) -> None:
    rows = rows_of(export_table(settings, "gap", "leaders", None, "xlsx", tmp_path / "new"), "gap")
    assert (tmp_path / "new" / "gap.xlsx").is_file()
    first = next(row for row in rows if row["Unit code"] == "100001" and row["Group value"] == "M")
    assert (first["School"], first["Group"], first["Compared with, name"], first["Period, name"]) == (
        "Ashgrove Primary School",
        "Boys",
        "Girls",
        "Year to date",
    )


def test_the_trusts_workbook_says_which_figures_rest_on_fewer_schools(settings: Settings, tmp_path: Path) -> None:
    book = openpyxl.load_workbook(export_table(settings, "trust_pack", "public", None, "xlsx", tmp_path / "b.xlsx"))
    fewer = "All schools of Example Learning Trust, 2025/26: Registers came from 5 of 6 schools"
    for name in ("Summary", "Summary of gaps"):
        assert any(str(row[0]).startswith(fewer) for row in book[name].iter_rows(values_only=True)), name
    for name in ("Attendance", "Gaps"):
        rows = list(book[name].iter_rows(values_only=True))
        head = next(i for i, row in enumerate(rows) if row[0] == "School or area")
        frame = pd.DataFrame(rows[head + 1 :], columns=rows[head])
        whole = frame["School or area"].eq("All schools of Example Learning Trust") & frame["Measure"].str.contains(
            "bsence|ttendance"
        )
        assert set(frame.loc[whole & frame["Academic year"].eq("2025/26"), "Registers came from"]) == {"5 of 6 schools"}
        assert set(frame.loc[whole & frame["Academic year"].eq("2024/25"), "Registers came from"]) <= {"all 6 schools"}
        assert set(frame.loc[~whole, "Registers came from"]) == {"[z]"}


def test_a_year_that_runs_is_not_set_beside_a_whole_one() -> None:
    """In November attendance is above the whole year before and below what it was a year ago."""
    rows = [
        ("2025/26", "YTD", 94.1),
        ("2025/26", "AUT", 94.1),
        ("2025/26", "HT1", 94.2),
        ("2025/26", "HT2", 93.8),
        ("2024/25", "YTD", 92.8),
        ("2024/25", "AUT", 94.4),
        ("2024/25", "HT1", 95.0),
    ]
    values = pd.DataFrame(rows, columns=["academic_year", "period", "value"]).assign(
        level="school", unit_code="100001", measure_id="attendance_rate", group_dimension="all", status="ok"
    )
    values = values.assign(ci_low=values["value"] - 0.2, ci_high=values["value"] + 0.2)
    (found,) = headlines(values, "school", dt.date(2025, 11, 20)).to_dict("records")
    assert (found["value"], found["value_compared"], found["value_before"]) == (94.1, 94.2, 95.0)
    assert (found["compared_over"], found["against_before"]) == ("Half-term 1", "below")
    so_far = values[values["period"].ne("HT2")]
    (early,) = headlines(so_far, "school", dt.date(2025, 9, 20)).to_dict("records")
    assert (early["compared_over"], early["against_before"]) == ("no part is over yet", "cannot tell")
    (whole,) = headlines(values, "school", dt.date(2026, 7, 31)).to_dict("records")
    assert (whole["compared_over"], whole["value_before"], whole["against_before"]) == ("Year to date", 92.8, "above")
