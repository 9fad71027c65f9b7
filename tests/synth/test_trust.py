"""The trust is one that could be: schools, people, calendars and deliveries."""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ingest.catalogue import write_catalogue
from ingest.pipeline import ingest_all
from ingest.settings import load_settings
from ingest.synth.config import SynthConfig
from ingest.synth.school_year import school_year
from ingest.synth.trust import write_trust
from ingest.synth.upn import upns
from ingest.upn import UpnStatus, upn_status
from tests.synth.conftest import TRUST, Trust

SMALL = SynthConfig(schools=4, pupils=400, years=2, seed=3)


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    write_trust(tmp_path / "a", SMALL)
    write_trust(tmp_path / "b", SMALL)
    write_trust(tmp_path / "c", SynthConfig(schools=4, pupils=400, years=2, seed=4))
    assert _hashes(tmp_path / "a") == _hashes(tmp_path / "b")
    assert _hashes(tmp_path / "a") != _hashes(tmp_path / "c")


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("a\n")
    with pytest.raises(FileExistsError, match="not empty"):
        write_trust(tmp_path, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.csv"]


@pytest.mark.parametrize(
    "wrong", [{"schools": 0}, {"pupils": 5}, {"years": 0}, {"last_year": "2025/27"}, {"last_year": "2025"}]
)
def test_a_trust_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"change --|give at least|no academic year"):
        SynthConfig(**wrong)  # type: ignore[arg-type]  # one wrong value at a time, chosen by the case


@pytest.mark.parametrize("schools", [1, 2, 3])
def test_the_smallest_trusts_are_written_too(tmp_path: Path, schools: int) -> None:
    report = write_trust(tmp_path, SynthConfig(schools=schools, pupils=30 * schools, years=1))
    assert report.schools == schools
    assert set(report.rows) >= {"schools", "calendar", "pupils", "session_marks", "assessment_results"}


def test_the_report_counts_what_the_files_hold(trust: Trust) -> None:
    for feed, table in (
        ("session_marks", "mark"),
        ("pupils", "pupil"),
        ("assessment_results", "result"),
        ("calendar", "calendar"),
    ):
        (n,) = trust.sql.sql(f"select count(*) from {table}").fetchall()[0]
        assert trust.report.rows[feed] == n
        assert trust.report.files[feed] == len(list((trust.folder / feed).rglob("*.csv")))


def test_the_roll_is_about_as_large_as_asked_for_in_every_year(trust: Trust) -> None:
    rolls = trust.sql.sql(
        """select count(*) from pupil where "As At Date" in ('2024-10-03', '2025-10-02') and "Leaving Date" is null
        group by "As At Date" """
    ).fetchall()
    assert [n == pytest.approx(TRUST.pupils, rel=0.03) for (n,) in rolls] == [True, True]


def test_every_upn_is_valid_or_temporary_and_one_child_s(trust: Trust) -> None:
    found = [upn for (upn,) in trust.sql.sql("select distinct UPN from pupil where UPN is not null").fetchall()]
    statuses = {upn: upn_status(upn) for upn in found}
    assert set(statuses.values()) == {UpnStatus.VALID, UpnStatus.TEMPORARY}
    shared = trust.sql.sql(
        """select UPN from pupil where UPN is not null group by 1
        having count(distinct DOB || Surname || Forename) > 1"""
    ).fetchall()
    assert shared == []


def test_temporary_upns_are_replaced_and_remembered(trust: Trust) -> None:
    (replaced,) = trust.sql.sql(
        """select count(distinct f."Former UPN") from pupil f join pupil t
        on t.UPN = f."Former UPN" and t."Admission Number" = f."Admission Number"
            and t."As At Date" < f."As At Date" """
    ).fetchall()[0]
    assert replaced >= 10
    (unknown,) = trust.sql.sql(
        'select count(distinct laestab || "Admission Number") from pupil where UPN is null'
    ).fetchall()[0]
    assert unknown >= 3


@given(st.integers(0, 999), st.integers(0, 9999), st.integers(0, 99), st.integers(0, 2299))
@hypothesis_settings(max_examples=200)
def test_generated_check_letters_pass_the_judge(la: int, establishment: int, year: int, serial: int) -> None:
    def one(temporary: bool, number: int) -> str:
        fields = [np.array([value]) for value in (la, establishment, year, number)]
        (upn,) = upns(fields[0], fields[1], fields[2], fields[3], temporary=temporary)
        return bytes(upn).decode()

    assert upn_status(one(False, serial % 1000)) is UpnStatus.VALID
    assert upn_status(one(True, serial)) is UpnStatus.TEMPORARY


def test_pupils_move_between_the_schools_in_the_year_and_at_eleven(trust: Trust) -> None:
    stays = trust.sql.sql(
        """select count(*) filter (n_phases = 1), count(*) filter (n_phases = 2) from (
            select UPN, count(distinct substr(laestab, 4, 1)) as n_phases from pupil where UPN is not null
            group by 1 having count(distinct laestab) > 1)"""
    ).fetchall()[0]
    assert stays[0] >= 25
    assert stays[1] >= 100


