"""Three schools of a trust, told twice: by registers alone, and with totals in place of the third school's registers.

Every pupil has sixteen days, four a term. What the totals say is counted here from the marks that they stand for. At
the second school one pupil's autumn came by a total, and everybody else's by registers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.chain.conftest import Home
from tests.chain.test_what_arrives_late_or_broken import upn, write

pytestmark = pytest.mark.chain

SCHOOLS = ["8502911", "8502912", "8502913"]
TOLD = SCHOOLS[2]
MIXED, ALONE = SCHOOLS[1], 49
PUPILS = {SCHOOLS[0]: 40, SCHOOLS[1]: 50, TOLD: 45}
TERMS = {"AUT": date(2025, 9, 8), "SPR": date(2026, 1, 12), "SUM1": date(2026, 4, 20), "SUM2": date(2026, 6, 8)}
HALF_TERMS = ("HT1", "HT3")
WHOLE = ("AUT", "SPR", "SUM1", "SUM2", "HT5", "HT6", "Y5", "Y6", "YTD")
AS_OF = "2026-08-31"


def urn(laestab: str) -> str:
    return f"99{laestab[3:]}"


def days(term: str) -> list[date]:
    return [TERMS[term] + timedelta(days=offset) for offset in range(4)]


def marks(n: int, term: str) -> Iterator[tuple[date, str, str]]:
    """A pupil's marks of a term: some are ill for days, some miss an afternoon, some are late, one is elsewhere."""
    for position, day in enumerate(days(term)):
        for session, present in (("AM", "/"), ("PM", "\\")):
            ill = n % 10 == 0 and position < (3 if term == "AUT" else 1)
            away = n % 7 == 3 and position == 1 and session == "PM"
            late = n % 5 == 2 and position == 2 and session == "AM"
            elsewhere = n == 4 and position == 3
            yield day, session, "I" if ill else "D" if elsewhere else "O" if away else "L" if late else present


def total(n: int, term: str) -> tuple[int, int, int, int, int]:
    """Possible, attended, authorised, unauthorised and late sessions, as a school counts them."""
    codes = [code for *_, code in marks(n, term)]
    authorised, unauthorised, late = codes.count("I"), codes.count("O"), codes.count("L")
    possible = len(codes) - codes.count("D")
    return possible, possible - authorised - unauthorised, authorised, unauthorised, late


def write_trust(landing: Path, *, by_totals: bool) -> None:
    schools = [
        f"{urn(laestab)},850,Hampshire,{laestab[3:]},School {laestab},Open,01/09/2010,Primary,Mixed,9011,Three Schools"
        for laestab in SCHOOLS
    ]
    header = "URN,LA (code),LA (name),EstablishmentNumber,EstablishmentName,EstablishmentStatus (name),OpenDate"
    header += ",PhaseOfEducation (name),Gender (name),Trusts (code),Trusts (name)"
    write(landing / "schools" / "establishments_20250901T060000.csv", [header, *schools])
    for laestab in SCHOOLS:
        _write_school(landing, laestab)
        for term in TERMS:
            if not (by_totals and laestab == TOLD):
                _write_register(landing, laestab, term, is_whole=not (by_totals and laestab == MIXED and term == "AUT"))
            if by_totals and (laestab != MIXED or term == "AUT"):
                _write_totals(landing, laestab, term)


def _write_school(landing: Path, laestab: str) -> None:
    stamp = "20250908T060000"
    sessions = [f"{laestab},{day},{session},open" for term in TERMS for day in days(term) for session in ("AM", "PM")]
    write(landing / "calendar" / laestab / f"calendar_{stamp}.csv", ["LAESTAB,Date,Session,Status", *sessions])
    header = (
        "LAESTAB,UPN,Surname,Forename,DOB,Sex,Year Group,Entry Date,Enrolment Status,FSM,FSM6,SEN Provision,As At Date"
    )
    pupils = [
        f"{laestab},{upn(laestab, n)},Family{n},Given{n},2015-0{n % 9 + 1}-11,{'FM'[n % 2]},5,2024-09-02,C,"
        f"{'NY'[n % 2]},{'NY'[n % 2]},N,2025-09-08"
        for n in range(PUPILS[laestab])
    ]
    write(landing / "pupils" / laestab / f"pupils_2025-09-08_{stamp}.csv", [header, *pupils])


