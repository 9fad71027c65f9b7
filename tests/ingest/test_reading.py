"""Shapes in which the same table may come."""

import csv
import gzip
import io
import zipfile
from datetime import date
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.cells import parse_date, slug
from ingest.decoding import decode_file
from ingest.file_names import extent_of, read_file_name
from ingest.recognise import recognise
from ingest.refusal import FileRefused
from ingest.tabular import TextTable, _read_carefully, _read_fast, read_table
from tests.ingest.landing import SCHOOL, Landing, upn

ROWS = [["UPN", "Forename", "Surname"], [upn(1), "Zoë", "O’Hara"], [upn(2), "René", "Smith, J"]]


def as_text(rows: list[list[str]], delimiter: str = ",") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue()


def texts(table: TextTable) -> list[list[str]]:
    return [[column.values[column.codes[row]] for column in table.columns] for row in range(table.n_rows)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", "\t"])
@pytest.mark.parametrize("zipped", [False, True])
def test_every_encoding_reads_to_the_same_table(encoding: str, delimiter: str, zipped: bool, tmp_path: Path) -> None:
    raw = as_text(ROWS, delimiter).encode(encoding)
    path = tmp_path / ("list.csv.gz" if zipped else "list.csv")
    path.write_bytes(gzip.compress(raw) if zipped else raw)
    table = read_table(path, tmp_path)
    assert list(table.header) == ROWS[0]
    assert texts(table) == ROWS[1:]
    assert table.lines.tolist() == [2, 3]


def test_a_workbook_reads_as_text(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (
        ["UPN", "DOB", "Year", "FSM"],
        [upn(1), date(2014, 5, 1), 5, True],
        [],
        [upn(2), "01/06/2014", 5.5, False],
    ):
        sheet.append(row)
    book.save(tmp_path / "list.xlsx")
    table = read_table(tmp_path / "list.xlsx", tmp_path)
    assert texts(table) == [[upn(1), "2014-05-01", "5", "TRUE"], [upn(2), "01/06/2014", "5.5", "FALSE"]]
    assert table.lines.tolist() == [2, 4]


def test_lines_are_right_after_blank_lines_and_quoted_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text('\n\nA,B\n1,"two\nlines"\n\n3,4\r\n5\n6,7\n')
    table = read_table(path, tmp_path)
    assert texts(table) == [["1", "two\nlines"], ["3", "4"], ["6", "7"]]
    assert table.lines.tolist() == [4, 7, 9]
    assert table.ragged == ((8, "5"),)
    assert table.rows_read == 4


@pytest.mark.parametrize(
    "rows",
    [
        '1,"a,b,c\n2,a,b,c\n3,a,b,c\n',  # to the end of the file
        '1,"a,b,c\n2,a,b,c\n3,"a,b,c\n',  # to the next one, over whole rows
        '1,"a,b,c\n2,a,"b,c\n',  # to the next one, in the row below
    ],
)
def test_a_quotation_mark_that_swallows_rows_is_refused_with_its_line(rows: str, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"A,B,C,D\n0,a,b,c\n{rows}")
    with pytest.raises(
        FileRefused, match=r"^list\.csv, line 3: a quotation mark begins a cell here and does not end it"
    ):
        read_table(path, tmp_path)


def test_a_cell_of_several_lines_is_a_cell(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text('A,B,C,D\n1,"said: a, b\nand c\n, then d",b,c\n2,a,"",\n')
    assert texts(read_table(path, tmp_path)) == [["1", "said: a, b\nand c\n, then d", "b", "c"], ["2", "a", "", ""]]


def test_trailing_empty_cells_do_not_make_a_row_ragged(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("A,B,\n1,2,\n3,4,,\n")
    assert texts(read_table(path, tmp_path)) == [["1", "2"], ["3", "4"]]


fields = st.text(st.sampled_from('ab,"\n\r \té’'), max_size=5)


@given(rows=st.lists(st.tuples(fields, fields), max_size=8), line_end=st.sampled_from(["\n", "\r\n"]))
def test_the_fast_way_reads_as_the_careful_way_or_not_at_all(
    rows: list[tuple[str, str]], line_end: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator=line_end).writerows([("A", "B"), *rows])
    folder = tmp_path_factory.getbasetemp()
    path = folder / "same.csv"
    path.write_bytes(out.getvalue().encode())
    text = decode_file(path, folder)
    fast = _read_fast(text, ",", "same.csv")
    careful = _read_carefully(text, ",", "same.csv")
    if fast is not None:
        assert texts(fast) == texts(careful)
        assert fast.lines.tolist() == careful.lines.tolist()
        assert not careful.ragged


def test_a_large_file_is_decoded_beside_memory_and_reads_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(as_text(ROWS + [[upn(n), "Zoë", "x"] for n in range(500)]).encode("cp1252"))
    small = texts(read_table(path, tmp_path))
    monkeypatch.setattr("ingest.decoding.IN_MEMORY_BYTES", 100)
    monkeypatch.setattr("ingest.decoding.CHUNK_BYTES", 64)
    monkeypatch.setattr("ingest.tabular.BLOCK_BYTES", 1000)
    assert texts(read_table(path, tmp_path)) == small


@pytest.mark.parametrize(
    "header",
    [
        "Forename,Surname,Adno,UPN,Year,Reg,Legal Surname",
        "Forename,Surname,Email,UPN,Year,Reg",
        "First name,Last name,Email,UPN,Year group,Registration form",
        "FirstName,LastName,StudentEmail,UPN,YearGroup,Form",
        "upn,SURNAME,date_of_birth",
    ],
)
def test_lists_of_each_system_are_known_by_their_headers(header: str) -> None:
    names = [name for name in header.split(",") if name != "Legal Surname"]
    assert recognise(names, "list.csv").feed == "pupils"


@pytest.mark.parametrize(
    ("header", "feed"),
    [
        ("UPN,Date,Session,Mark,Minutes Late,Comment", "session_marks"),
        ("Mark,session_date,UPN,SESSION", "session_marks"),
        ("LAESTAB,Date,Session,Status", "calendar"),
        ("UPN,Assessment,Subject,Result,Scale,Date", "assessment_results"),
        ("URN,LinkURN,LinkName,LinkType,LinkEstablishedDate", "school_links"),
        ("URN,LA (code),EstablishmentNumber,EstablishmentName", "schools"),
    ],
)
def test_a_feed_is_known_by_its_header(header: str, feed: str) -> None:
    assert recognise(header.split(","), "file.csv").feed == feed


def test_a_missing_column_is_named_with_all_that_was_looked_for() -> None:
    with pytest.raises(FileRefused, match=r"'Mark' or 'Code' or 'Attendance mark'.*add the column"):
        recognise(["UPN", "Date", "Session"], "marks.csv", "session_marks")


def test_two_headings_of_one_meaning_are_refused() -> None:
    with pytest.raises(FileRefused, match="'Mark' and 'Code' both mean code"):
        recognise(["UPN", "Date", "Session", "Mark", "Code"], "marks.csv", "session_marks")


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2025-09-01", date(2025, 9, 1)),
        ("01/09/2025", date(2025, 9, 1)),
        ("01-09-2025", date(2025, 9, 1)),
        ("2025-09-01T00:00:00", date(2025, 9, 1)),
        ("01/09/2025 00:00", date(2025, 9, 1)),
        ("2025-02-29", None),
        ("09/31/2025", None),
        ("1/9/25", None),
        ("", None),
    ],
)
def test_dates_are_iso_or_british_and_never_guessed(text: str, day: date | None) -> None:
    assert parse_date(text) == day


def test_slugs_are_lower_case_with_hyphens() -> None:
    assert slug("Standardised test (Autumn)") == "standardised-test-autumn"


def test_a_name_says_window_as_at_day_and_time_of_extraction() -> None:
    facts = read_file_name("marks_2025-09-01_2025-09-05_20250905T180000.csv")
    assert facts.window == (date(2025, 9, 1), date(2025, 9, 5))
    assert str(facts.extracted_at) == "2025-09-05 18:00:00"
    assert facts.day is None
    facts = read_file_name("pupils_2025-10-02_20251003T0200.csv")
    assert (facts.day, str(facts.extracted_at)) == (date(2025, 10, 2), "2025-10-03 02:00:00")
    assert str(read_file_name("edubasealldata20250901.csv").extracted_at) == "2025-09-01 00:00:00"
    assert read_file_name("register 8014001.csv").extracted_at is None
    assert read_file_name("marks_2025-09-01_2025-09-05.csv").extracted_at is None


def test_a_name_says_whether_the_file_is_the_whole_school() -> None:
    extent: dict[str, object] = {"default": "whole_school", "file_name": {"pupils_in_file": ["amendments"]}}
    assert extent_of("marks_Amendments_20250905.csv", extent) == "pupils_in_file"
    assert extent_of("marks_20250905.csv", extent) == "whole_school"


def test_booleans_and_coded_cells_are_read_as_schools_write_them(landing: Landing) -> None:
    header = "Adno,Surname,FSM Eligible,In care,Pupil premium,Ethnicity,SEN status,Year group\n"
    rows = '1,Bo,T,Yes,1,WBRI - White British,"E - Education, Health and Care Plan",Year 5\n2,Cy,F,n,0,,k,R\n'
    landing.put(f"pupils/{SCHOOL}/p_20250905T180000.csv", header + rows)
    landing.ingest()
    names = ("is_fsm", "is_looked_after", "is_pupil_premium", "ethnicity", "sen_provision", "nc_year", "flags")
    assert [tuple(row[name] for name in names) for row in landing.accepted("pupils")] == [
        (True, True, True, "WBRI", "E", "5", None),
        (False, False, False, None, "K", "R", None),
    ]


@pytest.mark.parametrize("far", ["XFD1048576", "AAA9999999"])
def test_a_small_workbook_that_reaches_over_a_billion_cells_is_refused(tmp_path: Path, far: str) -> None:
    """The reader lays out every cell between the first and the last: the process would end, and the run with it."""
    book = openpyxl.Workbook()
    book.active.append(["UPN", "Date"])
    book.save(tmp_path / "plain.xlsx")
    with (
        zipfile.ZipFile(tmp_path / "plain.xlsx") as plain,
        zipfile.ZipFile(tmp_path / "far.xlsx", "w", zipfile.ZIP_DEFLATED) as hostile,
    ):
        for entry in plain.namelist():
            cell = f'<row r="{far[3:]}"><c r="{far}" t="inlineStr"><is><t>x</t></is></c></row></sheetData>'.encode()
            hostile.writestr(entry, plain.read(entry).replace(b"</sheetData>", cell))
    with pytest.raises(FileRefused, match=r"far\.xlsx: a sheet reaches over \d+ columns"):
        read_table(tmp_path / "far.xlsx", tmp_path)


def test_a_workbook_that_unfolds_into_more_than_it_may_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = openpyxl.Workbook()
    for _ in range(1000):
        book.active.append(["the same text"] * 20)
    book.save(tmp_path / "bomb.xlsx")
    monkeypatch.setattr("ingest.tabular.LARGEST_WORKBOOK_BYTES", 100_000)
    with pytest.raises(FileRefused, match=r"bomb\.xlsx: the workbook unfolds"):
        read_table(tmp_path / "bomb.xlsx", tmp_path)
