"""A small trust of which the public tier is told release after release, through the ledger itself.

Two schools of one trust, pupils of two groups. What a release shows is worked out here from the basis that the ledger
lays out, so that a test knows who went into every figure that was ever shown.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import duckdb

from ingest.registry import Registry
from quality.ledger.decision import Decision, decide
from quality.ledger.entry import Facts, append
from quality.ledger.hidden import thresholds_of
from quality.ledger.store import Ledger

YEAR, FIRST_MONDAY = "2025/26", date(2025, 9, 1)
MEASURE, RESULT = "attendance_rate", "mean_score"
_SOURCES = """
create schema intermediate; create schema aggregates; create schema exports_public; create schema disclosure;
create table disclosure.pattern (tier varchar, table_name varchar, row_key varchar, reason varchar, rule_id varchar);
create table intermediate.int_enrolment_week (academic_year varchar, school_key varchar, pupil_key bigint, term varchar,
    week_start date, expected integer, received integer, possible integer, attended integer, authorised integer,
    unauthorised integer, late integer);
create table intermediate.int_half_term as select '2025/26' as academic_year, 'HT1' as half_term, 'AUT' as term,
    date '2025-07-28' as from_week, date '2026-08-03' as until_week;
create table intermediate.int_half_term_period as select '2025/26' as academic_year, 'HT1' as half_term,
    unnest(['YTD', 'AUT', 'HT1']) as period;
create table intermediate.int_term_period as select '2025/26' as academic_year, 'AUT' as term,
    unnest(['YTD', 'AUT']) as period;
create table intermediate.int_term_total (academic_year varchar, term varchar, school_key varchar, pupil_key bigint,
    received integer, possible integer, attended integer, authorised integer, unauthorised integer, late integer);
create schema staging;
create table staging.academic_period as select '2025/26' as academic_year, 'AUT' as period,
    date '2025-08-01' as start_date, date '2025-12-31' as end_date;
create table intermediate.int_pupil_group (academic_year varchar, pupil_key bigint, group_dimension varchar,
    group_definition varchar, group_value varchar);
create table intermediate.int_outcome (academic_year varchar, measure_id varchar, pupil_key bigint, school_key varchar,
    z_value decimal(18, 9), outcome_state varchar);
create table intermediate.int_progress_input (academic_year varchar, measure_id varchar, pupil_key bigint,
    school_key varchar, baseline decimal(18, 9), outcome decimal(18, 9), sex varchar, nc_year varchar, in_measure
    boolean);
create table aggregates.school_unit as from (values ('A', 'school', 'A'), ('B', 'school', 'B'), ('A', 'trust', 'T'),
    ('B', 'trust', 'T')) as t (school_key, level, unit_code);
create table exports_public.measure_value (academic_year varchar, period varchar, level varchar, unit_code varchar,
    measure_id varchar, definition_version integer, group_definition varchar, group_dimension varchar, group_value
    varchar, n bigint, numerator bigint, status varchar);
create table exports_public.gap as select *, '' as comparator from exports_public.measure_value;
create table exports_public.progress_school (academic_year varchar, measure_id varchar, school_key varchar, urn varchar,
    status varchar);
create table exports_public.progress_model (academic_year varchar, measure_id varchar, method varchar, status varchar);
create table exports_public.coverage (academic_year varchar, period varchar, feed varchar, school_key varchar,
    status varchar);
"""
# What the public tier counts: the basis where it is apart from what came, else all that came.
_COUNTED = """
create or replace temp table counted as
select w.*, g.group_dimension, g.group_value from ledger.basis_week as w
join ledger.basis_group as g using (academic_year, school_key, pupil_key)
union all by name
select w.*, g.group_dimension, g.group_value from (
    select * from intermediate.int_enrolment_week anti join ledger.apart_year using (academic_year)
) as w join intermediate.int_pupil_group as g using (academic_year, pupil_key);
create or replace temp table contribution as
select p.period, u.level, u.unit_code, c.group_dimension, c.group_value, c.pupil_key, sum(c.attended) as attended,
    sum(c.possible) as possible
from counted as c join aggregates.school_unit as u using (school_key),
    lateral (values ('YTD'), (c.term), ('HT1'), (strftime(c.week_start, 'W%G-%V'))) as p (period)
