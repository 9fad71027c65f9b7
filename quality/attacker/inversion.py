"""Counts from what is published beside them: shares, score intervals, standard errors and shrinkage."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

NORMAL_QUANTILE = float(norm.ppf(0.975))
# The largest number of pupils of one unit that the enumerations try.
MOST_PUPILS = 5_000


def rounding_unit(values: Floats) -> float:
    """Half of the last digit in which any of the values is written: the most by which rounding moved one of them."""
    shown = values[np.isfinite(values) & (values != 0)]
    if not len(shown):
        return 0.0
    for digits in range(7):
        if np.allclose(shown, np.round(shown, digits), rtol=0, atol=1e-12):
            # One or two shares may be whole by chance; rounding is taken for granted only where many are.
            return 0.5 * 10.0**-digits if len(shown) >= 8 or digits > 3 else 1e-6
    # Nine significant digits are published: the unit depends on the size of the greatest.
    return float(0.5 * 10.0 ** (math.floor(math.log10(float(np.abs(shown).max()))) - 8))


def wilson(share: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Wilson's score interval of a share of n (Wilson 1927, Journal of the American Statistical Association 22)."""
    k = NORMAL_QUANTILE**2 / n
    middle = share + k / 2
    half = NORMAL_QUANTILE * np.sqrt(share * (1 - share) / n + k / (4 * n))
    return (middle - half) / (1 + k), (middle + half) / (1 + k)


def shares(
    percent: float | None,
    interval: tuple[float, float] | None,
    n: tuple[int, int],
    unit: float,
    numerator: tuple[float, float] = (0, math.inf),
) -> tuple[Integers, Integers]:
    """Every (numerator, n) that a published share and its Wilson interval, in per cent, can have been computed from.

    Parameters: `n`, the range within which n is known; `unit`, the most by which a figure was rounded.
    """
    sizes = np.arange(max(n[0], 1), int(min(n[1], MOST_PUPILS)) + 1, dtype=np.float64)
    if percent is not None:
        middle, reach = percent * sizes / 100, unit * sizes / 100
    elif interval is not None:
        # The ends of Wilson's interval are the roots of a quadratic whose linear term gives the share.
        k = 1 + NORMAL_QUANTILE**2 / sizes
        middle = sizes * ((interval[0] + interval[1]) / 100 * k - (k - 1)) / 2
        reach = unit * sizes / 100 * k
    else:
        middle, reach = sizes / 2, sizes / 2
    first = np.maximum(np.ceil(middle - reach - 1e-6), max(numerator[0], 0.0))
    last = np.minimum(np.floor(middle + reach + 1e-6), np.minimum(sizes, numerator[1]))
    many = np.maximum(last - first + 1, 0).astype(np.int64)
    size = np.repeat(sizes, many)
    part = np.repeat(first, many) + np.arange(len(size)) - np.repeat(np.cumsum(many) - many, many)
    if interval is not None and len(size):
        lower, upper = wilson(part / size, size)
        slack = unit + 1e-6
        fits = (np.abs(100 * lower - interval[0]) <= slack) & (np.abs(100 * upper - interval[1]) <= slack)
        part, size = part[fits], size[fits]
    return part.astype(np.int64), size.astype(np.int64)


def newcombe_n(
    gap_to_bound: float, share: float, other_share: float, other_n: int, upper: bool, is_group: bool, unit: float
) -> tuple[int, int] | None:
    """The range of one side's n from a bound of Newcombe's interval of a difference (1998, method 10) of shares.

    Parameters: `gap_to_bound`, the distance of the bound from the gap as a share; `upper`, which bound; `is_group`,
    whether the unknown side is the group (which is subtracted) rather than its comparator.
    """
    sizes = np.arange(1, MOST_PUPILS + 1, dtype=np.float64)
    low, high = wilson(np.full(len(sizes), share), sizes)
    other_low, other_high = wilson(np.array([other_share]), np.array([float(other_n)]))
    reaches_up = upper != is_group
    own = high - share if reaches_up else share - low
    other = float((other_share - other_low if reaches_up else other_high - other_share)[0])
    fits = np.flatnonzero(np.abs(np.sqrt(own**2 + other**2) - gap_to_bound) <= unit + 1e-8)
    return (int(sizes[fits[0]]), int(sizes[fits[-1]])) if len(fits) else None


def n_of_reliability(reliability: float, var_school: float, var_pupil: float, unit: float) -> tuple[int, int] | None:
    """n from reliability = n / (n + var_pupil / var_school) (Goldstein 2011, Multilevel Statistical Models, ch. 2)."""
    ends = [max(min(reliability + side * unit, 1 - 1e-12), 0.0) for side in (-1, 1)]
    return _whole(*(end / (1 - end) * var_pupil / var_school for end in ends)) if var_school > 0 else None


def n_of_standard_error(half_width: float, multiplier: float, var_pupil: float, unit: float) -> tuple[int, int] | None:
    """n from a raw mean's interval, half as wide as multiplier * sqrt(var_pupil / n)."""
    ends = [max(half_width + side * unit, 1e-12) for side in (1, -1)]
    return _whole(*(var_pupil * (multiplier / end) ** 2 for end in ends))


def _whole(low: float, high: float) -> tuple[int, int] | None:
    """The whole numbers between two ends, with room for the last digit that a rounded input can move."""
    slack = 1e-6 * max(abs(high), 1.0)
    first, last = math.ceil(low - slack), math.floor(high + slack)
    return (first, last) if first <= last else None
