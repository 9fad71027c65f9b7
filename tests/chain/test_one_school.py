"""The smallest trust: one school, where no model can tell the school from its pupils and most cells are hidden."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.chain.conftest import AS_OF, EVERYPUPIL, Home

pytestmark = pytest.mark.chain


@pytest.fixture(scope="module")
def one_school(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder: Path = tmp_path_factory.mktemp("one_school")
    size = ["--schools", "1", "--pupils", "30", "--years", "1", "--seed", "1"]
    subprocess.run([str(EVERYPUPIL), "synth", "--out", str(folder / "extracts"), *size], check=True)
    home = Home(folder / "home")
    home.run("run", "--landing", str(folder / "extracts"), "--as-of", AS_OF)
    return home


def test_a_measure_that_cannot_be_fitted_counts_nobody_and_says_why(one_school: Home) -> None:
    schools = one_school.sql("select n, coverage, raw_mean, status from marts.progress_school", role="operator")
    values = one_school.sql(
        "select n, value, status from marts.measure_value where measure_id like 'value_added%' and level = 'school'"
        " and group_dimension = 'all'",
        role="operator",
    )
    models = one_school.sql("select status, status_reason from marts.progress_model", role="operator")
    assert schools
    assert values
    assert models
    assert {(row["n"], row["coverage"], row["raw_mean"], row["status"]) for row in schools} == {(0, 0.0, None, "x")}
    assert {(row["n"], row["value"], row["status"]) for row in values} == {(0, None, "x")}
    assert {row["status"] for row in models} == {"u"}
    assert all("at least 2 are needed" in row["status_reason"] for row in models)


def test_its_attendance_is_published_and_its_small_groups_are_not(one_school: Home) -> None:
    rows = one_school.sql(
        "select group_dimension, n, value, status from exports.measure_value where measure_id = 'attendance_rate'"
        " and period = 'YTD' and level = 'school'"
    )
    everybody = [row for row in rows if row["group_dimension"] == "all"]
    assert [row["status"] for row in everybody] == ["ok"]
    assert 80 < everybody[0]["value"] < 100
    hidden = [row for row in rows if row["status"] == "c"]
    assert hidden
    assert all(row["n"] is None and row["value"] is None for row in hidden)