where c.group_dimension = 'all' or left(p.period, 1) <> 'W' and left(p.period, 2) <> 'HT'
group by all;
delete from exports_public.measure_value where measure_id = 'attendance_rate';
"""

Cell = tuple[str, str, str, str, str]


@dataclass
class Told:
    """One release: what was decided, its entry, and per cell shown who contributed what."""

    decision: Decision
    entry: str
    shown: dict[Cell, dict[int, tuple[int, int]]]
    results: dict[tuple[str, str], int]


@dataclass
class Trust:
    """The trust, its warehouse and its ledger; `weeks` are delivered so far."""

    lake: Path
    minimum: int
    holds_back: bool = True
    weeks: int = 0
    pupils: dict[int, str] = field(default_factory=dict)
    connection: duckdb.DuckDBPyConnection = field(default_factory=lambda: duckdb.connect(config={"threads": 1}))

    def __post_init__(self) -> None:
        self.connection.execute(_SOURCES)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.lake)

    def enrol(self, pupil: int, school: str, group: str) -> None:
        """A pupil joins a school, and is marked from the next week on."""
        self.pupils[pupil] = school
        self.connection.execute(
            "insert into intermediate.int_pupil_group values (?, ?, 'all', 'all', 'all'), (?, ?, 'sex', 'census', ?)",
            [YEAR, pupil, YEAR, pupil, group],
        )

    def leave(self, pupil: int) -> None:
        self.pupils.pop(pupil, None)

    def regroup(self, pupil: int) -> None:
        """The pupil is of the other group, for the whole year."""
        self.connection.execute(
            "update intermediate.int_pupil_group set group_value = case group_value when 'F' then 'M' else 'F' end "
            "where pupil_key = ? and group_dimension = 'sex'",
            [pupil],
        )

    def mark_week(self) -> None:
        """Another week's registers come."""
        monday = FIRST_MONDAY + timedelta(weeks=self.weeks)
        self.weeks += 1
        if self.pupils:
            self.connection.executemany(
                "insert into intermediate.int_enrolment_week values (?, ?, ?, 'AUT', ?, 10, 10, 10, 9, 1, 0, 0)",
                [[YEAR, school, pupil, monday] for pupil, school in sorted(self.pupils.items())],
            )

    def correct(self, pupil: int, week: int, attended: int) -> None:
        """A late correction of one pupil's week."""
        self.connection.execute(
            "update intermediate.int_enrolment_week set attended = ? where pupil_key = ? and week_start = ?",
            [attended, pupil, FIRST_MONDAY + timedelta(weeks=week)],
        )

    def score(self, pupil: int, school: str, score: int) -> None:
        """A pupil's result, or its correction."""
        self.connection.execute("delete from intermediate.int_outcome where pupil_key = ?", [pupil])
        self.connection.execute(
            "insert into intermediate.int_outcome values (?, ?, ?, ?, ?, 'score')", [YEAR, RESULT, pupil, school, score]
        )

    def day(self, days: int = 0) -> date:
        """A day of the week after the last that was marked: every marked week is closed by then."""
        return FIRST_MONDAY + timedelta(weeks=self.weeks, days=days)

    def publish(self, inputs: str, as_of: date | None = None) -> Told:
        """Decides, shows and writes down one release."""
        day = as_of or self.day()

        def release_id_of(before: str) -> str:
            return f"{day}-{hashlib.sha256(f'{inputs} {before}'.encode()).hexdigest()[:12]}"

        decision = decide(self.connection, self.registry, self.ledger, day, release_id_of)
        shown = self._show()
        entry = append(
            self.connection,
            self.ledger,
            decision,
            [MEASURE],
            Facts(day.isoformat(), inputs, thresholds_of(self.registry)),
        )
        results = self.connection.execute(
            "select unit_code, group_value, numerator from exports_public.measure_value "
            "where measure_id <> 'attendance_rate' and status = 'ok'"
        ).fetchall()
        return Told(decision, entry, shown, {(row[0], row[1]): int(row[2]) for row in results})

    @property
    def registry(self) -> Registry:
        ledger = {"holds_back": self.holds_back}
        return Registry({"disclosure": {"minimum_pupils": {"public": self.minimum}, "ledger": ledger}})

    def _show(self) -> dict[Cell, dict[int, tuple[int, int]]]:
        """Fills the exports as a primary rule alone would; returns who contributed what to each cell shown."""
        self.connection.execute(_COUNTED)
        self.connection.execute(
            f"""
            insert into exports_public.measure_value
            select '{YEAR}', period, level, unit_code, '{MEASURE}', 1, if(group_dimension = 'all', 'all', 'census'),
                group_dimension, group_value,
                case when count(*) >= {self.minimum} then count(*) end,
                case when count(*) >= {self.minimum} then sum(attended) end,
                case when count(*) >= {self.minimum} then 'ok' else 'c' end
            from contribution group by period, level, unit_code, group_dimension, group_value
            """
        )
        self._show_results()
        shown: dict[Cell, dict[int, tuple[int, int]]] = {}
        rows = self.connection.execute(
            "select period, level, unit_code, group_dimension, group_value, pupil_key, attended, possible "
            "from contribution semi join (from exports_public.measure_value where status = 'ok') "
            "using (period, level, unit_code, group_dimension, group_value)"
        ).fetchall()
        for row in rows:
            shown.setdefault(row[:5], {})[row[5]] = (int(row[6]), int(row[7]))
        return shown

    def _show_results(self) -> None:
        stands = self.connection.execute("select count(*) from ledger.standing").fetchone()
        self.connection.execute("delete from exports_public.measure_value where measure_id = 'mean_score'")
        if stands and stands[0]:
            self.connection.execute(
                "insert into exports_public.measure_value by name "
                "select columns(c -> not starts_with(c, 'hidden_')) from ledger.published_measure_value"
            )
            return
        self.connection.execute(
            f"""
            insert into exports_public.measure_value
            select '{YEAR}', 'YTD', level, unit_code, '{RESULT}', 1, if(group_dimension = 'all', 'all', 'census'),
                group_dimension, group_value, count(*), sum(z_value),
                case when count(*) >= {self.minimum} then 'ok' else 'c' end
            from intermediate.int_outcome join aggregates.school_unit using (school_key)
            join intermediate.int_pupil_group using (academic_year, pupil_key)
            group by level, unit_code, group_dimension, group_value
            """
        )


def differing(one: dict[int, tuple[int, int]], other: dict[int, tuple[int, int]]) -> set[int]:
    """Pupils who contributed something else to a cell of two releases."""
    return {pupil for pupil in one.keys() | other.keys() if one.get(pupil) != other.get(pupil)}


def small_trust(lake: Path, minimum: int = 3, pupils: int = 20) -> Trust:
    """A trust with pupils spread over its schools and groups, and two weeks of marks."""
    trust = Trust(lake, minimum)
    for pupil in range(pupils):
        trust.enrol(pupil, "AB"[pupil % 2], "FM"[pupil // 2 % 2])
    trust.mark_week()
    trust.mark_week()
    return trust
