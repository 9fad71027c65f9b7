"""Fits every value-added model of the registry over the warehouse's cross-products and stores the results in schema
`fits`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from scipy.stats import norm

from ingest.registry import Registry
from orchestration.multilevel import (
    INTERCEPT,
    OUTCOME,
    Method,
    RandomInterceptFit,
    SchoolCrossProducts,
    fit_random_intercept,
)

BASELINE = "baseline"
_DECIMALS = 18
_SCALE = 10**_DECIMALS

_TABLES = {
    "progress_model": """
        academic_year VARCHAR, measure_id VARCHAR, method VARCHAR, n_pupils BIGINT, n_schools BIGINT,
        coefficients VARCHAR, var_school DOUBLE, var_pupil DOUBLE, icc DOUBLE, deviance DOUBLE,
        status VARCHAR, status_reason VARCHAR""",
    "progress_coefficient": """
        academic_year VARCHAR, measure_id VARCHAR, term VARCHAR, estimate DOUBLE, standard_error DOUBLE""",
    "progress_school": """
        academic_year VARCHAR, measure_id VARCHAR, school_key VARCHAR, n BIGINT, raw_mean DOUBLE, raw_ci_low DOUBLE,
        raw_ci_high DOUBLE, shrunken DOUBLE, shrunken_se DOUBLE, shrunken_ci_low DOUBLE, shrunken_ci_high DOUBLE,
        reliability DOUBLE, probability_above DOUBLE""",
}


@dataclass(frozen=True)
class ModelOutcome:
    """What became of one model; `status` is `ok` or `u`, `reason` a sentence where it is not `ok`."""

    academic_year: str
    measure_id: str
    n_pupils: int
    n_schools: int
    status: str
    reason: str


@dataclass(frozen=True)
class FitsReport:
    """One outcome per academic year and measure, in that order."""

    models: tuple[ModelOutcome, ...]


def write_fits(connection: duckdb.DuckDBPyConnection, registry: Registry) -> FitsReport:
    """Replaces the tables of schema `fits` by fits of `aggregates.progress_cross_product`.

    Values are rounded to 9 significant digits. A model that cannot be trusted keeps its row, with status `u` and the
    reason, and no interval. Raises `ValueError` where the cross-products do not match the registry's terms, naming
    year and measure.
    """
    methods = {entry["measure_id"]: entry["method"] for entry in registry.data["value_added"]}
    terms = {
        entry["measure_id"]: (INTERCEPT, BASELINE, *(covariate["term"] for covariate in entry["covariates"]), OUTCOME)
        for entry in registry.data["value_added"]
    }
    minimum_schools = int(registry.data["statistics"]["minimum_schools_for_model"])
    z = float(registry.data["statistics"]["normal_multiplier"])
    outcomes: list[ModelOutcome] = []
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in _TABLES}
    for year, measure_id, cells in _cells_by_model(connection):
        if measure_id not in methods:
            raise ValueError(
                f"Cross-products name measure '{measure_id}', which the registry's value_added lacks; rebuild step 1."
            )
        products = _cross_products(year, measure_id, terms[measure_id], cells)
        fit = fit_random_intercept(products, methods[measure_id], minimum_schools)
        model = _model_row(year, measure_id, methods[measure_id], fit)
        rows["progress_model"].append(model)
        rows["progress_coefficient"].extend(_coefficient_rows(year, measure_id, fit))
        rows["progress_school"].extend(_school_rows(year, measure_id, fit, z))
        outcomes.append(ModelOutcome(year, measure_id, fit.n_pupils, fit.n_schools, model["status"], fit.reason))
    connection.execute("create schema if not exists fits")
    for name, columns in _TABLES.items():
        connection.execute(f"create or replace table fits.{name} ({columns})")
        if rows[name]:
            frame = pd.DataFrame(rows[name])
            connection.register("fits_rows", frame)
            connection.execute(f"insert into fits.{name} by name select * from fits_rows")
            connection.unregister("fits_rows")
    return FitsReport(tuple(outcomes))


def _cells_by_model(
    connection: duckdb.DuckDBPyConnection,
) -> Iterator[tuple[str, str, list[tuple[str, str, str, int]]]]:
    """(academic_year, measure_id, cells) in order; a cell is school, row term, column term, product x 1e18."""
    # Integers through text: a DECIMAL fetched as a number passes through double precision, and decimal.Decimal is slow.
    models = connection.execute(
        "select distinct academic_year, measure_id from aggregates.progress_cross_product order by all"
    ).fetchall()
    for year, measure_id in models:
        cells = connection.execute(
            f"""
            select school_key, row_term, column_term,
                replace(cast(cast(cross_product as decimal(38, {_DECIMALS})) as varchar), '.', '')::hugeint
            from aggregates.progress_cross_product
            where academic_year = ? and measure_id = ?
            order by all
            """,
            [year, measure_id],
        ).fetchall()
        yield year, measure_id, cells


def _cross_products(
    year: str, measure_id: str, terms: tuple[str, ...], cells: list[tuple[str, str, str, int]]
) -> SchoolCrossProducts:
    position = {term: index for index, term in enumerate(terms)}
    schools = list(dict.fromkeys(cell[0] for cell in cells))
    school_index = {school: index for index, school in enumerate(schools)}
    unknown = {term for cell in cells for term in cell[1:3]} - position.keys()
    expected = len(schools) * len(terms) * (len(terms) + 1) // 2
    if unknown or len(cells) != expected:
        what = f"unknown terms {', '.join(sorted(unknown))}" if unknown else f"{len(cells)} cells instead of {expected}"
        raise ValueError(f"Cross-products of {measure_id} in {year} have {what}; rebuild step 1 with this registry.")
    matrix = np.full((len(schools), len(terms), len(terms)), None, dtype=object)
    school = [school_index[cell[0]] for cell in cells]
    row = [position[cell[1]] for cell in cells]
    column = [position[cell[2]] for cell in cells]
    values = np.array([cell[3] for cell in cells], dtype=object)
    matrix[school, row, column] = values
    matrix[school, column, row] = values
    if any(value is None for value in matrix.flat):
        raise ValueError(f"Cross-products of {measure_id} in {year} repeat a pair of terms; rebuild step 1.")
    return SchoolCrossProducts.from_scaled_integers(schools, terms, matrix, _SCALE)


def _model_row(year: str, measure_id: str, method: Method, fit: RandomInterceptFit) -> dict[str, Any]:
    coefficients = {
        term: {"estimate": _rounded(estimate), "standard_error": _rounded(error)}
        for term, estimate, error in zip(fit.terms, fit.coefficients, fit.standard_errors, strict=True)
    }
    return {
        "academic_year": year,
        "measure_id": measure_id,
        "method": method,
        "n_pupils": fit.n_pupils,
        "n_schools": fit.n_schools,
        "coefficients": json.dumps(coefficients),
        "var_school": _rounded(fit.var_school),
        "var_pupil": _rounded(fit.var_pupil),
        "icc": _rounded(fit.icc),
        "deviance": _rounded(fit.deviance),
        "status": "ok" if fit.status == "ok" else "u",
        "status_reason": fit.reason or None,
    }


def _coefficient_rows(year: str, measure_id: str, fit: RandomInterceptFit) -> list[dict[str, Any]]:
    return [
        {
            "academic_year": year,
            "measure_id": measure_id,
            "term": term,
            "estimate": _rounded(estimate),
            "standard_error": _rounded(error),
        }
        for term, estimate, error in zip(fit.terms, fit.coefficients, fit.standard_errors, strict=True)
    ]


def _school_rows(year: str, measure_id: str, fit: RandomInterceptFit, z: float) -> list[dict[str, Any]]:
    """One row per school; the half widths are z var_pupil^0.5 / n^0.5 and z times the conditional SD."""
    effects = fit.effects
    with_interval = fit.status == "ok"
    none = np.full(len(effects.n), np.nan)
    raw_half = z * np.sqrt(fit.var_pupil / effects.n) if with_interval else none
    shrunken_half = z * effects.shrunken_se if with_interval else none
    probability = norm.cdf(effects.shrunken / effects.shrunken_se) if with_interval else none
    frame = {
        "raw_mean": effects.raw_mean,
        "raw_ci_low": effects.raw_mean - raw_half,
        "raw_ci_high": effects.raw_mean + raw_half,
        "shrunken": effects.shrunken,
        "shrunken_se": effects.shrunken_se if with_interval else none,
        "shrunken_ci_low": effects.shrunken - shrunken_half,
        "shrunken_ci_high": effects.shrunken + shrunken_half,
        "reliability": effects.reliability,
        "probability_above": probability,
    }
    return [
        {
            "academic_year": year,
            "measure_id": measure_id,
            "school_key": school,
            "n": int(effects.n[index]),
            **{name: _rounded(float(values[index])) for name, values in frame.items()},
        }
        for index, school in enumerate(effects.schools)
    ]


def _rounded(value: float) -> float | None:
    """9 significant digits, so that the last bits of a sum never change a stored figure; None for no value."""
    return None if math.isnan(value) else float(f"{value:.9g}")
