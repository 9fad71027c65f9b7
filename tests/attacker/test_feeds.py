"""Where totals stand in place of registers, a feed's year tells a hidden term, and one feed tells the other."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from quality.attacker.cells import CELL
from quality.attacker.feeds import by_both_feeds, feeds_told
from quality.attacker.lines import told_by_totals
from tests.attacker.published import REGISTRY, Tables

YEAR = "2024/25"
# Autumn by totals of 5 pupils beside registers of 95, spring by registers alone; each has 120 and 100 sessions.
ROWS = {
    ("session_marks", "AUT"): (12000.0, 11400.0),
    ("session_marks", "SPR"): (10000.0, 10000.0),
    ("session_marks", "YTD"): (22000.0, 21400.0),
    ("attendance_totals", "AUT"): (600.0, 600.0),
    ("attendance_totals", "YTD"): (600.0, 600.0),
}


def tables(hidden: set[tuple[str, str]], coverage_shown: bool = False) -> Tables:
    rows = pd.DataFrame(
        [
            (YEAR, period, feed, "1", *((np.nan, np.nan, "c") if (feed, period) in hidden else (*figures, "ok")))
            for (feed, period), figures in ROWS.items()
        ],
        columns=["academic_year", "period", "feed", "school_key", "expected", "received", "status"],
    )
    values = pd.DataFrame(
        [
            (
                YEAR,
                period,
                "school",
                "100001",
                "all",
                "all",
                "all",
                "attendance_rate",
                100.0 if coverage_shown else np.nan,
            )
            for period in ("AUT", "SPR", "YTD")
        ],
        columns=[*CELL, "measure_id", "coverage"],
    )
    schools = pd.DataFrame({"school_key": ["1"], "urn": ["100001"], "trust_code": ["T1"], "la_code": ["301"]})
    return {"coverage": rows, "measure_value": values, "dim_school": schools}


@pytest.mark.parametrize(
    ("hidden", "coverage_shown", "told"),
    [
        ({("attendance_totals", "AUT")}, False, {"AUT|attendance_totals"}),
        ({("attendance_totals", "AUT"), ("attendance_totals", "YTD")}, False, set()),
        ({("session_marks", "AUT")}, False, {"AUT|session_marks"}),
        (
            {("attendance_totals", "AUT"), ("attendance_totals", "YTD")},
            True,
            {"AUT|attendance_totals", "YTD|attendance_totals"},
        ),
        (set(ROWS), True, set()),
    ],
)
def test_a_hidden_row_follows_from_the_other_terms_or_the_other_feed(
    hidden: set[tuple[str, str]], coverage_shown: bool, told: set[str]
) -> None:
    found = feeds_told(tables(hidden, coverage_shown), REGISTRY, "public")
    assert {breach.row_key for breach in found} == {f"{YEAR}|{key}|1" for key in told}
    by_row = {
        breach.row_key.split("|", 1)[1].rsplit("|", 1)[0]: breach.low
        for breach in found
        if "received" in breach.quantity
    }
    assert by_row == {key: ROWS[key.split("|")[1], key.split("|")[0]][1] for key in told}


def test_what_came_is_what_came_by_both_feeds() -> None:
    shown = by_both_feeds(tables(set())["coverage"]).set_index(["feed", "period"])["received"]
    assert shown["session_marks", "AUT"] == 12000.0
    assert shown["session_marks", "SPR"] == 10000.0
    partly = by_both_feeds(tables({("attendance_totals", "AUT")})["coverage"]).set_index(["feed", "period"])["received"]
    assert np.isnan(partly["session_marks", "AUT"])


def test_half_terms_do_not_add_up_to_a_term_of_two_that_totals_tell() -> None:
    told = told_by_totals(tables(set(ROWS)))
    places = {(row["whole"], row["level"], row["unit_code"]) for row in told.to_dict("records")}
    units = [("school", "100001"), ("trust", "T1"), ("la", "301")]
    assert places == {(whole, *unit) for whole in ("AUT", "YTD") for unit in units}
    assert told["breaks_halves"].all()