def _write_register(landing: Path, laestab: str, term: str, *, is_whole: bool) -> None:
    rows = [
        f"{upn(laestab, n)},{day},{session},{code}"
        for n in range(PUPILS[laestab])
        if is_whole or n != ALONE
        for day, session, code in marks(n, term)
    ]
    first, last = days(term)[0], days(term)[-1]
    name = f"register_{first}_{last}_{last:%Y%m%d}T180000.csv"
    write(landing / "session_marks" / laestab / name, ["UPN,Date,Session,Mark", *rows])


def _write_totals(landing: Path, laestab: str, term: str) -> None:
    """Of a school that sent its registers too, totals that no mark bears out."""
    counts = [
        total(n, term) if laestab == TOLD or (laestab, n) == (MIXED, ALONE) else (8, 0, 8, 0, 0)
        for n in range(PUPILS[laestab])
    ]
    rows = [f"{upn(laestab, n)},2025/26,{term},{','.join(map(str, sums))}" for n, sums in enumerate(counts)]
    name = f"totals_{term.lower()}_{days(term)[-1]:%Y%m%d}T180000.csv"
    header = "UPN,Academic Year,Term,Possible,Attended,Authorised,Unauthorised,Late"
    write(landing / "attendance_totals" / laestab / name, [header, *rows])


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Home]:
    built = {name: Home(tmp_path_factory.mktemp(name) / "home") for name in ("registers", "totals")}
    for name, home in built.items():
        write_trust(home.landing, by_totals=name == "totals")
        home.run("run", "--as-of", AS_OF)
    return built


def figures(home: Home, periods: tuple[str, ...], unit: str) -> list[dict[str, object]]:
    named = ", ".join(f"'{period}'" for period in periods)
    return home.sql(
        "select period, level, measure_id, group_dimension, group_value, n, numerator, denominator, value, ci_low, "
        f"ci_high, coverage, status from marts.measure_value where period in ({named}) and unit_code = '{unit}' "
        "and measure_id not like 'mean%' order by all",
        role="operator",
    )


@pytest.mark.parametrize("unit", [urn(TOLD), "9011", "850"])
def test_terms_and_years_are_the_same_by_totals_as_by_registers(homes: dict[str, Home], unit: str) -> None:
    by_registers, by_totals = (figures(homes[name], WHOLE, unit) for name in ("registers", "totals"))
    assert by_totals == by_registers
    assert {row["period"] for row in by_totals} == set(WHOLE)
    of_all = [row for row in by_totals if (row["measure_id"], row["group_dimension"]) == ("attendance_rate", "all")]
    assert {(row["coverage"], row["status"]) for row in of_all} == {(100.0, "ok")}


def test_every_enrolments_year_is_the_same(homes: dict[str, Home]) -> None:
    query = (
        "select urn, expected, received, possible, attended, authorised, unauthorised, absent, late, missing, "
        "is_persistent_absent, is_severely_absent from marts.attendance_enrolment_year order by all"
    )
    by_registers, by_totals = (homes[name].sql(query, role="operator") for name in ("registers", "totals"))
    assert by_totals == by_registers


