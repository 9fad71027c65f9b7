"""The pupils and their enrolments: who is on roll where and when, with characteristics that go together as they do
in life."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from scipy.special import ndtr

from ingest.synth import names
from ingest.synth.config import NEVER, Bools, Bytes, Floats, Ints, SynthConfig
from ingest.synth.school_year import SchoolYear
from ingest.synth.schools import PRIMARY, SECONDARY, SPECIAL, School
from ingest.synth.upn import upns

STAYS_IN_TRUST = 0.65
"""Share of Year 6 of a trust's primaries that goes on to one of its secondaries."""
LEAVES_IN_YEAR = 0.03
MOVES_WITHIN_TRUST = 0.25
"""Of those who leave in the year, the share that goes to another school of the trust."""
VANISHES = 0.2
"""Of those who leave in the year, the share that the next list no longer names."""


@dataclass
class Pupils:
    """One row per pupil. Dates are ordinals, `NEVER` where the thing does not happen; `deprivation` and `propensity`
    are standard normal scores."""

    cohort: Ints
    first_school: Ints
    upn: Bytes
    temporary_upn: Bytes
    upn_from: Ints
    has_upn: Bools
    surname: list[str]
    forename: list[str]
    birth: Ints
    is_girl: Bools
    ethnicity: list[str]
    language: list[str]
    deprivation: Floats
    fsm_from: Ints
    fsm_to: Ints
    idaci_decile: Ints
    sen_support_from: Ints
    sen_plan_from: Ints
    in_care_from: Ints
    was_in_care: Bools
    propensity: Floats
    ability: Floats

    def year_group(self, start: int) -> Ints:
        """National curriculum year (0 is Reception) in the academic year that begins in `start`."""
        return start - self.cohort

    def is_disadvantaged(self, day: int) -> Bools:
        """Ever claimed free school meals by that day, in care or once in care."""
        return (self.fsm_from <= day) | (self.in_care_from <= day) | self.was_in_care


@dataclass
class Enrolments:
    """One row per stay of a pupil at a school; `leaving` is the last day on roll, `NEVER` while there; `vanishes`:
    leaves no trace in later lists."""

    pupil: Ints
    school: Ints
    entry: Ints
    leaving: Ints
    admission: Ints
    vanishes: Bools
    is_dual: Bools


class _Builder:
    """Grows pupils and enrolments year by year."""

    def __init__(self) -> None:
        self.cohort: list[Ints] = []
        self.first_school: list[Ints] = []
        self.n_pupils = 0
        self.pupil: list[int] = []
        self.school: list[int] = []
        self.entry: list[int] = []
        self.leaving: list[int] = []
        self.vanishes: list[bool] = []
        self.on_roll: dict[int, list[int]] = {}
        self.cohort_of: list[int] = []

    def new_pupils(self, n: int, cohort: int, school: int) -> list[int]:
        first = self.n_pupils
        self.n_pupils += n
        self.cohort.append(np.full(n, cohort, dtype=np.int64))
        self.first_school.append(np.full(n, school, dtype=np.int64))
        self.cohort_of.extend([cohort] * n)
        return list(range(first, first + n))

    def enrol(self, pupil: int, school: int, entry: int) -> None:
        self.on_roll.setdefault(school, []).append(len(self.pupil))
        self.pupil.append(pupil)
        self.school.append(school)
        self.entry.append(entry)
        self.leaving.append(NEVER)
        self.vanishes.append(False)

    def leave(self, enrolment: int, day: int, vanishes: bool) -> None:
        self.leaving[enrolment] = day
        self.vanishes[enrolment] = vanishes
        self.on_roll[self.school[enrolment]].remove(enrolment)


def _group_sizes(rng: np.random.Generator, school: School) -> dict[int, int]:
    groups = list(school.year_groups)
    jitter = rng.normal(1, 0.06, len(groups)).clip(0.8, 1.2)
    return {g: max(1, round(school.size / len(groups) * float(j))) for g, j in zip(groups, jitter, strict=True)}


