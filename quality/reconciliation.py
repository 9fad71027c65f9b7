"""Success is an equation: what came in is what is accounted for, from the file to the figure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as parquet

from ingest.registry import Registry
from quality.rules import Rows, RowsWhere, Rule, Suite, academic_year_sql, literal
from quality.suites.bridge import bridge_equations
from quality.suites.raw import FEEDS
from quality.suites.reason import reason_equations
from quality.suites.status import status_equations

_COUNTS = ("possible", "attended", "authorised", "unauthorised", "late", "missing")
_DELIVERY = ("delivery_id",)


def _file_rules() -> list[Rule]:
    split = "rows_read is distinct from rows_accepted + rows_quarantined"
    return [
        Rule(
            "RC-001",
            "lake.delivery",
            "For every file, rows read = rows accepted + rows quarantined.",
            RowsWhere(split),
            _DELIVERY,
            "laestab",
        ),
        Rule(
            "RC-002",
            "marts.delivery",
            "For every delivery published, rows read = rows accepted + rows quarantined.",
            RowsWhere(split),
            _DELIVERY,
            "laestab",
        ),
        Rule(
            "RC-003",
            "marts.delivery",
            "For every delivery, rows accepted = current + superseded + held.",
            RowsWhere(
                "rows_accepted is distinct from rows_current + rows_superseded + rows_held or least(rows_current, "
                "rows_superseded, rows_held) < 0"
            ),
            _DELIVERY,
            "laestab",
        ),
        Rule(
            "RC-004",
            "marts.delivery",
            "Every delivery of the lake is told to people, with its own counts.",
            Rows(
                "select coalesce(l.delivery_id, m.delivery_id) as delivery_id from lake.delivery as l full join "
                "judged as m on m.delivery_id = l.delivery_id "
                "where (m.rows_read, m.rows_accepted, m.rows_quarantined) is distinct from (l.rows_read, "
                "l.rows_accepted, l.rows_quarantined)"
            ),
            _DELIVERY,
        ),
        Rule(
            "RC-005",
            "marts.delivery",
            "For every feed, rows accepted = current + superseded + held.",
            Rows(
                "select feed from judged group by feed having sum(rows_accepted) is distinct from sum(rows_current) "
                "+ sum(rows_superseded) + sum(rows_held)"
            ),
            ("feed",),
        ),
    ]


def _raw_rules() -> list[Rule]:
    return [
        Rule(
            f"RC-{10 + position:03d}",
            f"raw.{feed}",
            f"Every accepted row of {feed} in the lake is in the warehouse, once.",
            Rows(
                "select l.delivery_id from lake.delivery as l left join (select delivery_id, count(*) as n_rows from "
                "judged group by delivery_id) as r "
                f"on r.delivery_id = l.delivery_id where l.feed = '{feed}' and coalesce(r.n_rows, 0) <> l.rows_accepted"
            ),
            _DELIVERY,
        )
        for position, feed in enumerate(FEEDS)
    ]


def _session_rules() -> list[Rule]:
    flags = ", ".join(f"sum(cast(is_{count} as integer)) as {count}" for count in _COUNTS)
    sums = ", ".join(f"sum({count}) as {count}" for count in _COUNTS)
    differs = " or ".join(f"coalesce(s.{count}, 0) <> coalesce(y.{count}, 0)" for count in _COUNTS)
    slices = (
        f"(select school_key, {academic_year_sql('session_date')} as academic_year, {sums} from "
        f"(select school_key, session_date, {flags} from judged group by school_key, session_date) as days group by "
        f"all)"
    )
    # Of a term that totals tell there are no sessions: what they give is added, and what they answer is not missing.
    # How many were late is compared where nobody's total leaves it out.
    told = ", ".join(f"sum({'-received' if count == 'missing' else count}) as {count}" for count in _COUNTS)
    slices = (
        f"(select school_key, academic_year, {sums}, false as is_late_unknown from (from {slices} union all by name "
        f"select school_key, academic_year, {told} from intermediate.int_term_total group by all) group by all)"
    )
    differs_by_total = differs.replace("coalesce(s.late", "not coalesce(y.is_late_unknown, false) and coalesce(s.late")
    years = (
        f"(select school_key, academic_year, {sums}, bool_or(late is null) as is_late_unknown "
        "from marts.attendance_enrolment_year group by school_key, academic_year)"
    )
    pupil_sums = f"(select academic_year, pupil_key, {sums} from judged group by academic_year, pupil_key)"
    enrolment_sums = (
        f"(select academic_year, pupil_key, {sums}, bool_or(late is null) as is_late_unknown "
        "from marts.attendance_enrolment_year group by academic_year, pupil_key)"
    )
    return [
        Rule(
            "RC-020",
            "marts.fct_session",
            "For every school and year, the sessions and totals in their place add up to the enrolments' attendance.",
            Rows(
                "select coalesce(s.school_key, y.school_key) as school_key, coalesce(s.academic_year, "
                "y.academic_year) as academic_year "
                f"from {slices} as s full join {years} as y on y.school_key = s.school_key and y.academic_year = "
                f"s.academic_year where {differs_by_total}"
            ),
            ("school_key", "academic_year"),
            "school_key",
        ),
        Rule(
            "RC-021",
            "marts.attendance_pupil_year",
            "For every pupil and year, the enrolments' attendance adds up to the pupil's.",
            Rows(
                "select coalesce(s.academic_year, y.academic_year) as academic_year, coalesce(s.pupil_key, "
                "y.pupil_key) as pupil_key "
                f"from {pupil_sums} as s full join {enrolment_sums} as y on y.academic_year = s.academic_year and "
                f"y.pupil_key = s.pupil_key where {differs_by_total}"
            ),
            ("academic_year", "pupil_key"),
        ),
        Rule(
            "RC-023",
            "marts.absence_spell",
            "For every enrolment and year, the spells add up to the absence that no total gives.",
            Rows(
                "select y.academic_year, y.enrolment_key from marts.attendance_enrolment_year as y left join "
                "(select academic_year, enrolment_key, sum(authorised) as authorised, sum(unauthorised) as "
                "unauthorised from (select academic_year, enrolment_key, authorised, unauthorised from judged "
                "union all select academic_year, enrolment_key, authorised, unauthorised from "
                "intermediate.int_term_total) group by academic_year, enrolment_key) as s "
                "on s.academic_year = y.academic_year and s.enrolment_key = y.enrolment_key "
                "where coalesce(s.authorised, 0) <> y.authorised or coalesce(s.unauthorised, 0) <> y.unauthorised"
            ),
            ("academic_year", "enrolment_key"),
        ),
        Rule(
            "RC-022",
            "marts.fct_session",
            "On no day are there more marks than the registers in force hold.",
            Rows(
                "select s.session_date from (select session_date, count(code) as n_marks from judged group by "
                "session_date) "
                "as s left join (select d.session_date, sum(d.n_rows) as n_rows from lake.delivery_day as d join "
                "(select distinct delivery_id, session_date from lake.session_window) as w on w.delivery_id = "
                "d.delivery_id "
                "and w.session_date = d.session_date group by d.session_date) as f on f.session_date = s.session_date "
                "where s.n_marks > coalesce(f.n_rows, 0)"
            ),
            ("session_date",),
        ),
    ]


def _result_rules(registry: Registry) -> list[Rule]:
    scores = [measure["measure_id"] for measure in registry.measures if measure["source_model"] == "attainment"]
    measures = ", ".join(literal(measure) for measure in scores) or "''"
    return [
        Rule(
            "RC-024",
            "marts.coverage",
            "Every score that a school sent is counted by the school's own measures.",
            Rows(
                "select c.academic_year, c.school_key from judged as c left join marts.dim_school as s on "
                "s.school_key = c.school_key left join (select academic_year, unit_code, sum(n) as n from "
                "marts.measure_value where level = 'school' and period = 'YTD' and group_dimension = 'all' "
                f"and measure_id in ({measures}) group by academic_year, unit_code) as m on "
                "m.academic_year = c.academic_year and m.unit_code in (s.urn, s.school_key) "
                "where c.feed = 'assessment_results' and c.received <> coalesce(m.n, 0)"
            ),
            ("academic_year", "school_key"),
            "school_key",
        ),
    ]


def _level_rules(registry: Registry) -> list[Rule]:
    # Sessions and enrolments belong to one school each, so they add up; pupils with a score may belong to two.
    additive = [measure["measure_id"] for measure in registry.measures if measure["kind"] in ("ratio", "proportion")]
    measures = ", ".join(literal(measure) for measure in additive) or "''"
    keys = (
        "academic_year",
        "period",
        "measure_id",
        "definition_version",
        "group_definition",
        "group_dimension",
        "group_value",
    )
    shared = ", ".join(keys)
    coalesced = ", ".join(f"coalesce(s.{key}, t.{key}) as {key}" for key in keys)
    same = " and ".join(f"t.{key} = s.{key}" for key in keys)

    def sums(level: str, where: str) -> str:
        # A group in which any unit's numerator is not known has no sum to compare.
        return (
            f"(select {shared}, sum(numerator) as numerator, sum(denominator) as denominator, bool_and(numerator is "
            f"not null) as is_whole "
            f"from judged where level = '{level}' and measure_id in ({measures}) {where} group by {shared})"
        )

    in_trust = "and unit_code in (select d.urn from marts.dim_school as d where d.trust_code is not null)"
    return [
        Rule(
            "RC-030",
            "marts.measure_value",
            "The sessions and pupils of a trust's schools add up to the trust's.",
            Rows(
                f"select {coalesced} from {sums('school', in_trust)} as s join {sums('trust', '')} as t on {same} "
                "where s.is_whole and t.is_whole and (abs(s.numerator - t.numerator) > 1e-7 * (1 + abs(t.numerator)) "
                "or s.denominator <> t.denominator)"
            ),
            keys,
        ),
    ]


def reconciliation_suite(registry: Registry) -> Suite:
    """The equations that SQL can check in the warehouse; those between the lake's files are `lake_findings`."""
    return Suite(
        "reconciliation",
        (
            *(*_file_rules(), *_raw_rules(), *_session_rules()),
            *(
                *_result_rules(registry),
                *_level_rules(registry),
                *bridge_equations(),
                *reason_equations(),
                *status_equations(),
            ),
        ),
    )


