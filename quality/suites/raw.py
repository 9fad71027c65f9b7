"""Expectations on the raw layer: what the lake holds arrived in the warehouse whole and in its agreed form."""

from __future__ import annotations

from ingest.registry import Registry
from quality.rules import Between, InSet, Rows, RowsWhere, Rule, Suite, academic_year_sql, any_null

SESSIONS = ("AM", "PM")

# Feeds held whole in the warehouse: the columns without which a row says nothing, and the one that names its school.
FEEDS: dict[str, tuple[tuple[str, ...], str | None]] = {
    "schools": (("urn",), "urn"),
    "calendar": (("laestab", "session_date", "session", "session_status"), "laestab"),
    "pupils": (("laestab", "as_at_date", "pupil_ref"), "laestab"),
    "assessment_results": (("pupil_ref", "assessment_id", "subject", "result_date"), "laestab"),
    "attendance_totals": (("laestab", "pupil_ref", "academic_year", "term", "possible"), "laestab"),
    "suspensions": (("laestab", "pupil_ref", "kind", "start_date"), "laestab"),
    "interventions": (("laestab", "pupil_ref", "intervention", "start_date"), "laestab"),
}
ROW_KEY = ("delivery_id", "line")


def _feed_rules(number: int, feed: str, required: tuple[str, ...], school: str | None) -> list[Rule]:
    table = f"raw.{feed}"
    return [
        Rule(
            f"QR-{number + 1:03d}",
            table,
            f"Every accepted row of {feed} says {', '.join(required)}, its delivery and its line.",
            any_null((*ROW_KEY, *required)),
            ROW_KEY,
            school,
        ),
        Rule(
            f"QR-{number + 2:03d}",
            table,
            f"Every row of {feed} comes from a delivery that the catalogue knows.",
            Rows(
                "select d.delivery_id from (select delivery_id from judged group by delivery_id) as d "
                f"left join lake.delivery as c on c.delivery_id = d.delivery_id and c.feed = '{feed}' where "
                f"c.delivery_id is null"
            ),
            ("delivery_id",),
        ),
    ]


def _list_that_lost_pupils(share: float) -> Rule:
    """A warning: whoever is not on a school's newest whole list has left by it, so a part sent as a whole undoes most
    of the school. share: percent of the pupils of the list before it.
    """
    return Rule(
        "QR-027",
        "raw.pupils",
        f"A whole pupil list has at least {share:g} % of the pupils of the school's list before it in the year; if it "
        "is a part, send the whole list of that date again.",
        Rows(
            "select delivery_id, laestab from (select *, lag(pupils) over (partition by laestab, "
            f"{academic_year_sql('as_at_date')} order by as_at_date, extracted_at, delivery_id) as before, "
            "row_number() over (partition by laestab, as_at_date order by extracted_at desc, delivery_id desc) "
            "as recency from (select p.laestab, p.as_at_date, p.delivery_id, d.extracted_at, "
            "count(distinct p.pupil_ref) as pupils from judged as p "
            "join lake.delivery as d on d.delivery_id = p.delivery_id "
            "where not d.is_held and d.extent is distinct from 'pupils_in_file' group by all) as listed) as followed "
            f"where recency = 1 and 100 * pupils < {share:g} * before"
        ),
        ("delivery_id", "laestab"),
        "laestab",
        "warning",
    )


def raw_suite(registry: Registry) -> Suite:
    """The suite of schema `raw`."""
    rules = [
        rule
        for position, (feed, (required, school)) in enumerate(FEEDS.items())
        for rule in _feed_rules(10 * position, feed, required, school)
    ]
    rules += [
        Rule(
            "QR-014", "raw.calendar", "A calendar session is AM or PM.", InSet("session", SESSIONS), ROW_KEY, "laestab"
        ),
        Rule(
            "QR-015",
            "raw.calendar",
            "A calendar session is open, closed, inset or a bank holiday.",
            InSet("session_status", ("open", "closed", "inset", "bank_holiday")),
            ROW_KEY,
            "laestab",
        ),
        Rule("QR-024", "raw.pupils", "Sex is M, F or U.", InSet("sex", ("M", "F", "U")), ROW_KEY, "laestab"),
        Rule(
            "QR-025",
            "raw.pupils",
            "Provision for special needs is N, K or E.",
            InSet("sen_provision", ("N", "K", "E")),
            ROW_KEY,
            "laestab",
        ),
        Rule("QR-026", "raw.pupils", "An IDACI decile is 1 to 10.", Between("idaci_decile", 1, 10), ROW_KEY, "laestab"),
        _list_that_lost_pupils(registry.data["partial"]["pupil_list_share_percent"]),
        # A view over the registers read in this run: one look at them all, for both things that must be true of a mark.
        Rule(
            "QR-050",
            "raw.session_marks",
            "A mark says its delivery, line, school, pupil and date, and its session is AM or PM.",
            RowsWhere(
                "delivery_id is null or line is null or laestab is null or pupil_ref is null or session_date is null "
                "or session is null or session not in ('AM', 'PM')"
            ),
            ROW_KEY,
            "laestab",
        ),
    ]
    return Suite("raw", tuple(rules))