def _enrol_everyone(config: SynthConfig, schools: list[School], years: list[SchoolYear]) -> _Builder:
    rng = config.rng(2)
    builder = _Builder()
    first = years[0].start
    for school in schools:
        for group, size in _group_sizes(rng, school).items():
            since = max(group - school.year_groups[0], 0)
            for pupil in builder.new_pupils(size, first - group, school.index):
                years_here = since if rng.random() > 0.2 else int(rng.integers(0, since + 1))
                month = 9 if years_here == since else int(rng.choice([1, 2, 3, 4, 5, 6, 9, 11]))
                started = first - years_here if month >= 9 else first - years_here + 1
                if date(started, month, 1) > date(first, 9, 1):
                    started, month = first, 9
                builder.enrol(pupil, school.index, date(started, month, 1).toordinal())
    for number, year in enumerate(years):
        if number:
            _start_year(rng, builder, schools, year)
        _move_in_year(rng, builder, schools, year)
        _end_year(builder, schools, year)
    return builder


def _start_year(rng: np.random.Generator, builder: _Builder, schools: list[School], year: SchoolYear) -> None:
    """Takes the new Reception and Year 7 in, Year 7 first from the trust's own Year 6."""
    entry = date(year.start, 9, 1).toordinal()
    secondaries = [s for s in schools if s.phase == SECONDARY]
    own: dict[int, list[int]] = {s.index: [] for s in secondaries}
    if secondaries:
        primaries = {s.index: n for n, s in enumerate(x for x in schools if x.phase == PRIMARY)}
        for enrolment, left_school in enumerate(builder.school):
            pupil = builder.pupil[enrolment]
            ended = builder.leaving[enrolment]
            left_at_end = ended != NEVER and entry - 70 < ended < entry
            if (
                left_school in primaries
                and left_at_end
                and year.start - builder.cohort_of[pupil] == 7
                and rng.random() < STAYS_IN_TRUST
            ):
                own[secondaries[primaries[left_school] % len(secondaries)].index].append(pupil)
    for school in schools:
        group = school.year_groups[0]
        size = _group_sizes(rng, school)[group]
        intake = own.get(school.index, [])[:size]
        intake += builder.new_pupils(size - len(intake), year.start - group, school.index)
        for pupil in intake:
            builder.enrol(pupil, school.index, entry)


def _move_in_year(rng: np.random.Generator, builder: _Builder, schools: list[School], year: SchoolYear) -> None:
    """Lets some pupils leave, some of them for another school of the trust, and as many new ones come."""
    days = year.open_days
    by_phase = {phase: [s.index for s in schools if s.phase == phase] for phase in (PRIMARY, SECONDARY, SPECIAL)}
    for school in schools:
        others = [index for index in by_phase[school.phase] if index != school.index]
        roll = [e for e in builder.on_roll[school.index] if builder.entry[e] <= days[0].toordinal()]
        for enrolment in rng.permutation(roll)[: rng.binomial(len(roll), LEAVES_IN_YEAR)]:
            at = int(rng.integers(8, len(days) - 12))
            moves = bool(others) and rng.random() < MOVES_WITHIN_TRUST
            builder.leave(int(enrolment), days[at].toordinal(), not moves and rng.random() < VANISHES)
            if moves:
                builder.enrol(builder.pupil[enrolment], int(rng.choice(others)), days[at + 1].toordinal())
        for _ in range(int(rng.binomial(len(roll), LEAVES_IN_YEAR * (1 - MOVES_WITHIN_TRUST)))):
            group = int(rng.integers(school.year_groups[0], school.year_groups[-1] + 1))
            (pupil,) = builder.new_pupils(1, year.start - group, school.index)
            builder.enrol(pupil, school.index, days[int(rng.integers(5, len(days) - 15))].toordinal())


def _end_year(builder: _Builder, schools: list[School], year: SchoolYear) -> None:
    """Ends the stay of the oldest year group: on the last day of term, Year 11 on the last Friday of June."""
    last_day = max(year.statuses).toordinal()
    june = date(year.start + 1, 6, 30)
    last_friday = june.toordinal() - (june.weekday() - 4) % 7
    for school in schools:
        group = school.year_groups[-1]
        for enrolment in list(builder.on_roll[school.index]):
            if year.start - builder.cohort_of[builder.pupil[enrolment]] == group:
                builder.leave(enrolment, max(last_friday if group == 11 else last_day, builder.entry[enrolment]), False)


