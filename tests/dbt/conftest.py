"""One small lake built twice: as it was, and after a night of late files; the second also from nothing."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingest.registry import read_registry
from quality.ledger.decision import NO_LEDGER_SQL
from tests.dbt.lake_fixture import Delivery, Lake, Row

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
ASH, BIRCH, CEDAR = "2114001", "2114003", "2114004"
AUTUMN, NEW_YEAR = date(2025, 9, 5), date(2026, 1, 10)
LEAVER, RETURNER, MOVER, TWO_REFS, CODED, GUEST = 5, 6, 7, 8, 9, 10
UNLISTED = 99
CODES = ["/", "\\", "L", "B", "J", "C1", "C2", "E", "H", "J1", "G", "N", "U", "D", "Q", "X", "Y", "Y1", "Z", "#", "-"]
# Births about the ends of a school year, by pupil of Ash; one is not given and one lies after the list.
BORN = {
    11: date(2009, 8, 31),
    12: date(2009, 9, 1),
    13: date(2010, 8, 31),
    14: date(2010, 9, 1),
    15: date(2020, 8, 31),
    16: date(2020, 9, 1),
    17: None,
    18: date(2098, 1, 1),
}
# One pupil's sessions, by day of the term, with a mark under each of two references: the UPN's and the MIS number's.
MARKED_TWICE = {
    (0, "AM"): ("/", "O"),
    (0, "PM"): ("O", "I"),
    (1, "AM"): ("J1", "V"),
    (1, "PM"): ("V", "\\"),
    (2, "AM"): ("X", "O"),
    (2, "PM"): ("#", "Y1"),
}
SLOPE = 0.5
HIDDEN = "2025/26|YTD|school|100003|attendance_rate|1|all|all|all"
COVERAGE_HIDDEN = "2025/26|YTD|trust|T1|attendance_rate|1|all|all|all"
PROGRESS_COVERAGE_HIDDEN = "2025/26|value_added_reading|100001"
FITS = """
create schema if not exists fits;
create schema if not exists disclosure;
create or replace table fits.progress_model (
    academic_year varchar, measure_id varchar, method varchar, n_pupils bigint, n_schools bigint, coefficients varchar,
    var_school double, var_pupil double, icc double, deviance double, status varchar, status_reason varchar);
create or replace table fits.progress_coefficient (
    academic_year varchar, measure_id varchar, term varchar, estimate double, standard_error double);
create or replace table fits.progress_school (
    academic_year varchar, measure_id varchar, school_key varchar, n bigint, raw_mean double, raw_ci_low double,
    raw_ci_high double, shrunken double, shrunken_se double, shrunken_ci_low double, shrunken_ci_high double,
    reliability double, probability_above double);
create or replace table disclosure.pattern (
    tier varchar, table_name varchar, row_key varchar, status varchar, reason varchar, rule_id varchar);
create or replace table disclosure.loss (
    tier varchar, academic_year varchar, table_name varchar, level varchar, reason varchar, cells bigint, hidden bigint,
    percent_hidden double, is_over_limit boolean);
