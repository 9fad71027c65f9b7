"""Ten schools of a trust: one sends no register, one loses a day's marks, one is shut for a day by its calendar.

Nine schools of 110 pupils and one of 135, so that 990 of 1,125 pupils, 88 %, are at schools that sent registers. The
year before, all ten sent theirs. Every tenth pupil is ill on the first day of each year, and nobody on any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import openpyxl
import pytest

from ingest.settings import load_settings
from tests.chain.conftest import Home
from tests.chain.test_what_arrives_late_or_broken import upn, write
from tests.dashboard.test_pages import run_page, text_of

pytestmark = [pytest.mark.chain, pytest.mark.usefixtures("fresh_pages")]

SCHOOLS = [f"8502{number}" for number in range(901, 911)]
SILENT, GAPPY, SHUT = SCHOOLS[9], SCHOOLS[1], SCHOOLS[2]
PUPILS = {laestab: 135 if laestab == SILENT else 110 for laestab in SCHOOLS}
DAYS = {
    first: [first + timedelta(days=offset) for offset in range(4)] for first in (date(2024, 9, 9), date(2025, 9, 8))
}
BEFORE, NOW = DAYS
LOST = CLOSED = NOW + timedelta(days=2)
REGISTERS = "9 of 10 schools"
SENTENCES = {
    "public": f"Registers came from {REGISTERS}; none came from the other.",
    "pupils": "Registers came from 9 of 10 schools, 88% of pupils; none came from the other.",
}


def urn(laestab: str) -> str:
    return f"99{laestab[3:]}"


def write_trust(landing: Path, pupils: Mapping[str, int] = PUPILS) -> None:
    schools = [
        f"{urn(laestab)},850,Hampshire,{laestab[3:]},School {laestab},Open,01/09/2010,Primary,Mixed,9001,Ten Schools"
        for laestab in SCHOOLS
    ]
    header = "URN,LA (code),LA (name),EstablishmentNumber,EstablishmentName,EstablishmentStatus (name),OpenDate"
    header += ",PhaseOfEducation (name),Gender (name),Trusts (code),Trusts (name)"
    write(landing / "schools" / "establishments_20240901T060000.csv", [header, *schools])
    for laestab in SCHOOLS:
        for first, days in DAYS.items():
            _write_year(landing, laestab, first, days, pupils[laestab])


def _write_year(landing: Path, laestab: str, first: date, days: list[date], n_pupils: int) -> None:
    stamp = f"{first:%Y%m%d}T060000"
    closed = {CLOSED} if laestab == SHUT else set()
    sessions = [
        f"{laestab},{day},{session},{'closed' if day in closed else 'open'}" for day in days for session in ("AM", "PM")
    ]
    write(
        landing / "calendar" / laestab / f"calendar_{first.year}_{stamp}.csv",
        ["LAESTAB,Date,Session,Status", *sessions],
    )
    header = (
        "LAESTAB,UPN,Surname,Forename,DOB,Sex,Year Group,Entry Date,Enrolment Status,FSM,FSM6,SEN Provision,As At Date"
    )
    pupils = [
        f"{laestab},{upn(laestab, n)},Family{n},Given{n},2015-0{n % 9 + 1}-11,{'FM'[n % 2]},5,2024-09-02,C,"
        f"{'NY'[n % 3 == 0]},{'NY'[n % 3 == 0]},N,{first}"
        for n in range(n_pupils)
    ]
    write(landing / "pupils" / laestab / f"pupils_{first}_{stamp}.csv", [header, *pupils])
    if laestab == SILENT and first == NOW:
        return
    without = closed | ({LOST} if laestab == GAPPY else set())
    marks = [
        f"{upn(laestab, n)},{day},{session},{'I' if day == first and n % 10 == 0 else mark}"
        for n in range(n_pupils)
        for day in days
        if day not in without
        for session, mark in (("AM", "/"), ("PM", "\\"))
    ]
    name = f"register_{days[0]}_{days[-1]}_{first.year}1001T180000.csv"
    write(landing / "session_marks" / laestab / name, ["UPN,Date,Session,Mark", *marks])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    built = Home(tmp_path_factory.mktemp("coverage") / "home")
    write_trust(built.landing)
    # The year is over, so it is set beside the year before.
    built.run("run", "--as-of", "2026-07-31")
    return built


def figure(home: Home, laestab: str, year: str = "2025/26") -> dict[str, object]:
    (row,) = home.sql(
        "select value, coverage, status from exports.measure_value where level = 'school' and period = 'YTD' "
        f"and measure_id = 'attendance_rate' and group_dimension = 'all' and unit_code = '{urn(laestab)}' "
        f"and academic_year = '{year}'"
    )
    return row


def sessions(home: Home, laestab: str) -> tuple[int, ...]:
    (row,) = home.sql(
        "select sum(attended) as attended, sum(possible) as possible, sum(missing) as missing "
        f"from marts.attendance_enrolment_year where urn = '{urn(laestab)}' and academic_year = '2025/26'",
        role="operator",
    )
    return tuple(int(row[part]) for part in ("attended", "possible", "missing"))


@pytest.mark.parametrize("tier", list(SENTENCES))
@pytest.mark.parametrize("view", ["overview", "attendance"])
def test_the_pages_say_that_the_figure_rests_on_nine_of_ten_schools(
    home: Home, view: str, tier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = text_of(run_page(load_settings(home.path), view, monkeypatch, tier))
    assert SENTENCES[tier] in text
    if view == "overview":
        # The nine schools: 11 of 110 pupils missed 2 of 8 sessions, a fortieth; where a day is gone, of 6.
        rebased = 100 * (1 - 9 * 22 / (7 * 880 + 2 * 660))
        assert f"9 schools have figures in both; there it was 97.5% and is {rebased:.1f}%." in text
    for first in (BEFORE, NOW):
        (row,) = home.sql(
            "select schools, schools_received from exports.unit_coverage "
            f"where level = 'trust' and period = 'W{first:%G-%V}'"
        )
        lacking = first == NOW
        assert tuple(row.values()) == (10, 9 if lacking else 10)


def test_the_trusts_workbook_says_it_too(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "pack.xlsx"
    home.run("export", "trust_pack", "--as", "leaders", "--out", str(path))
    book = openpyxl.load_workbook(path)
    lines = [str(row[0]) for row in book["Summary"].iter_rows(values_only=True)]
    assert f"All schools of Ten Schools, 2025/26: {SENTENCES['public']}" in lines
    assert any("9 schools have figures in both" in line for line in lines)
    cells = {cell for row in book["Attendance"].iter_rows(values_only=True) for cell in row}
    assert {REGISTERS, "all 10 schools"} <= cells


def test_a_day_without_marks_is_neither_attended_nor_absent(home: Home) -> None:
    pupils = PUPILS[GAPPY]
    assert sessions(home, GAPPY) == (6 * pupils - 22, 6 * pupils, 2 * pupils)
    row = figure(home, GAPPY)
    assert row["value"] == pytest.approx(100 * (1 - 22 / (6 * pupils)), abs=1e-6)
    assert row["coverage"] == pytest.approx(75)
    assert row["status"] == "ok"


def test_a_closure_in_the_calendar_is_no_gap_and_gives_no_warning(home: Home) -> None:
    pupils = PUPILS[SHUT]
    assert sessions(home, SHUT) == (6 * pupils - 22, 6 * pupils, 0)
    assert figure(home, SHUT)["coverage"] == 100
    (coverage,) = home.sql(
        "select share, status from exports.coverage join exports.dim_school using (school_key) "
        f"where feed = 'session_marks' and period = 'YTD' and academic_year = '2025/26' and urn = '{urn(SHUT)}'"
    )
    assert (coverage["share"], coverage["status"]) == (100, "ok")
    assert home.sql("select rule_id, school_key from exports.data_quality_issue", role="leaders") == []
    assert home.manifest()["gate"]["n_warnings"] == 0


def test_the_school_that_sent_nothing_has_no_figure(home: Home) -> None:
    row = figure(home, SILENT)
    assert (row["value"], row["status"]) == (None, "x")
    assert figure(home, SILENT, "2024/25")["value"] == pytest.approx(100 * (1 - 28 / (8 * 135)), abs=1e-6)


@pytest.fixture(scope="module")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The same trust, but the school that sends nothing has four pupils."""
    built = Home(tmp_path_factory.mktemp("small") / "home")
    write_trust(built.landing, PUPILS | {SILENT: 4})
    built.run("run", "--as-of", "2025-09-14")
    return built


@pytest.mark.parametrize("tier", ["public", "leaders"])
def test_what_a_small_silent_school_was_to_send_is_told_by_no_row_of_its_own_or_of_its_trust(
    small_home: Home, tier: str
) -> None:
    of_school = small_home.sql(
        "select school_key, expected, status from exports.coverage where feed = 'session_marks' "
        "and academic_year = '2025/26' and period = 'YTD'",
        role=tier,
    )
    hidden = [row for row in of_school if row["expected"] is None]
    assert [(row["school_key"][-6:], row["status"]) for row in hidden] == [(urn(SILENT), "c")]
    assert len(of_school) == len(SCHOOLS)
    of_units = small_home.sql(
        "select level, value, coverage, status from exports.measure_value where measure_id = 'attendance_rate' "
        "and academic_year = '2025/26' and group_dimension = 'all' and level <> 'school'",
        role=tier,
    )
    assert {row["level"] for row in of_units} == {"trust", "la"}
    assert {(row["coverage"], row["status"]) for row in of_units} == {(None, "ok")}
    assert all(row["value"] is not None for row in of_units)