@dataclass(frozen=True)
class CataloguedDelivery:
    """One row of `lake.delivery`, as far as the lake's files are compared with it."""

    delivery_id: str
    parse_id: str
    rows_read: int
    rows_accepted: int
    rows_quarantined: int
    accepted_path: str
    quarantine_path: str


@dataclass(frozen=True)
class LakeFinding:
    """An equation between the lake's files: how many deliveries were judged, and the ids of those that fail it."""

    rule_id: str
    table: str
    sentence: str
    n_rows: int
    failing: tuple[str, ...]


def lake_findings(lake_dir: Path, deliveries: Sequence[CataloguedDelivery]) -> list[LakeFinding]:
    """Compares manifests, Parquet files and catalogue.

    Parameters: `lake_dir`, the lake; `deliveries`, every row of `lake.delivery`. Only file footers are read, no row.
    """
    catalogued = {delivery.delivery_id for delivery in deliveries}
    in_lake = {path.parents[1].name for path in lake_dir.glob("*/*/*/manifest.json")}
    uneven = [delivery.delivery_id for delivery in deliveries if not _files_agree(lake_dir, delivery)]
    return [
        LakeFinding(
            "RC-040",
            "lake.delivery",
            "Every delivery's files hold as many rows as its manifest and the catalogue say.",
            len(deliveries),
            tuple(sorted(uneven)),
        ),
        LakeFinding(
            "RC-041",
            "lake.delivery",
            "Every delivery of the lake is in the catalogue, and no other.",
            len(in_lake | catalogued),
            tuple(sorted(in_lake ^ catalogued)),
        ),
    ]


def _files_agree(lake_dir: Path, delivery: CataloguedDelivery) -> bool:
    # The catalogue may hold paths relative to the lake; an absolute one stays as it is.
    accepted, quarantine = lake_dir / delivery.accepted_path, lake_dir / delivery.quarantine_path
    try:
        manifest = json.loads(accepted.with_name("manifest.json").read_text(encoding="utf-8"))
        counts = (manifest["rows_read"], manifest["rows_accepted"], manifest["rows_quarantined"])
        files = (parquet.read_metadata(accepted).num_rows, parquet.read_metadata(quarantine).num_rows)
    except (OSError, ValueError, KeyError):
        # Missing, truncated or not what its name says: the equation does not hold, whatever the reason.
        return False
    catalogue = (delivery.rows_read, delivery.rows_accepted, delivery.rows_quarantined)
    return manifest.get("parse_id") == delivery.parse_id and counts == catalogue and files == counts[1:]
