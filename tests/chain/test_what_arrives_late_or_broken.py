"""One small trust through a year's mishaps: a vanished leaver, an older list come late, half a register, spoilt files.

Twelve pupils at a primary and ten at a secondary, a calendar of 190 days, every mark written out, so that each figure
asked for below can be worked out by hand. Three runs in all: as it should be, with the mishaps, and with the held file
accepted.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from ingest.upn import check_letter
from tests.chain.conftest import Home

pytestmark = pytest.mark.chain

PRIMARY, SECONDARY = "8502901", "8504902"
FIRST_DAY = date(2025, 9, 3)
LEAVER = 11
VANISHED_ON = "2026-03-02"
SPOILT = ("binary", "columns", "empty", "short", "twice")
# Sessions missed by the first pupils of the primary: both sides of 10 % and of 50 % of 380.
MISSED = {0: 38, 1: 37, 2: 190, 3: 189}


def upn(laestab: str, number: int) -> str:
    body = f"{laestab}20{number:03d}"
    return check_letter(body) + body


def school_days(count: int = 190) -> list[date]:
    """The first `count` weekdays of the year: no holidays, so that 190 days are exactly 380 sessions."""
    days = (FIRST_DAY + timedelta(days=offset) for offset in range(400))
    return [day for day in days if day.weekday() < 5][:count]


def write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_pupils(landing: Path, laestab: str, as_at: str, numbers: list[int], fsm: set[int]) -> None:
    header = (
        "LAESTAB,UPN,Surname,Forename,DOB,Sex,Year Group,Entry Date,Enrolment Status,FSM,FSM6,SEN Provision,As At Date"
    )
    rows = [
        f"{laestab},{upn(laestab, n)},Family{n},Given{n},2015-0{n % 9 + 1}-11,{'FM'[n % 2]},5,2025-09-03,C,"
        f"{'Y' if n in fsm else 'N'},{'Y' if n in fsm else 'N'},N,{as_at}"
        for n in numbers
    ]
    stamp = as_at.replace("-", "")
    write(landing / "pupils" / laestab / f"pupils_{as_at}_{stamp}T060000.csv", [header, *rows])


def mark(laestab: str, number: int, session_index: int) -> str:
    missed = MISSED.get(number, 0) if laestab == PRIMARY else 0
    return "I" if session_index < missed else "/\\"[session_index % 2]


def register(laestab: str, numbers: list[int], days: list[date]) -> list[str]:
    first = {day: index for index, day in enumerate(school_days())}
    return [
        f"{upn(laestab, n)},{day.isoformat()},{session},{mark(laestab, n, 2 * first[day] + offset)}"
        for n in numbers
        for day in days
        if not (laestab == PRIMARY and n == LEAVER and day.isoformat() >= VANISHED_ON)
        for offset, session in enumerate(("AM", "PM"))
    ]


def write_register(landing: Path, laestab: str, rows: list[str], extracted_at: str) -> None:
    days = school_days()
    name = f"register_{days[0].isoformat()}_{days[-1].isoformat()}_{extracted_at}.csv"
    write(landing / "session_marks" / laestab / name, ["UPN,Date,Session,Mark", *rows])


def write_trust(landing: Path) -> None:
    write(
        landing / "schools" / "establishments_20250901T060000.csv",
        [
            "URN,LA (code),LA (name),EstablishmentNumber,EstablishmentName,EstablishmentStatus (name),OpenDate,"
            "PhaseOfEducation (name),Gender (name),Trusts (code),Trusts (name)",
            "990001,850,Hampshire,2901,Alder Primary,Open,01/09/2010,Primary,Mixed,9001,Two School Trust",
            "990002,850,Hampshire,4902,Birch Secondary,Open,01/09/2010,Secondary,Mixed,9001,Two School Trust",
        ],
    )
    for laestab in (PRIMARY, SECONDARY):
        rows = [f"{laestab},{day.isoformat()},{session},open" for day in school_days() for session in ("AM", "PM")]
        write(
            landing / "calendar" / laestab / "calendar_2025-26_20250901T060000.csv",
            ["LAESTAB,Date,Session,Status", *rows],
        )
    write_pupils(landing, PRIMARY, "2025-09-03", list(range(12)), fsm={0, 4, 5})
    write_pupils(landing, PRIMARY, VANISHED_ON, list(range(11)), fsm={0, 4, 5, 6})
    write_pupils(landing, SECONDARY, "2025-09-03", list(range(10)), fsm={1, 2})
    write_register(landing, PRIMARY, register(PRIMARY, list(range(12)), school_days()), "20260724T180000")
    write_register(landing, SECONDARY, register(SECONDARY, list(range(10)), school_days()), "20260724T180000")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    built = Home(tmp_path_factory.mktemp("mishaps") / "home")
    write_trust(built.landing)
    built.run("run", "--as-of", "2026-09-01")
    return built


YEARS = (
    "select possible, attended, authorised, unauthorised, missing, is_persistent_absent, is_severely_absent"
    " from marts.attendance_enrolment_year where urn = '990001' order by authorised desc"
)
LEFT = (
    "select leaving_date, leaving_date_basis, count(*) as n from marts.fct_enrolment where urn = '990001'"
    " and leaving_date is not null group by all"
)


def test_1_boundaries_of_persistent_and_severe_absence(home: Home) -> None:
    """38 of 380 sessions is persistent, 37 is not; 190 is severe, 189 is not."""
    rows = home.sql(YEARS, role="operator")
    assert len(rows) == 12
    worst = [(int(r["authorised"]), bool(r["is_persistent_absent"]), bool(r["is_severely_absent"])) for r in rows[:5]]
    assert worst == [(190, True, True), (189, True, False), (38, True, False), (37, False, False), (0, False, False)]
    assert {int(row["possible"]) for row in rows[:4]} == {380}
    assert {int(row["missing"]) for row in rows} == {0}


def test_2_a_leaver_who_vanishes_keeps_the_enrolment_up_to_then(home: Home) -> None:
    (left,) = home.sql(LEFT, role="operator")
    assert (str(left["leaving_date"])[:10], left["leaving_date_basis"], int(left["n"])) == (VANISHED_ON, "inferred", 1)
    sessions = home.sql(
        "select max(session_date) as last, count(*) as n from marts.fct_session where enrolment_key in"
        " (select enrolment_key from marts.fct_enrolment where leaving_date is not null and urn = '990001')",
        role="operator",
    )
    before = [day for day in school_days() if day.isoformat() < VANISHED_ON]
    assert (str(sessions[0]["last"])[:10], int(sessions[0]["n"])) == (before[-1].isoformat(), 2 * len(before))


def test_3_mishaps_change_nothing_that_is_newer(home: Home) -> None:
    """A late older list, half a register and spoilt files: held, refused and named; the figures stand."""
    years = "pupils/attendance_enrolment_year"
    before = home.content_hashes()[years]
    fsm = "select count(*) as n from marts.dim_pupil_status where is_fsm and valid_to > date '2026-09-01'"
    fsm_before = home.sql(fsm, role="operator")
    write_pupils(home.landing, PRIMARY, "2025-10-06", list(range(12)), fsm={0})
    half = register(PRIMARY, list(range(6)), school_days())
    write_register(home.landing, PRIMARY, half, "20260725T180000")
    marks = home.landing / "session_marks" / SECONDARY
    (marks / "empty_20260701T180000.csv").write_bytes(b"")
    (marks / "binary_20260701T180000.csv").write_bytes(bytes(range(256)) * 40)
    write(marks / "columns_20260701T180000.csv", ["UPN,Date,Mark", f"{upn(SECONDARY, 0)},2026-07-01,/"])
    write(marks / "twice_20260701T180000.csv", ["UPN,Date,Session,Mark,Mark", f"{upn(SECONDARY, 0)},2026-07-01,AM,/,L"])
    write(home.landing / "stranger_20260701T180000.csv", ["Colour,Animal", "red,cat"])
    (marks / "short_20260701T180000.csv").write_text(
        f"UPN,Date,Session,Mark\n{upn(SECONDARY, 0)},2026-07-01,AM,/\n{upn(SECONDARY, 1)},2026-0", encoding="utf-8"
    )
    done = home.run("run", "--as-of", "2026-09-01", expect=1)
    said = done.stdout + done.stderr
    for name in (*SPOILT, "stranger"):
        assert f"{name}_2026" in said, f"the run does not name {name}\n{said}"
    assert "Traceback" not in said
    again = home.run("run", "--as-of", "2026-09-01", expect=1)
    assert "Error:" not in said + again.stderr, "what was published stands"
    assert "Nothing new" in again.stderr, "a refused file is told every night, with its folder"
    spoilt = [f"session_marks/{SECONDARY}/{name}_20260701T180000.csv" for name in SPOILT] + [
        "stranger_20260701T180000.csv"
    ]
    assert [name in again.stderr for name in spoilt] == [True] * 5 + [False], "the first five in order of their path"
    assert "And 1 more: everypupil status names each." in again.stderr
    status = json.loads(home.run("status", "--json", expect=None).stdout)
    assert [row["file_name"] for row in status["refused_files"]] == spoilt
    assert all(row["sentence"].startswith(row["file_name"]) for row in status["refused_files"])
    assert "partial" in json.dumps(status)
    assert home.content_hashes()[years] == before
    assert home.sql(fsm, role="operator") == fsm_before
    held = home.sql("select rows_held, rows_accepted from marts.delivery where rows_held > 0", role="operator")
    assert [int(row["rows_held"]) for row in held] == [len(half)]


def test_4_accepting_the_held_register_applies_it(home: Home) -> None:
    (held,) = home.sql("select delivery_id from marts.delivery where rows_held > 0", role="operator")
    home.run("accept", "--partial", held["delivery_id"])
    home.run("run", "--as-of", "2026-09-01", expect=None)
    rows = home.sql(YEARS, role="operator")
    assert sum(int(row["missing"]) for row in rows) > 0
    assert sum(1 for row in rows if int(row["possible"]) == 0) == 6


def test_5_every_file_and_every_feed_adds_up(home: Home) -> None:
    deliveries = home.sql("select * from marts.delivery", role="operator")
    for row in deliveries:
        read, accepted, quarantined = (int(row[f"rows_{part}"]) for part in ("read", "accepted", "quarantined"))
        assert read == accepted + quarantined
        assert accepted == sum(int(row[f"rows_{part}"]) for part in ("current", "superseded", "held"))