"""


@dataclass(frozen=True)
class Warehouse:
    path: Path

    def rows(self, sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path), read_only=True) as connection:
            return connection.execute(sql, parameters or []).fetchall()


def school_days() -> Iterator[date]:
    day = date(2025, 9, 1)
    while day <= date(2026, 2, 13):
        if day.weekday() < 5 and not date(2025, 12, 20) <= day <= date(2026, 1, 4):
            yield day
        day += timedelta(days=1)


def pupil(laestab: str, ref: int, day: date, **changes: Any) -> Row:
    return {
        "laestab": laestab,
        "as_at_date": day,
        "pupil_ref": ref,
        "ref_upn": ref,
        "dob": BORN.get(ref, date(2012, 5, 1)),
        "sex": "FM"[ref % 2],
        "nc_year": str(7 + ref % 3),
        "entry_date": date(2024, 9, 1),
        "enrol_status": "C",
        "is_fsm6": ref % 3 == 0,
        "is_fsm": False,
        "sen_provision": "NNKE"[ref % 4],
        **changes,
    }


def _marks(laestab: str, refs: list[int], draw: random.Random, days: list[date]) -> list[Row]:
    marks: list[Row] = []
    for day in days:
        for session in ("AM", "PM"):
            for ref in refs:
                present = "/" if session == "AM" else "\\"
                code = draw.choices([present, "L", "I", "O", "C1"], [80, 2, 4 + ref % 7, ref % 9, 1])[0]
                if draw.random() > 0.01:
                    marks.append(
                        {"laestab": laestab, "pupil_ref": ref, "session_date": day, "session": session, "code": code}
                    )
    return marks


def first_lake() -> Lake:
    """Two schools of one trust, the first an academy since November; one without registers; a silent one of Wales."""
    draw = random.Random(20251121)
    lake = Lake(links={1008: TWO_REFS}, school_keys={"100001": "100001", "100002": "100001", "100003": "100003"})
    schools: list[Row] = [
        {"urn": "100001", "laestab": ASH, "school_name": "Ash", "close_date": date(2025, 11, 1), "trust_code": "T1"},
        {
            "urn": "100002",
            "laestab": ASH,
            "school_name": "Ash Academy",
            "open_date": date(2025, 11, 1),
            "trust_code": "T1",
        },
        {"urn": "100003", "laestab": BIRCH, "school_name": "Birch", "trust_code": "T1"},
        {"urn": "100004", "laestab": CEDAR, "school_name": "Cedar"},
        {"urn": "100005", "laestab": "6604001", "la_code": "660", "school_name": "Derwen"},
    ]
    lake.add(
        Delivery("schools", [{"la_code": "211", "phase": "Secondary", **s} for s in schools], datetime(2025, 9, 1))
    )
    days = list(school_days())
    for laestab in (ASH, BIRCH, CEDAR):
        sessions: list[Row] = [
            {"laestab": laestab, "session_date": day, "session": session, "session_status": "open"}
            for day in days
            for session in ("AM", "PM")
        ]
        lake.add(Delivery("calendar", sessions, datetime(2025, 8, 1), laestab))
    ash, birch = list(range(1, 31)), list(range(101, 131))
    for day in (AUTUMN, NEW_YEAR):
        extracted = datetime(day.year, day.month, day.day, 20)
        left = {LEAVER, RETURNER, MOVER} if day == NEW_YEAR else set()
        listed = [
            pupil(ASH, r, day, ref_mis=1008 if r == TWO_REFS else None, **({"enrol_status": "G"} if r == GUEST else {}))
            for r in ash
            if r not in left
        ]
        lake.add(Delivery("pupils", listed, extracted, ASH))
        moved = [pupil(BIRCH, MOVER, day, entry_date=date(2025, 12, 1))] if day == NEW_YEAR else []
        lake.add(Delivery("pupils", [*[pupil(BIRCH, r, day) for r in birch], *moved], extracted, BIRCH))
        lake.add(Delivery("pupils", [pupil(CEDAR, r, day) for r in range(201, 212)], extracted, CEDAR))
    marks = [
        row
        for row in _marks(ASH, ash, draw, days)
        if not (row["pupil_ref"] in (LEAVER, RETURNER) and row["session_date"] > date(2025, 12, 1))
        and not (row["pupil_ref"] == MOVER and row["session_date"] >= date(2025, 12, 1))
        and row["pupil_ref"] not in (CODED, GUEST)
    ]
    marks += [
        {"laestab": ASH, "pupil_ref": CODED, "session_date": day, "session": "AM", "code": code}
        for day, code in zip(days, CODES, strict=False)
    ]
    twice = {(days[day], session): codes for (day, session), codes in MARKED_TWICE.items()}
    marks = [row for row in marks if row["pupil_ref"] != TWO_REFS or (row["session_date"], row["session"]) not in twice]
    marks += [
        {"laestab": ASH, "pupil_ref": ref, "session_date": day, "session": session, "code": code}
        for (day, session), codes in twice.items()
        for ref, code in zip((TWO_REFS, 1008), codes, strict=True)
    ]
    marks += [
        {"laestab": ASH, "pupil_ref": UNLISTED, "session_date": days[5], "session": session, "code": "/"}
        for session in ("AM", "PM")
    ]
    refused: list[Row] = [
        {"laestab": ASH, "pupil_ref": CODED, "session_date": days[40], "session": "AM", "rule_ids": "SM-003"}
    ]
    rules = [("SM-003", "refuse", "unknown register code", 1)]
    lake.add(Delivery("session_marks", marks, datetime(2026, 2, 1), ASH, refused, rules=rules))
    birch_marks = _marks(BIRCH, birch, draw, days)
    birch_marks += _marks(BIRCH, [MOVER], draw, [d for d in days if d >= date(2025, 12, 1)])
    lake.add(Delivery("session_marks", birch_marks, datetime(2026, 2, 1), BIRCH))
    for laestab, refs in ((ASH, ash), (BIRCH, birch)):
        for name, day in (("autumn", date(2025, 9, 20)), ("summer", date(2026, 1, 20))):
            results: list[Row] = []
            for ref in refs:
                score = round(draw.gauss(100 + ref % 7, 12))
                raw, value = ("ABS", None) if ref % 15 == 1 and name == "summer" else (str(score), Decimal(score))
                results.append(
                    {
                        "laestab": laestab,
                        "pupil_ref": ref,
                        "assessment_id": f"standardised-test-{name}",
                        "subject": "reading",
                        "raw_result": raw,
                        "numeric_value": value,
                        "scale_id": "standardised-100-15",
                        "result_date": day,
                    }
                )
            lake.add(Delivery("assessment_results", results, datetime(day.year, day.month, day.day), laestab))
    _add_totals_and_events(lake)
    _add_statistics(lake)
    return lake


def _add_totals_and_events(lake: Lake) -> None:
    """Termly totals of the school without registers, sent twice and corrected for one pupil; suspensions and
    interventions, each sent again with a change."""

    def total(ref: int, term: str, authorised: int, late: int | None = None) -> Row:
        row = {"academic_year": "2025/26", "term": term, "possible": 140, "authorised": authorised, "unauthorised": 2}
        return {"laestab": CEDAR, "pupil_ref": ref, **row, "late": late}

    first = [total(ref, "AUT", 5) for ref in range(201, 211)]
    again = [total(ref, "AUT", 6, late=1) for ref in range(201, 212)]
    coming = [total(201, "SUM2", 0), {**total(201, "AUT", 0), "academic_year": "2031/32"}, total(UNLISTED, "AUT", 0)]
    lake.add(Delivery("attendance_totals", first, datetime(2026, 1, 5), CEDAR))
    lake.add(Delivery("attendance_totals", [*again, *coming], datetime(2026, 1, 12), CEDAR))
    lake.add(
        Delivery("attendance_totals", [total(203, "AUT", 9)], datetime(2026, 1, 20), CEDAR, extent="pupils_in_file")
    )
    stale = [total(204, "AUT", 99)]
    lake.add(Delivery("attendance_totals", stale, datetime(2026, 1, 6), CEDAR, extent="pupils_in_file"))
    day = date(2025, 11, 3)
    for extracted, sessions in ((datetime(2025, 11, 4), 4), (datetime(2025, 11, 10), 6)):
        out = {"laestab": ASH, "kind": "SUSP", "start_date": day, "sessions": sessions, "reason": "DB"}
        # The same child under two references is one child with one suspension.
        ref = TWO_REFS if sessions == 4 else 1008
        lake.add(Delivery("suspensions", [{**out, "pupil_ref": ref}], extracted, ASH))
        done = {"laestab": ASH, "pupil_ref": 3, "intervention": "letter-home", "start_date": day}
        future = {**done, "start_date": date(2026, 6, 1)}
        ended = {"end_date": day + timedelta(days=sessions), "team": "Attendance"}
        lake.add(Delivery("interventions", [{**done, **ended}, {**future, **ended}], extracted, ASH))


def _add_statistics(lake: Lake) -> None:
    """Two editions of one publication and one of another; one figure is suppressed."""
    place = {"time_identifier": "Academic year", "geographic_level": "Local authority", "location_code": "E09000030"}
    place |= {"location_name": "Tower Hamlets", "old_la_code": "211", "filters": '{"education_phase": "Total"}'}

    def row(period: str, absence: float | None, pupils: float) -> Row:
        cells = [
            {"indicator": "absence", "value": absence, "status": "c" if absence is None else "ok"},
            {"indicator": "pupils", "value": pupils, "status": "ok"},
        ]
        return {**place, "time_period": period, "cells": cells}

    published_after_the_as_of_day = 60
    for publication, day, rows in (
        ("absence", 1, [row("202425", 7.0, 10), row("202324", 8.0, 9)]),
        ("absence", 2, [row("202425", None, 11)]),
        ("absence", published_after_the_as_of_day, [row("202425", 7.7, 10)]),
        ("terms", 1, [row("2025", 6.5, 12)]),
    ):
        extracted = datetime(2026, 1, 1) + timedelta(days=day - 1)
        lake.add(Delivery("dfe_statistics", rows, extracted, publication=publication))


def add_a_night(lake: Lake) -> None:
    """The returner is back, a list of an older day comes late, a correction for two pupils, and a week is sent anew."""
    days = list(school_days())
    spring = date(2026, 2, 2)
    back = [pupil(ASH, r, spring) for r in range(1, 31) if r not in (LEAVER, RETURNER, MOVER)]
    back.append(pupil(ASH, RETURNER, spring, entry_date=date(2026, 1, 26)))
    lake.add(Delivery("pupils", back, datetime(2026, 2, 2, 20), ASH))
    late = [pupil(ASH, r, date(2025, 9, 3), sen_provision="E") for r in range(1, 31) if r != 20]
    lake.add(Delivery("pupils", late, datetime(2026, 2, 3), ASH))
    correction: list[Row] = [
        {"laestab": ASH, "pupil_ref": ref, "session_date": days[3], "session": "AM", "code": "I"} for ref in (1, 2)
    ]
    lake.add(Delivery("session_marks", correction, datetime(2026, 2, 4), ASH, extent="pupils_in_file"))


def build(warehouse: Path, scratch: Path, *arguments: str, as_of: str = "2026-02-13") -> dict[str, str]:
    """Runs dbt over a warehouse that holds a catalogue; fits and the hidden row are given. Statuses by node."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(FITS)
        connection.execute(NO_LEDGER_SQL)
        connection.executemany(
            "insert into fits.progress_coefficient values ('2025/26', 'value_added_reading', ?, ?, 0.1)",
            [["intercept", 0.1], ["baseline", SLOPE]],
        )
        connection.execute(
            "insert into fits.progress_model values ('2025/26', 'value_added_reading', 'REML', "
            "56, 2, '{}', 0.1, 0.9, 0.1, 9, 'ok', null)"
        )
        connection.execute(
            "insert into disclosure.pattern values ('public', 'measure_value', ?, 'c', 'primary', 'P'), "
            "('public', 'measure_value.coverage', ?, 'c', 'derived', 'D'), "
            "('public', 'progress_school.coverage', ?, 'c', 'derived', 'D')",
            [HIDDEN, COVERAGE_HIDDEN, PROGRESS_COVERAGE_HIDDEN],
        )
    variables = {"registry": read_registry(PROJECT / "registry").data, "as_of": as_of}
    environment = {
        **os.environ,
        "EVERYPUPIL_WAREHOUSE": str(warehouse),
        "EVERYPUPIL_TEMP_DIR": str(scratch / "temp"),
        "DBT_TARGET_PATH": str(scratch / "target"),
        "DBT_LOG_PATH": str(scratch / "logs"),
    }
    command = [str(Path(sys.executable).with_name("dbt")), "build", "--vars", json.dumps(variables), *arguments]
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    results = json.loads((scratch / "target" / "run_results.json").read_text(encoding="utf-8"))["results"]
    return {result["unique_id"]: result["status"] for result in results}


@dataclass(frozen=True)
class Built:
    first: Warehouse
    incremental: Warehouse
    full: Warehouse
    statuses: dict[str, str]  # of the first build, which runs the unit tests too


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("dbt")
    lake = first_lake()
    # DuckDB's views name their catalogue, which is the name of the file: a copy keeps it.
    night, first, full = (folder / part / "warehouse.duckdb" for part in ("night", "first", "full"))
    first.parent.mkdir()
    lake.write(folder / "lake", night)
    statuses = build(night, folder)
    first.write_bytes(night.read_bytes())
    add_a_night(lake)
    lake.write(folder / "lake", night)
    build(night, folder, "--exclude-resource-type", "unit_test")
    lake.write(folder / "lake", full)
    build(full, folder, "--exclude-resource-type", "unit_test")
    return Built(Warehouse(first), Warehouse(night), Warehouse(full), statuses)