def test_some_leavers_have_a_date_and_some_just_vanish(trust: Trust) -> None:
    vanished, dated = trust.sql.sql(
        """with last_seen as (select laestab, "Admission Number", max("As At Date") as seen,
                max("Leaving Date") as gone from pupil where "As At Date" between '2025-09-01' and '2026-07-31'
            group by 1, 2)
        select count(*) filter (seen < '2026-06-15' and gone is null), count(*) filter (gone < '2026-06-15')
        from last_seen"""
    ).fetchall()[0]
    assert vanished >= 5
    assert dated > vanished


def test_marks_stand_only_on_days_on_which_the_school_is_open_and_the_pupil_on_roll(trust: Trust) -> None:
    outside = trust.sql.sql(
        """select count(*) from register r left join calendar c
            on c.LAESTAB = r.laestab and c."Date" = r."Date" and c.Session = r.Session
        where c.Status is distinct from 'open'"""
    ).fetchone()
    assert outside == (0,)
    off_roll = trust.sql.sql(
        """with stay as (select laestab, "Admission Number" a, min("Entry Date") e, max("Leaving Date") l from pupil
            group by 1, 2)
        select count(*) from register r join stay s on s.laestab = r.laestab and s.a = r."Admission Number"
        where r."Date" < e or r."Date" > l"""
    ).fetchone()
    assert off_roll == (0,)


def test_every_pupil_has_a_row_for_every_open_session_while_on_roll(trust: Trust) -> None:
    full_year = trust.sql.sql(
        """select n, count(*) from (
            select laestab, "Admission Number", count(*) n from register where "Date" < '2025-08-01'
        group by 1, 2) group by 1 order by 2 desc limit 1"""
    ).fetchone()
    assert full_year is not None
    assert full_year[0] == 380


@pytest.mark.parametrize("start", range(2015, 2030))
@pytest.mark.parametrize("variant", range(3))
def test_a_school_year_has_190_days_five_staff_days_and_six_half_terms(start: int, variant: int) -> None:
    year = school_year(start, variant)
    statuses = list(year.statuses.values())
    assert len(year.open_days) == 190
    assert statuses.count("inset") == 5
    assert len(year.half_terms) == 6
    assert all(first < last for first, last in year.half_terms)
    assert all(day.weekday() < 5 for day in year.statuses)
    assert all(day.weekday() == 3 for day in year.census_days)
    assert max(year.open_days).month == 7


def test_bank_holidays_and_easter_are_no_school_days() -> None:
    statuses = {day.isoformat(): status for day, status in school_year(2025).statuses.items()}
    assert [statuses[day] for day in ("2025-12-25", "2026-04-03", "2026-04-06", "2026-05-04", "2026-05-25")] == [
        "bank_holiday"
    ] * 5
    assert statuses["2026-05-26"] == "closed"


def test_one_school_became_an_academy_and_kept_its_laestab(trust: Trust) -> None:
    newest = sorted((trust.folder / "schools").glob("schools_2*"))[-1]
    rows = trust.sql.sql(f"select * from read_csv('{newest}', all_varchar = true)").df()
    doubled = rows[rows.duplicated(["LA (code)", "EstablishmentNumber"], keep=False)]
    assert sorted(doubled["EstablishmentStatus (name)"]) == ["Closed", "Open"]
    assert doubled["URN"].nunique() == 2
    links = trust.sql.sql(f"select * from read_csv('{trust.folder}/schools/school_links_*', all_varchar = true)").df()
    assert set(links["LinkType"]) == {"Predecessor", "Successor"}
    assert set(links["URN"]) == set(doubled["URN"])


def test_registers_come_by_half_term_then_by_week_then_by_night_with_corrections(trust: Trust) -> None:
    school = sorted((trust.folder / "session_marks").iterdir())[0]
    names = [path.name for path in school.iterdir()]
    windows = [name.removeprefix("register_").split("_")[:2] for name in names if "corrections" not in name]
    nights = [first for first, last in windows if first == last]
    weeks = [first for first, last in windows if first != last and first >= "2026-04-01"]
    assert len(nights) == 10
    assert len(weeks) >= 12
    assert len(weeks) == len(set(weeks)) + 1, "one week comes twice"
    assert sum("corrections" in name for name in names) >= 10
    assert sum(last < "2026-04-01" for _, last in windows) == 10


def test_corrections_replace_marks_without_a_reason(trust: Trust) -> None:
    first, later = trust.sql.sql(
        """select count(*) filter (o.Mark = 'N' and c.Mark <> 'N'), count(*) filter (o.Mark <> 'N' and c.Mark <> o.Mark)
        from mark c join mark o on o.laestab = c.laestab and o."Admission Number" = c."Admission Number"
            and o."Date" = c."Date" and o.Session = c.Session and o.filename not like '%corrections%'
        where c.filename like '%corrections%'"""
    ).fetchall()[0]
    assert first > 300
    assert later == 0


def test_ingest_finds_each_child_once_through_moves_and_new_upns(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, ingest_workers=1)
    report = write_trust(settings.landing_dir, SMALL)
    assert all(feed.refused == [] and feed.rows_quarantined == 0 for feed in ingest_all(settings).values())
    with duckdb.connect() as connection:
        write_catalogue(settings, connection)
        assert connection.sql("select count(distinct pupil_key) from lake.identity").fetchone() == (report.pupils,)
        assert connection.sql("select count(*) from lake.identity_conflict").fetchone() == (0,)
        assert connection.sql("select count(*) from lake.delivery where is_held").fetchone() == (0,)
