"""The published attendance equals a few lines of SQL over the extracts as they lie in the landing folder."""

from __future__ import annotations

import json
import math

import duckdb
import pytest

from dashboard import queries
from dashboard.access import open_as
from dashboard.windows import window_figures
from ingest.registry import load_registry
from ingest.settings import load_settings
from tests.chain.conftest import Home

pytestmark = pytest.mark.chain

# Written from the statutory categories, not from the project's seed: what counts as attended, what is possible at all.
FIVE_LINES = r"""
with arrived as (select *, split_part(filename, '/', -2) as laestab,
    regexp_extract(filename, '_(\d{8}T\d{6})', 1) as sent
    from read_csv('LANDING/session_marks/*/*.csv', all_varchar = true, filename = true, union_by_name = true)),
newest as (select laestab, upn, date, session, arg_max(trim(mark), sent) as mark from arrived group by all)
select laestab, count_if(mark in ('/', '\', 'L', 'B', 'J', 'K', 'P', 'V', 'W')) as attended,
    count_if(mark not in ('', '-', '*', 'D', 'Q', 'X', 'Z', '#') and mark not like 'Y%') as possible
from newest group by all
"""


def test_the_attendance_of_every_school_equals_five_lines_of_sql(trust_home: Home) -> None:
    with duckdb.connect() as connection:
        expected = {
            laestab: (attended, possible)
            for laestab, attended, possible in connection.execute(
                FIVE_LINES.replace("LANDING", str(trust_home.landing))
            ).fetchall()
        }
    rows = trust_home.sql(
        "select s.laestab, v.numerator, v.denominator, v.value from marts.measure_value v join marts.dim_school s"
        " on s.urn = v.unit_code where v.level = 'school' and v.measure_id = 'attendance_rate' and v.period = 'YTD'"
        " and v.group_dimension = 'all'",
        role="operator",
    )
    published = {row["laestab"]: (int(row["numerator"]), int(row["denominator"])) for row in rows}
    assert published == expected
    for row in rows:
        assert math.isclose(float(row["value"]), 100 * int(row["numerator"]) / int(row["denominator"]), rel_tol=1e-8)


def test_the_trust_is_the_sum_of_its_schools(trust_home: Home) -> None:
    figures = trust_home.sql(
        "select level, sum(numerator) as attended, sum(denominator) as possible from marts.measure_value"
        " where measure_id = 'attendance_rate' and period = 'YTD' and group_dimension = 'all' group by level",
        role="operator",
    )
    totals = {row["level"]: (int(row["attended"]), int(row["possible"])) for row in figures}
    assert totals["trust"] == totals["school"] == totals["la"], json.dumps(figures)


def test_a_window_of_the_whole_year_gives_the_figures_of_the_marts(trust_home: Home) -> None:
    """Two programs, one in SQL by term and one from the sessions themselves, and one definition."""
    settings = load_settings(trust_home.path)
    measures = [m for m in load_registry(settings).measures if m["source_model"] == "attendance"]
    with open_as(settings, "operator") as release:
        (year,) = queries.academic_years(release)
        days = queries.session_days(release, "marts.fct_session", year)
        assert days is not None
        schools = queries.schools(release)
        places = {("trust", None): tuple(schools["school_key"])}
        places |= {("school", urn): (key,) for urn, key in zip(schools["urn"], schools["school_key"], strict=True)}
        marts = release.rows(
            "select * from marts.measure_value where period = 'YTD' and group_dimension = 'all' and level in"
            " ('school', 'trust')"
        )
        compared = 0
        for (level, urn), keys in places.items():
            window = queries.Window(year, *days, keys)
            found = window_figures(queries.stays_in(release, "marts.fct_session", window), measures, 50.0)
            for row in found.to_dict("records"):
                (told,) = (
                    told
                    for told in marts
                    if told["level"] == level
                    and told["unit_code"] == (urn or told["unit_code"])
                    and told["measure_id"] == row["measure_id"]
                )
                assert (row["n"], row["status"]) == (told["n"], told["status"])
                for column in ("value", "ci_low", "ci_high", "coverage", "numerator", "denominator"):
                    assert math.isclose(float(row[column]), float(told[column]), abs_tol=1e-5), (level, urn, column)
                compared += 1
        assert compared == len(measures) * (1 + len(schools))
