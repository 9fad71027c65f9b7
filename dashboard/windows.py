"""Attendance of any run of days, worked out from sessions as the marts work out theirs of a period.

A window is what no mart holds, so its figures are made where they are asked for: by readers of pupils' rows alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm, t

_LEVEL = 0.975  # the upper end of a 95 % interval
SESSIONS = ("possible", "attended", "authorised", "unauthorised", "absent", "late")
SUMS = ("n", "sum_num", "sum_den", "sum_num_num", "sum_num_den", "sum_den_den")
DATE_SUMS = ("dates", "date_num_num", "date_num_den", "date_den_den")
_FIGURES = ["n", "numerator", "denominator", "value", "ci_low", "ci_high", "coverage", "status"]


def window_figures(stays: pd.DataFrame, measures: Iterable[Mapping[str, Any]], enough: float) -> pd.DataFrame:
    """Every attendance measure of the sessions of a window, one row each.

    Parameters: `stays`, a row per enrolment: school_key, pupil_key, `SESSIONS` (numbers of sessions), `came` and
    `missing` (expected sessions with and without a mark; of a school without a calendar neither); `measures`, entries
    of the registry whose source is attendance; `enough`, the coverage in per cent under which a figure is withheld.
    Returns: measure_id, name and `figure_of` of each.
    """
    rows = []
    for measure in measures:
        sums = _school_sums(stays, measure)
        found = figure_of(sums, str(measure["kind"]), _coverage(stays), enough)
        twice = stays.loc[_counted(stays, measure) > 0, ["school_key", "pupil_key"]].drop_duplicates()
        # A pupil of two schools of the unit is one pupil with two enrolments.
        found["n"] -= len(twice) - twice["pupil_key"].nunique()
        rows.append({"measure_id": measure["measure_id"], "name": measure["name"], **found})
    return pd.DataFrame(rows, columns=["measure_id", "name", *_FIGURES])


def day_figures(days: pd.DataFrame, enough: float) -> pd.DataFrame:
    """The attendance rate of each day.

    Parameters: `days`, a row per day and school_key with `SUMS` over its pupils, of sessions attended and possible,
    `came` and `missing` as in `window_figures`, and `pupils`, of the day at all schools; `enough`, as there.
    Returns: day and `figure_of` of each, in their order.
    """
    rows = [
        # A pupil of two schools is one pupil, as in `window_figures`.
        {"day": day, **figure_of(of_day, "ratio", _coverage(of_day), enough), "n": int(of_day["pupils"].iloc[0])}
        for day, of_day in days.groupby("day", sort=True)
    ]
    return pd.DataFrame(rows, columns=["day", *_FIGURES])


def sort_figures(sorts: pd.DataFrame, enough: float) -> pd.DataFrame:
    """The attendance rate of each sort of day, such as Fridays: of dates that differ as well as of pupils.

    Parameters: `sorts`, as `days` of `day_figures`, with the sort as its day, and `DATE_SUMS` over the sort's dates at
    all schools; `enough`, as there.
    Returns: day, dates (how many) and `figure_of` of each, in their order.
    """
    rows = []
    for sort, of_sort in sorts.groupby("day", sort=True):
        over_dates = {column: float(of_sort[column].iloc[0]) for column in DATE_SUMS}
        found = figure_of(of_sort, "ratio", _coverage(of_sort), enough, over_dates)
        dates = int(over_dates["dates"])
        rows.append({"day": sort, "dates": dates, **found, "n": int(of_sort["pupils"].iloc[0])})
    return pd.DataFrame(rows, columns=["day", "dates", *_FIGURES])


def figure_of(
    sums: pd.DataFrame, kind: str, coverage: float, enough: float, over_dates: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """A rate in per cent with its 95 % interval, from the sums of its schools.

    Parameters: `sums`, a row per school with `SUMS` over its pupils; `kind`, ratio or proportion; `coverage` in per
    cent, NaN where it is not known; `enough`, under which the figure is withheld; `over_dates`, `DATE_SUMS` of a ratio
    whose dates stand for others of their sort.
    Returns: n, numerator, denominator (whole numbers), value, ci_low, ci_high, coverage, status; NaN where withheld.
    Source: linearised variance of a ratio over pupils, schools as strata (Cochran 1977, Sampling Techniques, 6.10 and
    5A), with Student's t; over dates the variances of pupils and of dates together, with a degree of freedom less than
    there are dates (Cameron, Gelbach and Miller 2011, Journal of Business and Economic Statistics 29: 238-249; a
    pupil's own sessions of one date, which both count, are not taken off, so it is a little wide); of a proportion
    Wilson (1927), Journal of the American Statistical Association 22: 209-212.
    """
    of_school = sums[sums["n"] > 0]
    n, num, den, num_num, num_den, den_den = (of_school[column].to_numpy(np.float64) for column in SUMS)
    counted, numerator, denominator = int(n.sum()), float(num.sum()), float(den.sum())
    found = {
        "n": counted,
        "numerator": int(numerator),
        "denominator": int(denominator),
        "value": math.nan,
        "ci_low": math.nan,
        "ci_high": math.nan,
        "coverage": coverage,
        "status": "ok",
    }
    if denominator == 0:
        return found | {"status": "x"}
    ratio = numerator / denominator
    deviation = num - ratio * den
    squares = num_num - 2 * ratio * num_den + ratio**2 * den_den
    within = np.where(n > 1, n / np.maximum(n - 1, 1) * (squares - deviation**2 / n), squares).sum()
    variance, freedom = max(float(within), 0.0) / denominator**2, counted - len(n)
    if over_dates is not None:
        dates, squares_num, products, squares_den = (over_dates[column] for column in DATE_SUMS)
        between = max(squares_num - 2 * ratio * products + ratio**2 * squares_den, 0.0)
        variance += dates / max(dates - 1, 1) * between / denominator**2
        freedom = min(freedom, int(dates) - 1)
    is_enough = not math.isnan(coverage) and coverage >= enough
    if not is_enough or (counted < 2 if kind == "proportion" else freedom < 1 or variance == 0):
        return found | {"status": "u"}
    if kind == "proportion":
        low, high = _wilson(ratio, denominator)
    else:
        half = float(t.ppf(_LEVEL, freedom)) * math.sqrt(variance)
        low, high = ratio - half, ratio + half
    return found | {"value": 100 * ratio, "ci_low": 100 * max(low, 0.0), "ci_high": 100 * min(high, 1.0)}


def _wilson(share: float, count: float) -> tuple[float, float]:
    z = float(norm.ppf(_LEVEL))
    middle = share + z**2 / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return (middle - half) / (1 + z**2 / count), (middle + half) / (1 + z**2 / count)


def _coverage(rows: pd.DataFrame) -> float:
    """Sessions with a mark out of those expected, in per cent; NaN where nothing is known to have been expected."""
    expected = float(rows["came"].sum() + rows["missing"].sum())
    return 100 * float(rows["came"].sum()) / expected if expected else math.nan


def _counted(stays: pd.DataFrame, measure: Mapping[str, Any]) -> pd.Series[int]:
    """What an enrolment adds to the denominator: its sessions, or itself."""
    if measure["kind"] != "proportion":
        denominator: pd.Series[int] = stays[str(measure["denominator"])]
        return denominator
    return (stays[str(measure["boundary"]["denominator"])] > 0).astype("int64")


def _school_sums(stays: pd.DataFrame, measure: Mapping[str, Any]) -> pd.DataFrame:
    """`SUMS` of each school over its pupils, whose stays there add up."""
    if measure["kind"] == "proportion":
        boundary = measure["boundary"]
        missed, possible = stays[str(boundary["numerator"])], stays[str(boundary["denominator"])]
        num = ((possible > 0) & (missed * 100 >= boundary["percent"] * possible)).astype("int64")
    else:
        num = stays[str(measure["numerator"])]
    pupils = stays[["school_key", "pupil_key"]].assign(num=num, den=_counted(stays, measure))
    pupils = pupils.groupby(["school_key", "pupil_key"], as_index=False).sum()
    pupils = pupils.assign(
        n=(pupils["den"] > 0).astype("int64"),
        sum_num=pupils["num"],
        sum_den=pupils["den"],
        sum_num_num=pupils["num"] ** 2,
        sum_num_den=pupils["num"] * pupils["den"],
        sum_den_den=pupils["den"] ** 2,
    )
    return pupils.groupby("school_key", as_index=False)[list(SUMS)].sum()