def _allocate_upns(
    pupils_school: Ints, cohort: Ints, schools: list[School], n_feeders: int
) -> tuple[Ints, Ints, Ints, Ints]:
    """Where and when each UPN was given: the first school of the trust for those who started there, else one of many
    schools elsewhere."""
    la = np.array([int(s.la_code) for s in schools])[pupils_school]
    establishment = np.array([int(s.establishment) for s in schools])[pupils_school]
    elsewhere = np.array([s.phase == SECONDARY for s in schools])[pupils_school]
    number = np.arange(len(cohort))
    establishment = np.where(elsewhere, 3000 + number % n_feeders, establishment)
    key = (la * 10_000 + establishment) * 10_000 + cohort
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    starts = np.concatenate([[0], np.flatnonzero(np.diff(ordered)) + 1])
    lengths = np.diff(np.concatenate([starts, [len(key)]]))
    serial = np.empty(len(key), dtype=np.int64)
    serial[order] = np.arange(len(key)) - np.repeat(starts, lengths)
    if serial.max(initial=0) > 999:
        raise ValueError("More than 1,000 pupils of one school and year want a UPN; make the trust of more schools.")
    return la, establishment, cohort, serial


def make_pupils(config: SynthConfig, schools: list[School], years: list[SchoolYear]) -> tuple[Pupils, Enrolments]:
    """Everyone who is on roll on any day of the years, and their enrolments ordered by school, entry and pupil."""
    builder = _enrol_everyone(config, schools, years)
    rng = config.rng(3)
    n = builder.n_pupils
    cohort = np.concatenate(builder.cohort)
    first_school = np.concatenate(builder.first_school)
    enrolments = _enrolments(config, builder)
    first_entry = np.full(n, NEVER)
    np.minimum.at(first_entry, enrolments.pupil, enrolments.entry)

    deprivation_school = np.array([s.deprivation for s in schools])[first_school]
    deprivation = (deprivation_school + rng.normal(size=n)) / np.sqrt(1.3)
    special = np.array([s.phase == SPECIAL for s in schools])[first_school]
    begin, end = date(years[0].start, 8, 1).toordinal(), max(years[-1].statuses).toordinal()

    fsm_before = rng.random(n) < ndtr(-0.85 + 0.95 * deprivation + 0.35 * special)
    new_claim = ~fsm_before & (rng.random(n) < 0.02 * len(years) * np.exp(0.7 * deprivation))
    fsm_from = np.where(fsm_before, begin, np.where(new_claim, rng.integers(begin, end, n), NEVER))
    fsm_ends = (fsm_from < NEVER) & (rng.random(n) < 0.05 * len(years))
    fsm_to = np.where(fsm_ends, np.minimum(fsm_from + rng.integers(30, 400, n), NEVER), NEVER)
    fsm_lapsed = fsm_before & (rng.random(n) < 0.1)
    fsm_to = np.where(fsm_lapsed, begin, fsm_to)

    need = 0.35 * deprivation + rng.normal(size=n) + 0.25 * (rng.random(n) < 0.5)
    is_girl = rng.random(n) < np.where(special, 0.3, 0.49)
    need += np.where(is_girl, -0.2, 0.2)
    plan_before = special | (need > 2.1)
    support_before = ~plan_before & (need > 1.1)
    becomes = ~plan_before & ~support_before & (rng.random(n) < 0.012 * len(years) * np.exp(0.6 * need))
    sen_support_from = np.where(support_before, begin, np.where(becomes, rng.integers(begin, end, n), NEVER))
    gets_plan = support_before & (rng.random(n) < 0.03 * len(years))
    sen_plan_from = np.where(plan_before, begin, np.where(gets_plan, rng.integers(begin, end, n), NEVER))

    care_risk = 0.006 * np.exp(0.8 * deprivation)
    in_care = rng.random(n) < care_risk * 1.4
    in_care_from = np.where(in_care, np.where(rng.random(n) < 0.8, begin, rng.integers(begin, end, n)), NEVER)

    ethnicity, language = _ethnicity_and_language(rng, np.array([s.white_british for s in schools])[first_school])
    eal = np.array([code not in ("ENG", "ENB", "NOT", "REF") for code in language])
    severe_need = 0.5 * (sen_plan_from <= begin) + 0.3 * (sen_support_from <= begin)
    propensity = 0.28 * deprivation + severe_need - 0.2 * eal + rng.normal(0, 0.9, n)
    common = rng.normal(size=n)
    ability = np.empty((n, 2))
    for subject, (girls_ahead, eal_behind) in enumerate(((0.1, 0.12), (-0.04, 0.0))):
        need_effect = -0.7 * severe_need - 1.1 * special - 0.12 * np.maximum(propensity, 0)
        ability[:, subject] = 0.75 * common + 0.5 * rng.normal(size=n) - 0.28 * deprivation + need_effect
        ability[:, subject] += girls_ahead * is_girl - eal_behind * eal

    la, establishment, year, serial = _allocate_upns(first_school, cohort, schools, n_feeders=n // 500 + 20)
    joined_later = first_entry > begin + 45
    temporary = joined_later & (rng.random(n) < 0.08)
    upn_from = np.where(temporary, first_entry + rng.integers(40, 160, n), 0)
    has_upn = ~((rng.random(n) < 0.02) & (cohort >= years[-1].start - 1))
    temporary_serial = np.cumsum(temporary) - 1
    temporary_upn = upns(la, 9000 + temporary_serial // 2300 % 1000, year, temporary_serial % 2300, temporary=True)

    forenames = [
        str((names.GIRLS if girl else names.BOYS)[int(u * len(names.GIRLS if girl else names.BOYS))])
        for girl, u in zip(is_girl, rng.random(n), strict=True)
    ]
    surnames = [names.SURNAMES[i] for i in rng.integers(0, len(names.SURNAMES), n)]
    birth_first = np.array([date(int(c) - 5, 9, 1).toordinal() for c in np.unique(cohort)])[
        np.unique(cohort, return_inverse=True)[1]
    ]
    decile = 10 - np.floor(ndtr(0.85 * deprivation + 0.5 * rng.normal(size=n)) * 10).clip(0, 9).astype(np.int64)
    return (
        Pupils(
            cohort=cohort,
            first_school=first_school,
            upn=upns(la, establishment, year, serial),
            temporary_upn=temporary_upn,
            upn_from=upn_from,
            has_upn=has_upn,
            surname=surnames,
            forename=forenames,
            birth=birth_first + rng.integers(0, 365, n),
            is_girl=is_girl,
            ethnicity=ethnicity,
            language=language,
            deprivation=deprivation,
            fsm_from=fsm_from,
            fsm_to=fsm_to,
            idaci_decile=decile,
            sen_support_from=sen_support_from,
            sen_plan_from=sen_plan_from,
            in_care_from=in_care_from,
            was_in_care=rng.random(n) < care_risk,
            propensity=propensity,
            ability=ability,
        ),
        enrolments,
    )


def _ethnicity_and_language(rng: np.random.Generator, white_british: Floats) -> tuple[list[str], list[str]]:
    n = len(white_british)
    shares = np.array([share for _, share, _ in names.ETHNICITIES])
    other = rng.choice(len(shares), size=n, p=shares / shares.sum())
    is_white_british = rng.random(n) < white_british
    speaks, which = rng.random(n), rng.random(n)
    ethnicity, language = [], []
    for i in range(n):
        if is_white_british[i]:
            ethnicity.append("WBRI")
            language.append("ENG" if speaks[i] > 0.01 else "ENB")
            continue
        code, _, languages = names.ETHNICITIES[other[i]]
        ethnicity.append(code)
        language.append(languages[int(which[i] * len(languages))] if languages and speaks[i] < 0.7 else "ENG")
    return ethnicity, language


def _enrolments(config: SynthConfig, builder: _Builder) -> Enrolments:
    pupil, school = np.array(builder.pupil), np.array(builder.school)
    entry, leaving = np.array(builder.entry), np.array(builder.leaving)
    order = np.lexsort((pupil, entry, school))
    rng = config.rng(4)
    admission = np.empty(len(order), dtype=np.int64)
    for index in np.unique(school):
        mine = np.flatnonzero(school[order] == index)
        admission[mine] = 100_001 + np.arange(len(mine)) + 40 * int(index)
    return Enrolments(
        pupil=pupil[order],
        school=school[order],
        entry=entry[order],
        leaving=leaving[order],
        admission=admission,
        vanishes=np.array(builder.vanishes)[order],
        is_dual=rng.random(len(order)) < 0.004,
    )
