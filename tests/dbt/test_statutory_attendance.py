"""Figures worked out by hand come out of the models: bands by FSM and phase, a transfer, an academy, lost marks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.dbt.conftest import Warehouse, build, pupil
from tests.dbt.lake_fixture import Delivery, Lake, Row

YEAR, AS_OF = "2024/25", "2025-08-31"
PRIMARY, SECONDARY, FIRST, SECOND, CONVERTED, UNEVEN = (f"211400{i}" for i in range(1, 7))
URNS = dict(
    zip((PRIMARY, SECONDARY, FIRST, SECOND, UNEVEN), ("100001", "100002", "100003", "100004", "100007"), strict=True)
)
BEFORE, AFTER = "100005", "100006"  # one school, an academy since January
DAYS = 190  # 380 sessions, the normal year
# Pupils by FSM and sessions missed of 380: 38 is 10 % and 190 is 50 %.
BANDS = {
    PRIMARY: {True: {0: 4, 37: 7, 38: 5, 189: 3, 190: 2}, False: {0: 20, 37: 11, 38: 4, 189: 1, 190: 1}},
    SECONDARY: {True: {19: 3, 37: 2, 38: 1, 189: 9, 190: 6, 380: 1}, False: {0: 13, 37: 17, 38: 8, 190: 2}},
}
MOVER, CONVERT, CONSTANT = 901, 902, 903
DAYS_AT_FIRST, DAYS_AT_SECOND = 82, 96
ATTENDED_AT_FIRST, ATTENDED_AT_SECOND = 74, 178  # sessions, of 164 and 192
OTHERS = range(911, 921)  # of the school with lost marks and a closure
LOST, CLOSED = 30, 31  # its days without marks, and shut by its calendar


def school_days() -> Iterator[date]:
    """190 weekdays of 2024/25, without holidays."""
    holidays = [
        (date(2024, 10, 28), date(2024, 11, 1)),
        (date(2024, 12, 23), date(2025, 1, 3)),
        (date(2025, 2, 17), date(2025, 2, 21)),
        (date(2025, 4, 7), date(2025, 4, 21)),
        (date(2025, 5, 26), date(2025, 5, 30)),
    ]
    day, found = date(2024, 9, 3), 0
    while found < DAYS:
        if day.weekday() < 5 and not any(first <= day <= last for first, last in holidays):
            found += 1
            yield day
        day += timedelta(days=1)


SCHOOL_DAYS = list(school_days())


def marks(laestab: str, ref: int, days: list[date], missed: int) -> list[Row]:
    """Every session of the days; the first `missed` of them are illness."""
    sessions = [(day, session) for day in days for session in ("AM", "PM")]
    return [
        {
            "laestab": laestab,
            "pupil_ref": ref,
            "session_date": day,
            "session": session,
            "code": "I" if i < missed else ("/" if session == "AM" else "\\"),
        }
        for i, (day, session) in enumerate(sessions)
    ]


def listed(laestab: str, ref: int, day: date, **changes: Any) -> Row:
    return pupil(laestab, ref, day, **{"entry_date": date(2023, 9, 1), "is_fsm6": False, **changes})


def statutory_lake() -> Lake:
    lake = Lake(school_keys={urn: urn for urn in (*URNS.values(), BEFORE)} | {AFTER: BEFORE})
    academy_since = date(2025, 1, 1)
    schools: list[Row] = [
        {"urn": urn, "laestab": laestab, "school_name": f"School {urn}", "phase": "Secondary"}
        for laestab, urn in URNS.items()
    ]
    schools[0] = {**schools[0], "phase": "Primary"}
    schools += [
        {
            "urn": BEFORE,
            "laestab": CONVERTED,
            "school_name": "Council",
            "phase": "Primary",
            "close_date": academy_since,
        },
        {"urn": AFTER, "laestab": CONVERTED, "school_name": "Academy", "phase": "Primary", "open_date": academy_since},
    ]
    described = [{"la_code": "211", "trust_code": "T1", **school} for school in schools]
    lake.add(Delivery("schools", described, datetime(2024, 9, 1)))
    for laestab in (*URNS, CONVERTED):
        closed = {SCHOOL_DAYS[CLOSED]} if laestab == UNEVEN else set()
        sessions: list[Row] = [
            {
                "laestab": laestab,
                "session_date": day,
                "session": session,
                "session_status": "closed" if day in closed else "open",
            }
            for day in SCHOOL_DAYS
            for session in ("AM", "PM")
        ]
        lake.add(Delivery("calendar", sessions, datetime(2024, 8, 1), laestab))
    rolls: dict[str, list[Row]] = {laestab: [] for laestab in (*URNS, CONVERTED)}
    registers: dict[str, list[Row]] = {laestab: [] for laestab in rolls}
    first_day, ref = SCHOOL_DAYS[5], 0
    for laestab, of_school in BANDS.items():
        for is_fsm, counts in of_school.items():
            for missed, count in counts.items():
                for _ in range(count):
                    ref += 1
                    rolls[laestab].append(listed(laestab, ref, first_day, is_fsm=is_fsm, is_fsm6=is_fsm))
                    registers[laestab] += marks(laestab, ref, SCHOOL_DAYS, missed)
    moved = SCHOOL_DAYS[DAYS_AT_FIRST]
    last_at_second = SCHOOL_DAYS[DAYS_AT_FIRST + DAYS_AT_SECOND]
    rolls[FIRST] += [listed(FIRST, MOVER, first_day, leaving_date=moved), listed(FIRST, CONSTANT, first_day)]
    rolls[SECOND].append(listed(SECOND, MOVER, moved, entry_date=moved, leaving_date=last_at_second))
    at_first, at_second = SCHOOL_DAYS[:DAYS_AT_FIRST], SCHOOL_DAYS[DAYS_AT_FIRST : DAYS_AT_FIRST + DAYS_AT_SECOND]
    registers[FIRST] += marks(FIRST, MOVER, at_first, 2 * DAYS_AT_FIRST - ATTENDED_AT_FIRST)
    registers[FIRST] += marks(FIRST, CONSTANT, SCHOOL_DAYS, 0)
    registers[SECOND] += marks(SECOND, MOVER, at_second, 2 * DAYS_AT_SECOND - ATTENDED_AT_SECOND)
    rolls[CONVERTED].append(listed(CONVERTED, CONVERT, first_day))
    registers[CONVERTED] += marks(CONVERTED, CONVERT, SCHOOL_DAYS, 38)
    open_days = [day for i, day in enumerate(SCHOOL_DAYS) if i not in (LOST, CLOSED)]
    for other in OTHERS:
        rolls[UNEVEN].append(listed(UNEVEN, other, first_day))
        registers[UNEVEN] += marks(UNEVEN, other, open_days, 20)
    for laestab in rolls:
        day = moved if laestab == SECOND else first_day
        lake.add(Delivery("pupils", rolls[laestab], datetime(day.year, day.month, day.day, 20), laestab))
        lake.add(Delivery("session_marks", registers[laestab], datetime(2025, 8, 1), laestab))
    return lake


@pytest.fixture(scope="module")
def statutory(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    folder: Path = tmp_path_factory.mktemp("statutory")
    warehouse = folder / "warehouse" / "warehouse.duckdb"
    statutory_lake().write(folder / "lake", warehouse)
    wanted = ("+attendance_pupil_year", "+measure_value", "+coverage", "+data_quality_issue")
    build(warehouse, folder, "--exclude-resource-type", "unit_test", "--select", *wanted, as_of=AS_OF)
    return Warehouse(warehouse)


def share(counts: dict[int, int], at_least: int) -> Fraction:
    """Per cent of the pupils who missed at least so many of 380 sessions."""
    return Fraction(100 * sum(n for missed, n in counts.items() if missed >= at_least), sum(counts.values()))


@pytest.mark.parametrize("laestab", [PRIMARY, SECONDARY])
def test_given_counts_in_each_band_are_exactly_those_rates_by_fsm_and_phase(statutory: Warehouse, laestab: str) -> None:
    found = {
        (measure, value, group): (numerator, n)
        for measure, group, value, numerator, n in statutory.rows(
            """select measure_id, group_dimension, group_value, numerator::integer, n from marts.measure_value
            where level = 'school' and unit_code = ? and period = 'YTD' and phase = ?
            and measure_id in ('persistent_absence_rate', 'severe_absence_rate')
            and group_dimension in ('all', 'disadvantage')""",
            [URNS[laestab], "Primary" if laestab == PRIMARY else "Secondary"],
        )
    }
    everybody: dict[int, int] = {}
    for counts in BANDS[laestab].values():
        for missed, n in counts.items():
            everybody[missed] = everybody.get(missed, 0) + n
    groups = {
        ("all", "all"): everybody,
        ("disadvantaged", "disadvantage"): BANDS[laestab][True],
        ("not_disadvantaged", "disadvantage"): BANDS[laestab][False],
    }
    expected = {
        (measure, *group): (sum(n for missed, n in counts.items() if missed >= boundary), sum(counts.values()))
        for measure, boundary in (("persistent_absence_rate", 38), ("severe_absence_rate", 190))
        for group, counts in groups.items()
    }
    assert found == expected
    ((rate,),) = statutory.rows(
        """select value from marts.measure_value where level = 'school' and unit_code = ? and period = 'YTD'
        and measure_id = 'persistent_absence_rate' and group_value = 'disadvantaged'""",
        [URNS[laestab]],
    )
    assert rate == pytest.approx(float(share(BANDS[laestab][True], 38)), abs=1e-6)


def test_a_transfer_is_one_year_of_one_child_and_each_school_counts_its_own_sessions(statutory: Warehouse) -> None:
    by_school = statutory.rows(
        """select urn, attended, possible, is_persistent_absent, is_severely_absent from marts.attendance_enrolment_year
        where pupil_key = ? order by urn""",
        [MOVER],
    )
    assert by_school == [
        (URNS[FIRST], 74, 164, True, True),
        (URNS[SECOND], 178, 192, False, False),
    ]
    ((attended, possible, persistent, severe, schools),) = statutory.rows(
        """select attended, possible, is_persistent_absent, is_severely_absent, n_schools
        from marts.attendance_pupil_year where pupil_key = ?""",
        [MOVER],
    )
    assert (attended, possible, persistent, severe, schools) == (252, 356, True, False, 2)
    assert round(100 * attended / possible, 1) == 70.8


def test_a_school_that_converts_does_not_split_its_children(statutory: Warehouse) -> None:
    rows = statutory.rows(
        """select urn, attended, possible, is_persistent_absent from marts.attendance_enrolment_year
        where pupil_key = ?""",
        [CONVERT],
    )
    assert rows == [(AFTER, 342, 380, True)]
    units = statutory.rows(
        """select unit_code, n, numerator::integer, denominator::integer from marts.measure_value
        where level = 'school' and unit_code in (?, ?) and period = 'YTD' and measure_id = 'attendance_rate'
        and group_dimension = 'all'""",
        [BEFORE, AFTER],
    )
    assert units == [(AFTER, 1, 342, 380)]


def test_a_day_without_marks_is_missing_and_a_closure_is_nothing(statutory: Warehouse) -> None:
    rows = statutory.rows(
        """select attended, possible, missing, expected, received from marts.attendance_enrolment_year
        where urn = ? group by all""",
        [URNS[UNEVEN]],
    )
    # 190 days less the closure are expected; the lost day is neither attended nor absent.
    assert rows == [(376 - 20, 376, 2, 378, 376)]
    ((value, coverage),) = statutory.rows(
        """select value, coverage from marts.measure_value where unit_code = ? and period = 'YTD'
        and measure_id = 'attendance_rate' and group_dimension = 'all'""",
        [URNS[UNEVEN]],
    )
    assert value == pytest.approx(100 * 356 / 376, abs=1e-6)
    assert coverage == pytest.approx(100 * 376 / 378, abs=1e-6)
    mentions = statutory.rows("select rule_id from marts.data_quality_issue where school_key = ?", [URNS[UNEVEN]])
    assert mentions == []
