"""The intervals of measure_value and gap, as dbt itself works them out, over many simulated trusts; and at their
boundaries.

Pupils are clustered in schools; each has a propensity to attend of their own (beta), so that sessions of one pupil go
together. The estimand is the models': these schools, pupils like these.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats

from ingest.registry import read_registry

PROJECT = Path(__file__).parents[2] / "dbt_project"
GROUPS = ("disadvantaged", "not_disadvantaged")
RATE, SHARE, MEAN = "attendance_rate", "persistent_absence_rate", "mean_score_reading"
# Pupils of each group by school; the fourth school has one disadvantaged pupil: a stratum without a variance.
SIZES = np.array([[30, 45], [20, 80], [50, 40], [1, 60], [25, 35], [60, 90]])
ATTENDS = np.array([[0.88, 0.94], [0.90, 0.95], [0.86, 0.91], [0.91, 0.96], [0.87, 0.94], [0.89, 0.93]])
CONCENTRATION = 14.0  # of the beta distribution over pupils: a standard deviation of about 7 points
SCHOOL = 5  # the school whose own figures are looked at, of 60 and 90 pupils
POSSIBLE, POSSIBLE_HALF_YEAR, SHARE_HALF_YEAR = 380, 190, 0.1
GAP_OF_SCHOOLS = 0.5
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Trusts:
    """What was simulated: per trust the true values, and, per trust, the planted intervals of a session count."""

    warehouse: Path
    truth: pd.DataFrame
    sessions: pd.DataFrame


def _sums(unit: str, school: str, measure: str, group: str, num: Array, den: Array) -> dict[str, Any]:
    return {
        "unit_code": unit,
        "school_key": school,
        "measure_id": measure,
        "group_value": group,
        "n": len(num),
        "sum_num": num.sum(),
        "sum_den": den.sum(),
        "sum_num_num": (num * num).sum(),
        "sum_num_den": (num * den).sum(),
        "sum_den_den": (den * den).sum(),
    }


def _share_truth(attends: float) -> float:
    """Probability that a pupil misses a tenth or more."""
    beta = (1 - attends) * CONCENTRATION, attends * CONCENTRATION
    shares = {POSSIBLE: 1 - SHARE_HALF_YEAR, POSSIBLE_HALF_YEAR: SHARE_HALF_YEAR}
    return float(sum(w * stats.betabinom.sf(p // 10 - 1, p, *beta) for p, w in shares.items()))


def _simulate(runs: int) -> tuple[list[dict[str, Any]], pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(20251121)
    rows: list[dict[str, Any]] = []
    truth: list[dict[str, Any]] = []
    sessions: list[dict[str, Any]] = []
    rate_truth = (SIZES * ATTENDS).sum(0) / SIZES.sum(0)
    often_absent = np.vectorize(_share_truth)(ATTENDS)
    share_truth = (SIZES * often_absent).sum(0) / SIZES.sum(0)
    for run in range(runs):
        unit = f"T{run}"
        effect = rng.normal(0, 0.4, len(SIZES))
        centre = np.column_stack([effect - GAP_OF_SCHOOLS + rng.normal(0, 0.3, len(SIZES)), effect])
        mean_truth = (SIZES * centre).sum(0) / SIZES.sum(0)
        counted = np.zeros((2, 2))
        for school, sizes in enumerate(SIZES):
            for side, group in enumerate(GROUPS):
                n, attends = sizes[side], ATTENDS[school, side]
                possible = np.where(rng.random(n) < SHARE_HALF_YEAR, POSSIBLE_HALF_YEAR, POSSIBLE)
                propensity = rng.beta(attends * CONCENTRATION, (1 - attends) * CONCENTRATION, n)
                attended = rng.binomial(possible, propensity).astype(float)
                absent_tenth = (possible - attended) * 10 >= possible
                score = np.round(rng.normal(centre[school, side], 1, n), 9)
                key = f"{unit}-{school}"
                rows.append(_sums(unit, key, RATE, group, attended, possible.astype(float)))
                rows.append(_sums(unit, key, SHARE, group, absent_tenth.astype(float), np.ones(n)))
                rows.append(_sums(unit, key, MEAN, group, score, np.ones(n)))
                counted[side] += attended.sum(), possible.sum()
        for code, rate, share, mean in (
            (unit, rate_truth, share_truth, mean_truth),
            (f"{unit}-{SCHOOL}", ATTENDS[SCHOOL], often_absent[SCHOOL], centre[SCHOOL]),
        ):
            for measure, values in ((RATE, 100 * rate), (SHARE, 100 * share), (MEAN, mean)):
                truth.append({"unit_code": code, "measure_id": measure, "group": values[0], "comparator": values[1]})
        ratio = counted[:, 0] / counted[:, 1]
        variance = ratio * (1 - ratio) / counted[:, 1]
        sessions.append(
            {"unit_code": unit, "ratio": ratio[0], "variance": variance[0], "gap_variance": float(variance.sum())}
        )
    return rows, pd.DataFrame(truth), pd.DataFrame(sessions)


def _edge(unit: str, measure: str, group: str, schools: list[list[tuple[float, float]]]) -> list[dict[str, Any]]:
    return [
        _sums(
            unit,
            f"{unit}-{number}",
            measure,
            group,
            *(np.array(side, dtype=float) for side in zip(*school, strict=True)),
        )
        for number, school in enumerate(schools)
    ]


def _edges() -> list[dict[str, Any]]:
    spread = [(180.0, 190.0), (170.0, 190.0), (150.0, 190.0), (188.0, 190.0)]
    never_absent = [(190.0, 190.0)] * 4
    group, comparator = GROUPS
    return [
        *_edge("one_pupil", RATE, group, [spread[:1]]),
        *_edge("two_pupils", RATE, group, [spread[:2]]),
        *_edge("no_spread", RATE, group, [never_absent]),
        *_edge("all_alone", RATE, group, [[pupil] for pupil in spread]),
        *_edge("one_alone", RATE, group, [spread, [(100.0, 190.0)]]),
        *_edge("no_sessions", RATE, group, [[(0.0, 0.0)]]),
        *_edge("nobody", SHARE, group, [[(0.0, 1.0)] * 12]),
        *_edge("everybody", SHARE, group, [[(1.0, 1.0)] * 12]),
        *_edge("nobody", SHARE, comparator, [[(1.0, 1.0)] * 12]),
        *_edge("one_side_flat", RATE, group, [never_absent]),
        *_edge("one_side_flat", RATE, comparator, [spread]),
        *_edge("one_side_empty", RATE, group, [spread]),
        *_edge("apart", RATE, group, [spread]),
        *[{**row, "school_key": "apart-other"} for row in _edge("apart", RATE, comparator, [spread[1:]])],
    ]


@pytest.fixture(scope="session")
def trusts(tmp_path_factory: pytest.TempPathFactory, soak_factor: int) -> Trusts:
    folder = tmp_path_factory.mktemp("intervals")
    rows, truth, sessions = _simulate(1000 * soak_factor)
    path = folder / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.register("simulated", pd.DataFrame([*rows, *_edges()]))
        connection.execute(
            """create schema aggregates; create schema intermediate;
            create table aggregates.measure_sum as
            select '2025/26' as academic_year, 'YTD' as period, school_key, measure_id,
                'fsm6cla@census' as group_definition, 'disadvantage' as group_dimension, group_value, n::bigint as n,
                columns('sum_.*')::decimal(38, 18), n::bigint as expected, n::bigint as received
            from (select * replace (case when sum_den = 0 then 0 else n end as n) from simulated);
            create table aggregates.school_unit as
            select distinct school_key, 'trust' as level, unit_code, 'Primary' as phase from simulated
            union select distinct school_key, 'school', school_key, 'Primary' from simulated
            where regexp_matches(school_key, '^T[0-9]+-5$');
            create table aggregates.measure_pupil_overlap (academic_year varchar, period varchar, pupil_key bigint,
                school_key varchar, measure_id varchar);
            create table intermediate.int_pupil_group (academic_year varchar, pupil_key bigint, group_dimension varchar,
                group_definition varchar, group_value varchar)"""
        )
    variables = json.dumps({"registry": read_registry(PROJECT / "registry").data, "as_of": "2026-07-31"})
    environment = {
        **os.environ,
        "EVERYPUPIL_WAREHOUSE": str(path),
        "EVERYPUPIL_TEMP_DIR": str(folder / "temp"),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
    }
    dbt = str(Path(sys.executable).with_name("dbt"))
    models = "student_t int_student_t unit_measure measure_value gap"
    command = [dbt, "build", "--select", models, "--resource-types", "seed", "model", "--vars", variables]
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    return Trusts(path, truth, sessions)


def _published(trusts: Trusts, table: str, measure: str, level: str = "trust") -> pd.DataFrame:
    """Rows of the simulated trusts, or of one school of each, with their true values."""
    of = "group_value = 'disadvantaged' and" if table == "measure_value" else ""
    with duckdb.connect(str(trusts.warehouse), read_only=True) as connection:
        frame = connection.execute(
            f"select * from marts.{table} "
            f"where {of} measure_id = ? and level = ? and unit_code similar to 'T[0-9]+(-5)?'",
            [measure, level],
        ).df()
    assert set(frame["status"]) == {"ok"}
    return frame.merge(trusts.truth, on=["unit_code", "measure_id"], validate="one_to_one")


def _holds_95_percent(inside: pd.Series[bool]) -> bool:
    """Between 93 and 97 %, widened by three binomial standard errors."""
    slack = 3 * float(np.sqrt(0.95 * 0.05 / len(inside)))
    return 0.93 - slack <= float(inside.mean()) <= 0.97 + slack


@pytest.mark.parametrize("level", ["school", "trust"])
@pytest.mark.parametrize("measure", [RATE, SHARE, MEAN])
def test_ninety_five_of_a_hundred_intervals_hold_the_true_value(trusts: Trusts, measure: str, level: str) -> None:
    frame = _published(trusts, "measure_value", measure, level)
    assert _holds_95_percent(frame["group"].between(frame["ci_low"], frame["ci_high"]))


@pytest.mark.parametrize("level", ["school", "trust"])
@pytest.mark.parametrize("measure", [RATE, SHARE, MEAN])
def test_ninety_five_of_a_hundred_intervals_hold_the_true_gap(trusts: Trusts, measure: str, level: str) -> None:
    frame = _published(trusts, "gap", measure, level)
    assert _holds_95_percent((frame["comparator_y"] - frame["group"]).between(frame["ci_low"], frame["ci_high"]))


def test_an_interval_on_session_counts_fails_the_same_check(trusts: Trusts) -> None:
    z = stats.norm.ppf(0.975)
    frame = _published(trusts, "gap", RATE).merge(trusts.sessions, on="unit_code")
    value_error = (frame["value_group"] - frame["group"]).abs()
    gap_error = (frame["gap"] - (frame["comparator_y"] - frame["group"])).abs()
    for error, variance in ((value_error, "variance"), (gap_error, "gap_variance")):
        inside = error <= 100 * z * np.sqrt(frame[variance])
        assert not _holds_95_percent(inside)
        assert inside.mean() < 0.5


def test_a_pooled_interval_does_not_speak_of_schools_like_these(trusts: Trusts) -> None:
    frame = _published(trusts, "gap", MEAN)
    inside = (frame["ci_low"] <= GAP_OF_SCHOOLS) & (frame["ci_high"] >= GAP_OF_SCHOOLS)
    assert not _holds_95_percent(inside)
    assert inside.mean() < 0.9


def _values(trusts: Trusts) -> dict[str, tuple[Any, ...]]:
    with duckdb.connect(str(trusts.warehouse), read_only=True) as connection:
        rows = connection.execute(
            "select unit_code, value, ci_low, ci_high, interval_method, status from marts.measure_value "
            "where level = 'trust' and group_value = 'disadvantaged' and unit_code not similar to 'T[0-9]+'"
        ).fetchall()
    return {row[0]: row[1:] for row in rows}


def test_without_a_spread_over_pupils_there_is_a_status_and_no_interval(trusts: Trusts) -> None:
    values = _values(trusts)
    for unit in ("one_pupil", "no_spread", "all_alone"):
        assert values[unit][0] is not None
        assert values[unit][1:] == (None, None, None, "u")
    assert values["no_sessions"] == (None, None, None, None, "x")


def test_two_pupils_have_an_interval_with_one_degree_of_freedom(trusts: Trusts) -> None:
    value, low, high, method, status = _values(trusts)["two_pupils"]
    half = stats.t.ppf(0.975, 1) * np.std([180 / 190, 170 / 190], ddof=1) / np.sqrt(2) * 100
    assert (value, low, high) == pytest.approx((100 * 350 / 380, max(100 * 350 / 380 - half, 0), 100), rel=1e-8)
    assert (method, status) == ("linearised_t", "ok")


def test_a_school_with_one_pupil_is_centred_on_the_whole_and_gives_no_degree_of_freedom(trusts: Trusts) -> None:
    value, low, high, method, _ = _values(trusts)["one_alone"]
    attended = np.array([180.0, 170, 150, 188, 100])
    ratio = attended.sum() / (5 * 190)
    deviation = attended[:4] - 190 * ratio
    variance = (4 * deviation.var(ddof=1) + (100 - 190 * ratio) ** 2) / (5 * 190) ** 2
    half = 100 * stats.t.ppf(0.975, 3) * np.sqrt(variance)
    assert (value, low, high) == pytest.approx(
        (100 * ratio, 100 * ratio - half, min(100 * ratio + half, 100)), rel=1e-7
    )
    assert method == "linearised_t_stratified_by_school"


@pytest.mark.parametrize(("unit", "hits"), [("nobody", 0), ("everybody", 12)])
def test_a_share_of_none_or_all_keeps_wilsons_interval(trusts: Trusts, unit: str, hits: int) -> None:
    interval = stats.binomtest(hits, 12).proportion_ci(0.95, method="wilson")
    value, low, high, method, status = _values(trusts)[unit]
    assert (value, low, high) == pytest.approx((100 * hits / 12, 100 * interval.low, 100 * interval.high), abs=1e-7)
    assert (method, status) == ("wilson", "ok")


def _gaps(trusts: Trusts) -> dict[str, dict[str, Any]]:
    with duckdb.connect(str(trusts.warehouse), read_only=True) as connection:
        frame = connection.execute(
            "select * from marts.gap where level = 'trust' and unit_code not similar to 'T[0-9]+'"
        ).df()
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return {str(record["unit_code"]): {str(key): value for key, value in record.items()} for record in records}


def test_a_gap_with_one_flat_side_has_no_interval_of_the_other_side_alone(trusts: Trusts) -> None:
    row = _gaps(trusts)["one_side_flat"]
    assert row["gap"] is not None
    assert (row["status"], row["ci_low"], row["ci_high"], row["effect_size"]) == ("u", None, None, None)


def test_a_gap_without_a_comparator_is_not_available(trusts: Trusts) -> None:
    row = _gaps(trusts)["one_side_empty"]
    assert (row["status"], row["gap"], row["within_school"], row["n_comparator"]) == ("x", None, None, 0)


def test_a_gap_between_schools_with_one_side_each_is_left_undecomposed(trusts: Trusts) -> None:
    row = _gaps(trusts)["apart"]
    assert (row["within_school"], row["between_school"]) == (0, 0)
    assert row["undecomposed"] == pytest.approx(row["gap"], abs=1e-7)


def test_a_gap_of_none_and_all_has_newcombes_interval_within_its_range(trusts: Trusts) -> None:
    row = _gaps(trusts)["nobody"]
    upper = stats.binomtest(0, 12).proportion_ci(0.95, method="wilson").high
    assert (row["gap"], row["ci_high"]) == pytest.approx((100, 100))
    assert row["ci_low"] == pytest.approx(100 * (1 - np.sqrt(2) * upper), rel=1e-7)
