"""Figures of a window, worked out by hand and against the estimator written out pupil by pupil."""

from __future__ import annotations

import datetime as dt
import math
from itertools import product
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from dashboard import queries
from dashboard.reader import Release
from dashboard.windows import DATE_SUMS, SUMS, day_figures, figure_of, sort_figures, window_figures

RATE: dict[str, Any] = {
    "measure_id": "attendance_rate",
    "name": "Attendance rate",
    "kind": "ratio",
    "numerator": "attended",
    "denominator": "possible",
}
PERSISTENT: dict[str, Any] = {
    "measure_id": "persistent_absence_rate",
    "name": "Persistent absence rate",
    "kind": "proportion",
    "boundary": {"numerator": "absent", "denominator": "possible", "percent": 10},
}
ENOUGH = 50.0


def stay(pupil: int, attended: int, possible: int, school: str = "1", **other: int) -> dict[str, Any]:
    absent = possible - attended
    counts = {"authorised": absent, "unauthorised": 0, "late": 0, "came": possible, "missing": 0}
    return {
        "school_key": school,
        "pupil_key": pupil,
        "enrolment_key": f"{school}-{pupil}",
        "possible": possible,
        "attended": attended,
        "absent": absent,
        **counts,
        **other,
    }


def figures_of(*stays: dict[str, Any]) -> dict[str, dict[str, Any]]:
    rows = window_figures(pd.DataFrame(stays), [RATE, PERSISTENT], ENOUGH).to_dict("records")
    return {str(row["measure_id"]): {str(key): value for key, value in row.items()} for row in rows}


@pytest.mark.parametrize(("missed", "persistent"), [(3, 1), (4, 2)])
def test_a_day_of_four_weeks_is_a_tenth_and_a_session_less_is_not(missed: int, persistent: int) -> None:
    found = figures_of(stay(1, 40, 40), stay(2, 20, 40), stay(3, 40 - missed, 40))
    assert found["attendance_rate"]["value"] == pytest.approx(100 * (100 - missed) / 120)
    assert found["persistent_absence_rate"]["numerator"] == persistent
    assert found["persistent_absence_rate"]["value"] == pytest.approx(100 * persistent / 3)


def test_a_pupil_of_two_schools_is_one_pupil_with_two_enrolments() -> None:
    found = figures_of(stay(1, 9, 10), stay(1, 5, 10, school="2"), stay(2, 10, 10), stay(3, 8, 10, school="2"))
    assert (found["attendance_rate"]["n"], found["attendance_rate"]["denominator"]) == (3, 40)
    assert (found["persistent_absence_rate"]["n"], found["persistent_absence_rate"]["denominator"]) == (3, 4)


def test_who_had_no_possible_session_is_not_counted() -> None:
    found = figures_of(stay(1, 9, 10), stay(2, 7, 10), stay(3, 0, 0, came=10))
    assert found["attendance_rate"]["n"] == 2
    assert found["persistent_absence_rate"]["denominator"] == 2


@pytest.mark.parametrize(
    ("came", "missing", "status"), [(10, 10, "ok"), (10, 11, "u"), (0, 0, "u")], ids=["half", "less", "no calendar"]
)
def test_under_half_of_what_was_expected_nothing_is_said(came: int, missing: int, status: str) -> None:
    found = figures_of(*(stay(pupil, 8 + pupil, 10, came=came, missing=missing) for pupil in range(3)))
    assert {row["status"] for row in found.values()} == {status}
    assert {math.isnan(row["value"]) for row in found.values()} == {status != "ok"}


def test_nobody_possible_is_not_available() -> None:
    assert figures_of(stay(1, 0, 0, came=2))["attendance_rate"]["status"] == "x"


def test_of_one_pupil_or_of_pupils_who_are_all_alike_there_is_no_interval() -> None:
    assert figures_of(stay(1, 9, 10))["attendance_rate"]["status"] == "u"
    assert figures_of(stay(1, 9, 10), stay(2, 9, 10))["attendance_rate"]["status"] == "u"


@given(
    st.lists(
        st.tuples(st.sampled_from("12"), st.integers(0, 20), st.integers(0, 20)).filter(lambda pupil: pupil[2] > 0),
        min_size=3,
        max_size=12,
    )
)
def test_the_interval_is_that_of_pupils_within_schools(pupils: list[tuple[str, int, int]]) -> None:
    """Written again without sums: squared deviations about the school's mean, school by school."""
    stays = [stay(k, min(num, den), den, school) for k, (school, num, den) in enumerate(pupils)]
    frame = pd.DataFrame(stays)
    ratio = frame["attended"].sum() / frame["possible"].sum()
    residual = frame["attended"] - ratio * frame["possible"]
    variance = 0.0
    for _, of_school in residual.groupby(frame["school_key"]):
        n = len(of_school)
        variance += (
            n / (n - 1) * float(((of_school - of_school.mean()) ** 2).sum()) if n > 1 else float(of_school.iloc[0] ** 2)
        )
    freedom = len(frame) - frame["school_key"].nunique()
    found = figures_of(*stays)["attendance_rate"]
    if variance < 1e-12 or freedom < 1:
        assert found["status"] == "u" or found["ci_high"] - found["ci_low"] < 1e-3
        return
    half = t.ppf(0.975, freedom) * math.sqrt(variance) / frame["possible"].sum()
    assert found["ci_low"] == pytest.approx(100 * max(ratio - half, 0), abs=1e-6)
    assert found["ci_high"] == pytest.approx(100 * min(ratio + half, 1), abs=1e-6)