def test_half_terms_of_autumn_and_spring_say_that_a_school_is_lacking(homes: dict[str, Home]) -> None:
    own = figures(homes["totals"], HALF_TERMS, urn(TOLD))
    assert {(row["n"], row["value"], row["coverage"], row["status"]) for row in own} == {(0, None, 0.0, "x")}
    others = sum(n for laestab, n in PUPILS.items() if laestab != TOLD)
    # In the autumn one more of the others, whose total tells no half of it.
    came = {"HT1": others - 1, "HT3": others}
    shares = {(row["period"], row["coverage"]) for row in figures(homes["totals"], HALF_TERMS, "9011")}
    assert {(period, round(float(str(share)), 4)) for period, share in shares} == {
        (period, round(100 * n / sum(PUPILS.values()), 4)) for period, n in came.items()
    }
    units = homes["totals"].sql(
        "select period, schools, schools_received from exports.unit_coverage where level = 'trust' "
        "and period in ('AUT', 'HT1', 'HT5', 'YTD') order by 1"
    )
    assert [tuple(row.values()) for row in units] == [("AUT", 3, 3), ("HT1", 3, 2), ("HT5", 3, 3), ("YTD", 3, 3)]


def test_coverage_says_by_feed_what_came(homes: dict[str, Home]) -> None:
    """Sessions that no register answers stay due of registers; where both came no total counts."""
    rows = homes["totals"].sql(
        "select urn, feed, period, expected, received, coverage.status from marts.coverage join marts.dim_school "
        "using (school_key) where feed in ('session_marks', 'attendance_totals') and period in ('AUT', 'YTD') "
        "order by all",
        role="operator",
    )
    expected = []
    for laestab, n in PUPILS.items():
        of_totals = {"AUT": 8 * n, "YTD": 32 * n} if laestab == TOLD else {"AUT": 8, "YTD": 8}
        if laestab != SCHOOLS[0]:
            expected += [(urn(laestab), "attendance_totals", *row) for row in _came(of_totals, of_totals)]
        due = {"AUT": 8 * n, "YTD": 32 * n}
        left = {period: due[period] - (of_totals[period] if laestab != SCHOOLS[0] else 0) for period in due}
        expected += [(urn(laestab), "session_marks", *row) for row in _came(due, left)]
    assert [tuple(row.values()) for row in rows] == expected
    sentence = homes["totals"].manifest()["coverage_sentence"]
    assert "attendance totals complete for all 2 schools" in sentence
    assert "session marks received for 2 of 3 schools" in sentence


def _came(due: dict[str, int], came: dict[str, int]) -> list[tuple[str, int, int, str]]:
    return [(period, due[period], came[period], "ok" if came[period] else "x") for period in due]


@pytest.mark.parametrize("tier", ["public", "leaders"])
def test_no_half_term_or_week_tells_what_one_pupils_total_said(homes: dict[str, Home], tier: str) -> None:
    """The autumn less its half-terms would be the pupil's own, in the school and in whatever holds it."""
    rows = homes["totals"].sql(
        "select distinct period, status, n from exports.measure_value where measure_id = 'attendance_rate' "
        f"and group_dimension = 'all' and unit_code in ('{urn(MIXED)}', '9011', '850') "
        "and (period in ('HT1', 'HT2') or period like 'W2025-%') order by all",
        role=tier,
    )
    assert {(row["status"], row["n"]) for row in rows} == {("c", None)}
    assert {str(row["period"])[:2] for row in rows} == {"HT", "W2"}


def test_reasons_are_told_by_registers_alone(homes: dict[str, Home]) -> None:
    reasons = (
        "select {} from marts.attendance_reason "
        "where level = 'trust' and period = 'AUT' and code = 'I' and group_dimension = 'all'"
    )
    whole, part = (homes[name].sql(reasons.format("possible, sessions"), role="operator")[0] for name in homes)
    told = [*(total(n, "AUT") for n in range(PUPILS[TOLD])), total(ALONE, "AUT")]
    assert whole["possible"] - part["possible"] == sum(counts[0] for counts in told)
    assert whole["sessions"] - part["sessions"] == sum(counts[2] for counts in told)
    assert homes["totals"].sql(reasons.format("status"), role="operator") == [{"status": "ok"}]
    own = f"select code from marts.attendance_reason where unit_code = '{urn(TOLD)}'"
    assert homes["totals"].sql(own, role="operator") == []
