"""Writes a whole synthetic trust as a landing folder."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np

from ingest.synth.attainment import AUTUMN, SCHOOL_EFFECT_SD, SUBJECTS, SUMMER, scores
from ingest.synth.attendance import CALIBRATION, Register, Roll, expected_rates, make_register
from ingest.synth.config import Floats, Ints, Progress, SynthConfig, SynthReport
from ingest.synth.csvfile import write_rows
from ingest.synth.events import interventions, suspensions, term_totals
from ingest.synth.extracts import CALENDAR_HEADER, SchoolExtracts, deliver_registers, is_active, pupil_list_days
from ingest.synth.faults import plant
from ingest.synth.pupils import Enrolments, Pupils, make_pupils
from ingest.synth.school_year import SchoolYear, first_weekday, school_year, statistical_terms
from ingest.synth.schools import School, make_schools, write_schools

_ATTENDANCE, _DELIVERY, _TESTS, _EVENTS = 11, 12, 13, 14
_LATE_DISADVANTAGE = 0.35
_OLDER = 0.06
"""How much a pupil's propensity to be absent rises with disadvantage and with each year group, in standard
deviations."""


def _no_progress(what: str, done: int, total: int) -> None:
    return None


def write_trust(out: Path, config: SynthConfig, progress: Progress = _no_progress) -> SynthReport:
    """Writes a trust's extracts into a landing folder, the same bytes for the same configuration.

    Parameters: `out`, the landing folder (made where it is not there; must hold no files of an earlier trust);
    `config`; `progress`, called as each school is done.
    Raises: `FileExistsError` where `out` has files already; `ValueError` for an unknown fault.

    """
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty; name another folder or empty it.")
    years = [[school_year(start, variant) for variant in range(3)] for start in config.year_starts]
    schools = make_schools(config, SCHOOL_EFFECT_SD)
    pupils, enrolments = make_pupils(config, schools, [variants[0] for variants in years])
    report = SynthReport(schools=len(schools), pupils=len(pupils.cohort))
    taken = {date(variants[0].start, 9, 1) for variants in years}
    taken |= {school.converted_on for school in schools if school.converted_on}
    write_schools(out, schools, sorted(taken), report)
    for variants in years:
        _write_calendar(out, schools, variants, report)
    rates = [_year_rates(config, schools, variants[0], pupils, enrolments) for variants in years]
    for school in schools:
        progress("schools", school.index, len(schools))
        mine = np.flatnonzero(enrolments.school == school.index)
        extracts = SchoolExtracts(out, school, pupils, enrolments, mine, report)
        for number, variants in enumerate(years):
            year = variants[school.index % len(variants)]
            _write_year(config, extracts, year, *rates[number], is_last=number == len(years) - 1)
    progress("schools", len(schools), len(schools))
    report.faults = plant(out, config.faults, config.seed)
    return report


def _year_rates(
    config: SynthConfig, schools: list[School], year: SchoolYear, pupils: Pupils, enrolments: Enrolments
) -> tuple[Floats, Floats]:
    """Absence rate and unauthorised share of every enrolment in a year, calibrated phase by phase; zero for those
    not on roll."""
    rng = config.rng(_ATTENDANCE, year.start)
    n = len(enrolments.pupil)
    who = enrolments.pupil
    census = year.census_days[1].toordinal()
    wish = (
        pupils.propensity[who]
        + _LATE_DISADVANTAGE * pupils.is_disadvantaged(census)[who]
        + _OLDER * pupils.year_group(year.start)[who]
        + rng.normal(0, 0.15, len(schools))[enrolments.school]
        + rng.normal(0, 0.55, n)
    )
    rate, unauthorised = np.zeros(n), np.zeros(n)
    active = is_active(enrolments, np.arange(n), year.open_days[0], year.open_days[-1])
    phases = np.array([school.phase for school in schools])[enrolments.school]
    for phase, calibration in CALIBRATION.items():
        rows = np.flatnonzero(active & (phases == phase))
        if len(rows):
            rate[rows], unauthorised[rows] = expected_rates(calibration, wish[rows])
    return rate, unauthorised


def _write_year(
    config: SynthConfig, extracts: SchoolExtracts, year: SchoolYear, rate: Floats, unauthorised: Floats, is_last: bool
) -> None:
    school, pupils, enrolments = extracts.school, extracts.pupils, extracts.enrolments
    for day in pupil_list_days(year):
        extracts.write_pupil_list(year, day)
    rows = extracts.rows[is_active(enrolments, extracts.rows, year.open_days[0], year.open_days[-1])]
    roll = Roll(
        entry=enrolments.entry[rows],
        leaving=enrolments.leaving[rows],
        year_group=pupils.year_group(year.start)[enrolments.pupil[rows]],
        rate=rate[rows],
        unauthorised=unauthorised[rows],
        is_dual=enrolments.is_dual[rows],
    )
    rng = config.rng(_ATTENDANCE, year.start, school.index)
    register = make_register(rng, school.phase, year.day_numbers, roll, closes_one_day=school.index % 7 == 3)
    has_marks = school.index < config.schools - config.without_marks
    if has_marks:
        deliver_registers(config.rng(_DELIVERY, year.start, school.index), extracts, rows, year, register, is_last)
    _write_totals_and_events(config, extracts, year, rows, register, has_marks=has_marks, is_last=is_last)
    _write_tests(config, extracts, year, rate)


def _write_totals_and_events(
    config: SynthConfig,
    extracts: SchoolExtracts,
    year: SchoolYear,
    rows: Ints,
    register: Register,
    has_marks: bool,
    is_last: bool,
) -> None:
    """Termly totals (of the last autumn beside marks, of every term without them), suspensions and actions.

    Of the last year suspensions and actions come in spring as well, and all again when the year is over.
    """
    for term, (first, last) in statistical_terms(year.start).items():
        if not has_marks or (is_last and term == "AUT"):
            returned = datetime(last.year, last.month, last.day, 8) + timedelta(days=16)
            totals = term_totals(register.codes, year, first, last)
            extracts.write_totals(rows, year, term, totals, returned)
    rng = config.rng(_EVENTS, year.start, extracts.school.index)
    out, acted = suspensions(rng, register.codes, year), interventions(rng, register.codes, year)
    over, spring = year.open_days[-1], year.half_terms[3][0]
    for day in (spring, over) if is_last else (over,):
        taken = datetime(day.year, day.month, day.day, 20)
        extracts.write_suspensions(rows, out, taken)
        extracts.write_interventions(rows, acted, taken)


def _write_tests(config: SynthConfig, extracts: SchoolExtracts, year: SchoolYear, rate: Floats) -> None:
    rng = config.rng(_TESTS, year.start, extracts.school.index)
    sat = {AUTUMN: first_weekday(year.start, 11, 1, 2), SUMMER: first_weekday(year.start + 1, 6, 1, 3)}
    results: dict[str, dict[str, Ints]] = {AUTUMN: {}, SUMMER: {}}
    who = extracts.enrolments.pupil[extracts.rows]
    disadvantaged = extracts.pupils.is_disadvantaged(year.census_days[1].toordinal())[who]
    for number, subject in enumerate(SUBJECTS):
        results[AUTUMN][subject], results[SUMMER][subject] = scores(
            rng,
            extracts.pupils.ability[who, number],
            disadvantaged,
            extracts.school.effects[number],
            rate[extracts.rows],
        )
    for assessment, day in sat.items():
        there = is_active(extracts.enrolments, extracts.rows, day, day)
        extracts.write_results(
            extracts.rows[there],
            assessment,
            {subject: scored[there] for subject, scored in results[assessment].items()},
            day,
        )


def _write_calendar(out: Path, schools: list[School], variants: list[SchoolYear], report: SynthReport) -> None:
    rows = [
        [school.laestab, day.isoformat(), session, status]
        for school in schools
        for day, status in variants[school.index % len(variants)].statuses.items()
        for session in ("AM", "PM")
    ]
    start = variants[0].start
    name = f"calendar_{start}-{(start + 1) % 100:02d}_{start}0701T060000.csv"
    report.count("calendar", write_rows(out / "calendar" / name, CALENDAR_HEADER, rows))