def test_a_share_has_the_interval_of_wilson() -> None:
    """10 of 100: 5.52 to 17.44 per cent (Newcombe 1998, Statistics in Medicine 17: 857-872, gives the method)."""
    sums = pd.DataFrame([dict(zip(SUMS, (100, 10, 100, 10, 10, 100), strict=True))])
    found = figure_of(sums, "proportion", 100.0, ENOUGH)
    assert (round(found["ci_low"], 2), round(found["ci_high"], 2)) == (5.52, 17.44)


def test_each_day_has_its_own_figure_and_coverage() -> None:
    rows = [
        {
            "day": day,
            "school_key": school,
            **dict(zip(SUMS, (2, 3, 4, 5, 6, 8), strict=True)),
            "came": 4,
            "missing": lack,
            "pupils": 4,
        }
        for (day, lack), school in product(((1, 0), (2, 5)), "12")
    ]
    found = day_figures(pd.DataFrame(rows), ENOUGH)
    assert found["day"].tolist() == [1, 2]
    assert found["status"].tolist() == ["ok", "u"]
    assert found["value"].iloc[0] == pytest.approx(75.0)
    assert np.isnan(found["value"].iloc[1])


MONDAY = dt.date(2025, 10, 20)
BREAK_DAYS = 7


def release_of(sessions: pd.DataFrame) -> Release:
    """A release of these sessions alone."""
    connection = duckdb.connect()
    connection.execute("create schema marts")
    connection.register("frame", sessions)
    connection.execute("create table marts.fct_session as from frame")
    return Release("r1", "pupils", None, {}, ("marts.fct_session",), "64MB", 10.0, connection)


def sessions_of(days: dict[str, list[dt.date]], missing: tuple[str, dt.date] | None = None) -> pd.DataFrame:
    """Two pupils of each school, one away every morning; of `missing` school and day no mark came."""
    rows = [
        {"school_key": school, "pupil_key": int(school + pupil), "enrolment_key": school + pupil, "session_date": day}
        | {"session": session, "academic_year": "2025/26", "is_missing": (school, day) == missing, "is_expected": True}
        for school, school_days in days.items()
        for day, pupil, session in product(school_days, "12", ("AM", "PM"))
    ]
    frame = pd.DataFrame(rows)
    came = ~frame["is_missing"]
    away = came & frame["enrolment_key"].str.endswith("1") & frame["session"].eq("AM")
    flags = {"is_possible": came, "is_attended": came & ~away, "is_authorised": away}
    return frame.assign(**flags, is_unauthorised=False, is_late=False)


def of_a_holiday(sessions: pd.DataFrame, first: dt.date, *, blank: bool) -> pd.DataFrame:
    """The sessions with a week of `#`, or of blanks, that the calendar does not have open."""
    week = [
        sessions[sessions["session_date"].eq(sessions["session_date"].min())].assign(
            session_date=first + dt.timedelta(days=number)
        )
        for number in range(5)
    ]
    flags = dict.fromkeys(("is_possible", "is_attended", "is_authorised", "is_expected"), False)
    return pd.concat([sessions, *(day.assign(**flags, is_missing=blank) for day in week)], ignore_index=True)


def days_of(release: Release, schools: tuple[str, ...], break_days: int | None = None) -> dict[str, dict[str, Any]]:
    window = queries.Window("2025/26", MONDAY, MONDAY + dt.timedelta(days=30), schools)
    rows = queries.days_in(release, "marts.fct_session", window, break_days)
    found = day_figures(rows, ENOUGH) if break_days is None else sort_figures(rows, ENOUGH)
    return {str(row["day"]): {str(key): value for key, value in row.items()} for row in found.to_dict("records")}


def test_a_day_of_which_a_school_sent_nothing_is_neither_whole_nor_nought() -> None:
    days = [MONDAY, MONDAY + dt.timedelta(days=1)]
    release = release_of(sessions_of({"1": days, "2": days}, missing=("2", days[1])))
    found = days_of(release, ("1", "2"))
    assert [row["coverage"] for row in found.values()] == [100.0, 50.0]
    assert [row["n"] for row in found.values()] == [4, 2]
    assert {round(row["value"], 6) for row in found.values()} == {75.0}
    by_sort = days_of(release, ("1", "2"), BREAK_DAYS)
    assert [row["coverage"] for row in by_sort.values()] == [100.0, 50.0]


