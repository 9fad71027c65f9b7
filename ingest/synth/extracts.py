"""The extracts of one school, as its management information system would give them on the days on which they were
taken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np

from ingest.synth.attainment import ABSENT, SCALE
from ingest.synth.attendance import CODE, CODES, NOT_ON_ROLL, Register
from ingest.synth.config import NEVER, Bools, Bytes, Ints, SynthReport
from ingest.synth.csvfile import write_bytes, write_rows
from ingest.synth.events import Intervention, Suspension
from ingest.synth.pupils import Enrolments, Pupils
from ingest.synth.school_year import SchoolYear
from ingest.synth.schools import School

PUPIL_HEADER = [
    *("LAESTAB", "UPN", "Former UPN", "Admission Number", "Surname", "Forename", "DOB", "Sex", "Year Group"),
    *("Reg Group", "Entry Date", "Leaving Date", "Enrolment Status", "Ethnicity", "Language", "FSM", "FSM6"),
    *("Pupil Premium", "SEN Provision", "In Care", "Post Looked After", "IDACI Decile", "As At Date"),
]
REGISTER_HEADER = ["UPN", "Admission Number", "Date", "Session", "Mark", "Minutes Late"]
RESULT_HEADER = ["UPN", "Admission Number", "Assessment", "Subject", "Result", "Scale", "Date"]
_WHO = ["UPN", "Admission Number"]
TOTALS_HEADER = [*_WHO, "Academic Year", "Term", "Possible", "Attended", "Authorised", "Unauthorised", "Late"]
SUSPENSION_HEADER = [*_WHO, "Type", "Start Date", "Sessions", "Reason"]
INTERVENTION_HEADER = [*_WHO, "Intervention", "Start Date", "End Date", "Team"]
CALENDAR_HEADER = ["LAESTAB", "Date", "Session", "Status"]

_CODE_BYTES = np.array([list(code.encode().ljust(2, b"\0")) for code in CODES], dtype=np.uint8)
_MINUTE_BYTES = np.array([list((str(n) if n else "").encode().ljust(2, b"\0")) for n in range(100)], dtype=np.uint8)


def stamp(moment: datetime) -> str:
    """The time of extraction as file names carry it."""
    return moment.strftime("%Y%m%dT%H%M%S")


def _yes(values: Bools) -> list[str]:
    return ["Y" if value else "N" for value in values]


@dataclass(frozen=True)
class SchoolExtracts:
    """Writes one school's files.

    `rows` are the school's enrolments, as positions in `enrolments`.
    """

    out: Path
    school: School
    pupils: Pupils
    enrolments: Enrolments
    rows: Ints
    report: SynthReport

    def identifiers(self, rows: Ints, day: int) -> Bytes:
        """`UPN,admission number,` of enrolments as on a day, as bytes; zero bytes pad what is not there."""
        pupil = self.enrolments.pupil[rows]
        out = np.zeros((len(rows), 21), dtype=np.uint8)
        temporary = (self.pupils.upn_from[pupil] > day)[:, None]
        shown = np.where(temporary, self.pupils.temporary_upn[pupil], self.pupils.upn[pupil])
        out[:, :13] = np.where(self.pupils.has_upn[pupil][:, None], shown, 0)
        out[:, 13] = out[:, 20] = ord(",")
        for place in range(6):
            out[:, 14 + place] = self.enrolments.admission[rows] // 10 ** (5 - place) % 10 + ord("0")
        return out

    def write_pupil_list(self, year: SchoolYear, taken: date) -> None:
        """Who is on roll, and who has left since September, as at one day."""
        day, pupils, enrolments = taken.toordinal(), self.pupils, self.enrolments
        september = date(year.start, 9, 1).toordinal()
        gone = enrolments.leaving[self.rows] <= day
        listed = (
            (enrolments.entry[self.rows] <= day)
            & (enrolments.leaving[self.rows] >= september)
            & ~(gone & enrolments.vanishes[self.rows])
        )
        rows = self.rows[listed]
        who = enrolments.pupil[rows]
        group = pupils.year_group(year.start)[who]
        temporary = pupils.upn_from[who] > day
        replaced = ~temporary & (pupils.upn_from[who] > 0)
        fsm = (pupils.fsm_from[who] <= day) & (day < pupils.fsm_to[who])
        fsm6 = pupils.fsm_from[who] <= day
        care = pupils.in_care_from[who] <= day
        after_care = pupils.was_in_care[who] & ~care
        plan = pupils.sen_plan_from[who] <= day
        support = pupils.sen_support_from[who] <= day
        flags = [_yes(v) for v in (fsm, fsm6, fsm6 | care | after_care, care, after_care)]
        n_forms = max(1, min(8, self.school.size // len(self.school.year_groups) // 28))
        table = []
        for i, (row, pupil) in enumerate(zip(rows.tolist(), who.tolist(), strict=True)):
            permanent = pupils.upn[pupil].tobytes().decode() if pupils.has_upn[pupil] else ""
            provisional = pupils.temporary_upn[pupil].tobytes().decode() if pupils.has_upn[pupil] else ""
            left = enrolments.leaving[row] <= day
            year_group = "R" if group[i] == 0 else str(group[i])
            table.append(
                [
                    self.school.laestab,
                    provisional if temporary[i] else permanent,
                    provisional if replaced[i] else "",
                    str(enrolments.admission[row]),
                    pupils.surname[pupil],
                    pupils.forename[pupil],
                    date.fromordinal(int(pupils.birth[pupil])).isoformat(),
                    "F" if pupils.is_girl[pupil] else "M",
                    year_group,
                    year_group + "ABCDEFGH"[int(enrolments.admission[row]) % n_forms],
                    date.fromordinal(int(enrolments.entry[row])).isoformat(),
                    date.fromordinal(int(enrolments.leaving[row])).isoformat() if left else "",
                    "M" if enrolments.is_dual[row] else "C",
                    pupils.ethnicity[pupil],
                    pupils.language[pupil],
                    flags[0][i],
                    flags[1][i],
                    flags[2][i],
                    "E" if plan[i] else "K" if support[i] else "N",
                    flags[3][i],
                    flags[4][i],
                    str(pupils.idaci_decile[pupil]),
                    taken.isoformat(),
                ]
            )
        name = f"pupils_{taken.isoformat()}_{stamp(datetime(taken.year, taken.month, taken.day, 6))}.csv"
        self.report.count("pupils", write_rows(self.out / "pupils" / self.school.laestab / name, PUPIL_HEADER, table))

    def write_register(
        self, rows: Ints, days: list[date], register: Register, taken: datetime, is_correction: bool = False
    ) -> None:
        """A register over consecutive open days.

        Parameters: `rows`, the enrolments that `register` has rows for; its columns are the sessions of `days`. The
        window in the file's name runs from the first to the last of the days.

        """
        moments = "".join(f"{day.isoformat()},{session}," for day in days for session in ("AM", "PM")).encode()
        when = np.frombuffer(moments, dtype=np.uint8).reshape(1, 2 * len(days), 14)
        shape = register.codes.shape
        known = np.where(register.codes == NOT_ON_ROLL, 0, register.codes)
        lines = np.empty((*shape, 41), dtype=np.uint8)
        lines[:, :, :21] = self.identifiers(rows, taken.toordinal())[:, None, :]
        lines[:, :, 21:35] = when
        lines[:, :, 35:37] = _CODE_BYTES[known]
        lines[:, :, 37] = ord(",")
        lines[:, :, 38:40] = _MINUTE_BYTES[register.minutes]
        lines[:, :, 40] = ord("\n")
        body = lines[register.codes != NOT_ON_ROLL].tobytes().translate(None, b"\0")
        window = f"{days[0].isoformat()}_{days[-1].isoformat()}_{stamp(taken)}"
        name = f"register_{'corrections_' if is_correction else ''}{window}.csv"
        path = self.out / "session_marks" / self.school.laestab / name
        self.report.count("session_marks", write_bytes(path, REGISTER_HEADER, body))

    def write_totals(self, rows: Ints, year: SchoolYear, term: str, totals: Ints, taken: datetime) -> None:
        """The sums of a term for every pupil who had a session in it.

        Parameters: `totals`, enrolment by `ingest.synth.events.TOTALS`, of the enrolments `rows`.
        """
        counts = totals.tolist()
        lines = [
            f"{who}{year.name},{term},{','.join(map(str, counts[i]))}"
            for i, who in enumerate(self._who(rows, taken))
            if counts[i][0]
        ]
        self._write_lines("attendance_totals", f"totals_{term.lower()}_{stamp(taken)}.csv", TOTALS_HEADER, lines)

    def write_suspensions(self, rows: Ints, found: list[Suspension], taken: datetime) -> None:
        """The suspensions that had begun when the file was taken; no file where there were none."""
        who = self._who(rows, taken)
        lines = [
            f"{who[one.row]}SUSP,{one.start.isoformat()},{one.sessions},{one.reason}"
            for one in found
            if one.start <= taken.date()
        ]
        self._write_lines("suspensions", f"suspensions_{stamp(taken)}.csv", SUSPENSION_HEADER, lines)

    def write_interventions(self, rows: Ints, found: list[Intervention], taken: datetime) -> None:
        """The actions that had begun when the file was taken; no file where there were none."""
        who = self._who(rows, taken)
        lines = [
            f"{who[one.row]}{one.name},{one.start.isoformat()},{one.end.isoformat() if one.end else ''},Attendance"
            for one in found
            if one.start <= taken.date()
        ]
        self._write_lines("interventions", f"interventions_{stamp(taken)}.csv", INTERVENTION_HEADER, lines)

    def _who(self, rows: Ints, taken: datetime) -> list[str]:
        """`UPN,admission number,` of enrolments as texts."""
        return [line.tobytes().translate(None, b"\0").decode() for line in self.identifiers(rows, taken.toordinal())]

    def _write_lines(self, feed: str, name: str, header: list[str], lines: list[str]) -> None:
        if lines:
            body = "".join(f"{line}\n" for line in lines).encode()
            self.report.count(feed, write_bytes(self.out / feed / self.school.laestab / name, header, body))

    def write_results(self, rows: Ints, assessment: str, results: dict[str, Ints], sat: date) -> None:
        """One test's results, a row a pupil and subject; a pupil who missed it has A."""
        ids = self._who(rows, datetime(sat.year, sat.month, sat.day))
        body = "".join(
            f"{ids[i]}{assessment},{subject},{'A' if score == ABSENT else score},{SCALE},{sat.isoformat()}\n"
            for subject, scores in results.items()
            for i, score in enumerate(scores.tolist())
        )
        taken = datetime(sat.year, sat.month, sat.day, 17) + timedelta(days=7)
        slug = assessment.lower().replace(" ", "-")
        path = self.out / "assessment_results" / self.school.laestab / f"{slug}_{sat.isoformat()}_{stamp(taken)}.csv"
        self.report.count("assessment_results", write_bytes(path, RESULT_HEADER, body.encode()))


