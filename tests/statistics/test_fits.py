"""From the warehouse's cross-products to the tables that the marts join."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import numpy as np
import pytest

from ingest.registry import Registry, read_registry
from orchestration.fits import write_fits

REGISTRY = read_registry(Path(__file__).parents[2] / "dbt_project" / "registry")
YEAR = "2024/25"
MEASURE = "value_added_reading"


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("create schema aggregates")
    connection.execute(
        """create table aggregates.progress_cross_product (academic_year varchar, measure_id varchar,
            school_key varchar, row_term varchar, column_term varchar, cross_product decimal(38, 18))"""
    )
    return connection


def fill(connection: duckdb.DuckDBPyConnection, measure_id: str = MEASURE, seed: int = 1, schools: int = 12) -> None:
    """Pupils with scores of 9 decimals, aggregated by the database itself."""
    rng = np.random.default_rng(seed)
    school = np.repeat(np.arange(schools), rng.integers(1, 40, schools))
    effect = rng.normal(0, 0.4, schools)
    baseline = rng.normal(size=len(school))
    outcome = 0.7 * baseline + effect[school] + rng.normal(0, 0.6, len(school))
    connection.execute(
        "create or replace table pupil (school_key varchar, baseline decimal(18,9), outcome decimal(18,9))"
    )
    connection.executemany(
        "insert into pupil values (?, ?, ?)",
        [
            (str(100000 + s), round(float(b), 9), round(float(y), 9))
            for s, b, y in zip(school, baseline, outcome, strict=True)
        ],
    )
    expressions = {"intercept": "1::decimal(18,9)", "baseline": "baseline", "outcome": "outcome"}
    names = list(expressions)
    for i, row in enumerate(names):
        for column in names[i:]:
            connection.execute(
                f"""insert into aggregates.progress_cross_product
                select '{YEAR}', '{measure_id}', school_key, '{row}', '{column}',
                    sum(({expressions[row]}) * ({expressions[column]})) from pupil group by all"""
            )


def everything(connection: duckdb.DuckDBPyConnection) -> list[object]:
    return [
        connection.execute(f"select * from fits.{table} order by all").fetchall()
        for table in ("progress_model", "progress_coefficient", "progress_school")
    ]


def test_without_cross_products_the_tables_are_there_and_typed(connection: duckdb.DuckDBPyConnection) -> None:
    assert write_fits(connection, REGISTRY).models == ()
    types = dict(
        connection.execute(
            "select column_name, data_type from information_schema.columns where table_name = 'progress_school'"
        ).fetchall()
    )
    assert types["shrunken_ci_low"] == "DOUBLE"
    assert types["n"] == "BIGINT"
    assert everything(connection) == [[], [], []]


def test_intervals_follow_from_the_stored_variances_and_counts(connection: duckdb.DuckDBPyConnection) -> None:
    fill(connection)
    (outcome,) = write_fits(connection, REGISTRY).models
    assert (outcome.measure_id, outcome.status, outcome.n_schools) == (MEASURE, "ok", 12)
    wrong, n_schools = connection.execute(
        """select count(*) filter (
              abs(raw_ci_high - raw_mean - 1.96 * sqrt(var_pupil / n)) > 1e-7
              or abs(raw_mean - raw_ci_low - 1.96 * sqrt(var_pupil / n)) > 1e-7
              or abs(reliability - n * var_school / (n * var_school + var_pupil)) > 1e-7
              or abs(shrunken - reliability * raw_mean) > 1e-7
              or abs(shrunken_se - sqrt(var_school * (1 - reliability))) > 1e-7
              or abs(shrunken_ci_high - shrunken - 1.96 * shrunken_se) > 1e-7
              or (probability_above > 0.5) != (shrunken > 0)), count(*)
        from fits.progress_school join fits.progress_model using (academic_year, measure_id)"""
    ).fetchall()[0]
    assert (wrong, n_schools) == (0, 12)
    (text,) = connection.execute("select coefficients from fits.progress_model").fetchall()[0]
    assert json.loads(text)["baseline"]["estimate"] == pytest.approx(0.7, abs=0.1)
    terms = [row[0] for row in connection.execute("select term from fits.progress_coefficient").fetchall()]
    assert terms == ["intercept", "baseline"]


def test_raw_residuals_equal_those_of_the_pupils_themselves(connection: duckdb.DuckDBPyConnection) -> None:
    fill(connection)
    write_fits(connection, REGISTRY)
    (worst,) = connection.execute(
        """with coefficient as (pivot fits.progress_coefficient on term using first(estimate) group by measure_id),
        residual as (select school_key, avg(outcome - intercept - coefficient.baseline * pupil.baseline) as mean
            from pupil, coefficient group by all)
        select max(abs(mean - raw_mean)) from residual join fits.progress_school using (school_key)"""
    ).fetchall()[0]
    assert worst < 1e-7


def test_rows_in_any_order_give_the_same_tables_to_the_last_digit(connection: duckdb.DuckDBPyConnection) -> None:
    fill(connection)
    fill(connection, "value_added_maths", seed=2)
    write_fits(connection, REGISTRY)
    first = everything(connection)
    connection.execute(
        """create or replace table aggregates.progress_cross_product as
        from aggregates.progress_cross_product order by md5(concat_ws('|', school_key, column_term, row_term))"""
    )
    write_fits(connection, REGISTRY)
    assert everything(connection) == first


def test_too_few_schools_is_a_status_with_its_reason_and_no_interval(connection: duckdb.DuckDBPyConnection) -> None:
    fill(connection, schools=1)
    (outcome,) = write_fits(connection, REGISTRY).models
    assert outcome.status == "u"
    assert "1 schools" in outcome.reason
    (row,) = connection.execute(
        "select n, raw_mean, raw_ci_low, shrunken_ci_high, probability_above from fits.progress_school"
    ).fetchall()
    assert row[0] >= 1
    assert row[1:] == (None, None, None, None)
    assert connection.execute("select estimate from fits.progress_coefficient").fetchall() == [(None,), (None,)]


def test_a_lost_cell_is_named_by_measure_and_year(connection: duckdb.DuckDBPyConnection) -> None:
    fill(connection)
    connection.execute(
        """delete from aggregates.progress_cross_product
        where school_key = '100003' and column_term = 'outcome' and row_term = 'baseline'"""
    )
    with pytest.raises(ValueError, match=f"{MEASURE} in {YEAR} have 71 cells instead of 72"):
        write_fits(connection, REGISTRY)


def test_a_term_the_registry_does_not_know_is_refused(connection: duckdb.DuckDBPyConnection) -> None:
    fill(connection)
    connection.execute("update aggregates.progress_cross_product set row_term = 'age' where row_term = 'baseline'")
    connection.execute(
        "update aggregates.progress_cross_product set column_term = 'age' where column_term = 'baseline'"
    )
    with pytest.raises(ValueError, match="unknown terms age"):
        write_fits(connection, REGISTRY)


def test_a_measure_that_left_the_registry_is_refused(connection: duckdb.DuckDBPyConnection) -> None:
    fill(connection)
    with pytest.raises(ValueError, match="which the registry's value_added lacks"):
        write_fits(connection, Registry({**REGISTRY.data, "value_added": []}))