def test_without_a_calendar_nothing_is_said_of_what_was_to_come() -> None:
    release = release_of(sessions_of({"1": [MONDAY]}).assign(is_expected=False))
    assert {row["status"] for row in days_of(release, ("1",)).values()} == {"u"}


@pytest.mark.parametrize("blank", [False, True], ids=["#", "blanks"])
def test_marks_of_a_holiday_neither_came_nor_lack_and_leave_it_a_break(blank: bool) -> None:
    """Some systems export `#`, others a blank, for every day that a school is closed."""
    before, after = MONDAY, MONDAY + dt.timedelta(days=14)
    sessions = sessions_of({"1": [before, after]})
    release = release_of(of_a_holiday(sessions, MONDAY + dt.timedelta(days=7), blank=blank))
    window = queries.Window("2025/26", before, after, ("1",))
    stays = queries.stays_in(release, "marts.fct_session", window)
    assert (stays["came"].sum(), stays["missing"].sum()) == (8, 0)
    found = days_of(release, ("1",), BREAK_DAYS)
    assert set(found) == {"1", "before", "after"}
    assert {row["coverage"] for row in found.values()} == {100.0}


def test_a_week_of_which_no_register_came_is_no_break() -> None:
    days = [MONDAY + dt.timedelta(days=7 * week) for week in range(3)]
    release = release_of(sessions_of({"1": days}, missing=("1", days[1])))
    assert set(days_of(release, ("1",), BREAK_DAYS + 1)) == {"1"}


def test_a_pupil_who_moves_is_one_pupil_of_the_day_too() -> None:
    sessions = sessions_of({"1": [MONDAY], "2": [MONDAY + dt.timedelta(days=7)]})
    moved = release_of(sessions.assign(pupil_key=sessions["enrolment_key"].str[1].astype(int)))
    assert [row["n"] for row in days_of(moved, ("1", "2"), 8).values()] == [2]


@pytest.mark.parametrize(("away", "is_break"), [(BREAK_DAYS - 1, False), (BREAK_DAYS, True)])
def test_the_days_beside_a_break_count_under_their_weekday_too(away: int, is_break: bool) -> None:
    days = [MONDAY, MONDAY + dt.timedelta(days=away), MONDAY + dt.timedelta(days=away + 1)]
    found = days_of(release_of(sessions_of({"1": days})), ("1",), BREAK_DAYS)
    assert (found.get("before", {}).get("denominator"), found.get("after", {}).get("denominator")) == (
        (4, 4) if is_break else (None, None)
    )
    assert sum(row["denominator"] for sort, row in found.items() if sort.isdigit()) == 12


def test_a_window_holds_its_first_and_its_last_day_and_no_other() -> None:
    days = [MONDAY + dt.timedelta(days=number) for number in range(4)]
    release = release_of(sessions_of({"1": days, "2": days}))
    stays = queries.stays_in(release, "marts.fct_session", queries.Window("2025/26", days[1], days[2], ("1",)))
    assert stays["possible"].tolist() == [4, 4]
    assert set(stays["school_key"]) == {"1"}


def test_the_interval_of_a_sort_of_day_is_of_its_dates_too() -> None:
    """Ten pupils of one school on two Mondays: all come on the first, half of them on the second."""
    days = [MONDAY, MONDAY + dt.timedelta(days=7)]
    frame = pd.concat([sessions_of({str(school): days}) for school in range(1, 6)], ignore_index=True)
    frame["enrolment_key"] = frame["school_key"] + frame["enrolment_key"]
    frame["school_key"], frame["is_attended"] = "1", True
    frame.loc[frame["session_date"].eq(days[1]) & frame["session"].eq("AM"), "is_attended"] = False
    found = days_of(release_of(frame), ("1",), BREAK_DAYS + 1)["1"]
    assert (found["dates"], found["n"], found["numerator"], found["denominator"]) == (2, 10, 30, 40)
    # All pupils are alike: what varies is the dates, 20 of 20 and 10 of 20 with 15 of 20 to be expected.
    half = t.ppf(0.975, 1) * math.sqrt(2 * (5**2 + 5**2)) / 40
    assert found["ci_low"] == pytest.approx(100 * max(0.75 - half, 0))
    assert found["ci_high"] == pytest.approx(100 * min(0.75 + half, 1))


def test_of_a_sort_of_day_with_one_date_there_is_no_interval() -> None:
    sums = pd.DataFrame([dict(zip(SUMS, (100, 90, 100, 90, 90, 100), strict=True))])
    one = dict(zip(DATE_SUMS, (1.0, 8100.0, 9000.0, 10000.0), strict=True))
    assert figure_of(sums, "ratio", 100.0, ENOUGH)["status"] == "ok"
    assert figure_of(sums, "ratio", 100.0, ENOUGH, one)["status"] == "u"