def _first_seen(rng: np.random.Generator, truth: Register) -> tuple[Register, Bools]:
    """A register as it stood before late reasons came in, and which pupils' marks changed since."""
    unexplained = (truth.codes >= CODE["I"]) & (truth.codes <= CODE["O"])
    changed = unexplained & (rng.random(truth.codes.shape, dtype=np.float32) < 0.08)
    codes = truth.codes.copy()
    codes[changed] = CODE["N"]
    minutes = np.where(changed, 0, truth.minutes).astype(np.uint8)
    return Register(codes, minutes), np.asarray(changed.any(axis=1))


def deliver_registers(
    rng: np.random.Generator, extracts: SchoolExtracts, rows: Ints, year: SchoolYear, truth: Register, is_last: bool
) -> None:
    """Delivers a year's marks as they would have come.

    Earlier terms come by half-term, as a school sends them when it joins; the last summer term comes by week, its last
    two weeks by night as well. What comes nightly and weekly first has some absences without a reason (N); the reasons
    come a week later, for single pupils. The first week of that term is sent again whole.

    """
    days = year.open_days
    joined = (
        datetime(year.half_terms[4][0].year, year.half_terms[4][0].month, year.half_terms[4][0].day, 6)
        if is_last
        else None
    )

    def between(first: date, last: date) -> tuple[list[date], slice]:
        inside = [n for n, day in enumerate(days) if first <= day <= last]
        return days[inside[0] : inside[-1] + 1], slice(2 * inside[0], 2 * inside[-1] + 2)

    def part(sessions: slice) -> Register:
        return Register(truth.codes[:, sessions], truth.minutes[:, sessions])

    for number, (first, last) in enumerate(year.half_terms):
        if is_last and number >= 4:
            break
        covered, sessions = between(first, last)
        backfilled = datetime(last.year, last.month, last.day, 19) + timedelta(days=3)
        extracts.write_register(rows, covered, part(sessions), max(joined or backfilled, backfilled))
    if not is_last:
        return
    term = [day for day in days if day >= year.half_terms[4][0]]
    mondays = sorted({day - timedelta(days=day.weekday()) for day in term})
    for number, monday in enumerate(mondays):
        covered, sessions = between(monday, monday + timedelta(days=4))
        week = part(sessions)
        seen, changed = _first_seen(rng, week)
        if number >= len(mondays) - 2:
            for at, day in enumerate(covered):
                one = slice(2 * at, 2 * at + 2)
                night = Register(seen.codes[:, one], seen.minutes[:, one])
                extracts.write_register(rows, [day], night, datetime(day.year, day.month, day.day, 18, 30))
        friday = datetime(covered[-1].year, covered[-1].month, covered[-1].day, 20)
        extracts.write_register(rows, covered, seen, friday)
        late = friday + timedelta(days=7)
        if number == 0:
            extracts.write_register(rows, covered, week, late)
        elif changed.any():
            some = Register(week.codes[changed], week.minutes[changed])
            extracts.write_register(rows[changed], covered, some, late, is_correction=True)


def pupil_list_days(year: SchoolYear) -> list[date]:
    """Two days into each half-term, the census days, and the day after term ends."""
    starts = [first + timedelta(days=2) for first, _ in year.half_terms]
    weekdays = [day + timedelta(days=(7 - day.weekday()) if day.weekday() > 4 else 0) for day in starts]
    return sorted({*weekdays, *year.census_days, max(year.statuses) + timedelta(days=1)})


def is_active(enrolments: Enrolments, rows: Ints, first: date, last: date) -> Bools:
    """Which enrolments are on roll on any day between two dates, both counted."""
    entry, leaving = enrolments.entry[rows], np.minimum(enrolments.leaving[rows], NEVER)
    return (entry <= last.toordinal()) & (leaving >= first.toordinal())
