"""The published attendance equals a few lines of SQL over the extracts as they lie in the landing folder."""

from __future__ import annotations

import json
import math

import duckdb
import pytest

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
