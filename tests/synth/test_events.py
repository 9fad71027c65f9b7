"""Termly totals, suspensions and interventions say what the marks say."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from ingest.synth.config import SynthConfig
from ingest.synth.trust import write_trust
from tests.synth.conftest import Trust

SMALL = {"schools": 4, "pupils": 480, "years": 1, "seed": 11}
TERMS = {
    "AUT": ("2025-08-01", "2025-12-31"),
    "SPR": ("2026-01-01", "2026-04-05"),
    "SUM1": ("2026-04-06", "2026-05-24"),
    "SUM2": ("2026-05-25", "2026-07-31"),
}


def _totals(folder: Path) -> list[tuple[str, ...]]:
    return duckdb.sql(
        f"""select split_part(filename, '/', -2), "Admission Number", Term, Possible, Attended, Authorised,
        Unauthorised, Late from read_csv('{folder}/attendance_totals/*/*.csv', filename = true, all_varchar = true)
        order by all"""
    ).fetchall()


def _sums(marks: str, terms: list[str]) -> str:
    return " union all ".join(
        f"""select laestab, "Admission Number", '{term}', count(*)::varchar as possible,
        count_if(Mark in ('/', '\\', 'L', 'B', 'K', 'P', 'V', 'W'))::varchar,
        count_if(Mark in ('I', 'M', 'C', 'C2', 'E', 'R', 'T', 'J1'))::varchar,
        count_if(Mark in ('G', 'O', 'U', 'N'))::varchar, count_if(Mark in ('L', 'U'))::varchar
        from {marks} where "Date" between '{TERMS[term][0]}' and '{TERMS[term][1]}'
        and Mark not in ('', '-', 'D', 'X') and Mark not like 'Y%' group by laestab, "Admission Number" """
        for term in terms
    )


def test_the_last_autumns_totals_are_the_sums_of_its_marks(trust: Trust) -> None:
    sums = trust.sql.sql(f"select * from ({_sums('register', ['AUT'])}) order by all").fetchall()
    assert _totals(trust.folder) == sums
    assert len(sums) > 3000


def test_a_school_without_marks_sends_the_totals_that_its_marks_would_have_come_to(tmp_path: Path) -> None:
    write_trust(tmp_path / "with", SynthConfig(**SMALL))  # type: ignore[arg-type]  # whole numbers by name
    write_trust(tmp_path / "without", SynthConfig(**SMALL, without_marks=1))  # type: ignore[arg-type]  # as above
    silent = {path.name for path in (tmp_path / "with" / "session_marks").iterdir()} - {
        path.name for path in (tmp_path / "without" / "session_marks").iterdir()
    }
    (laestab,) = silent
    connection = duckdb.connect()
    connection.execute(
        f"""create table register as select *, split_part(filename, '/', -2) as laestab
        from read_csv('{tmp_path}/with/session_marks/{laestab}/*.csv', filename = true, all_varchar = true,
            quote = '', escape = '')
        qualify row_number() over (
            partition by "Admission Number", "Date", Session order by right(filename, 19) desc) = 1
        """
    )
    connection.execute("update register set Mark = '' where Mark is null")
    sums = connection.sql(f"select * from ({_sums('register', list(TERMS))}) order by all").fetchall()
    assert [row for row in _totals(tmp_path / "without") if row[0] == laestab] == sums
    assert {row[2] for row in sums} == set(TERMS)
    assert {row[2] for row in _totals(tmp_path / "without") if row[0] != laestab} == {"AUT"}


def test_suspensions_hold_every_session_with_code_e(trust: Trust) -> None:
    suspended = duckdb.sql(
        f"""select split_part(filename, '/', -2) as laestab, count(*), sum(Sessions::int) from (
        select * from read_csv('{trust.folder}/suspensions/*/*.csv', filename = true, all_varchar = true)
        qualify row_number() over (partition by split_part(filename, '/', -2), "Admission Number", "Start Date"
        order by right(filename, 19) desc) = 1) group by laestab order by laestab"""
    ).fetchall()
    marked = trust.sql.sql(
        "select laestab, count(*) from register where Mark = 'E' group by laestab order by laestab"
    ).fetchall()
    assert [(laestab, sessions) for laestab, _, sessions in suspended] == marked


def test_letters_come_before_meetings_and_only_to_some(trust: Trust) -> None:
    connection = duckdb.connect()
    connection.execute(
        f"""create table acted as
        select split_part(filename, '/', -2) as laestab, "Admission Number" as pupil, Intervention
        from read_csv('{trust.folder}/interventions/*/*.csv', filename = true, all_varchar = true)"""
    )
    kinds = dict(connection.sql("select Intervention, count(*) from acted group by Intervention").fetchall())
    assert kinds["Letter home"] > kinds["Attendance meeting"] > 0
    ((pupils,),) = connection.sql("select count(distinct laestab || pupil) from acted").fetchall()
    assert 0 < pupils < len(_totals(trust.folder)) / 2


@pytest.mark.parametrize("number", [-1, 5])
def test_a_trust_cannot_have_more_schools_without_marks_than_schools(number: int) -> None:
    with pytest.raises(ValueError, match="without marks"):
        SynthConfig(**SMALL, without_marks=number)  # type: ignore[arg-type]  # whole numbers by name
