"""Random-intercept linear model of pupils in schools, fitted from each school's cross-products alone.

The likelihood of y_ij = x_ij'b + u_j + e_ij, u_j ~ N(0, var_school), e_ij ~ N(0, var_pupil), needs of the pupils only
how many each school has, its means and the pooled within-school sums of squares and products. With the variance ratio
theta = var_school / var_pupil fixed, b and var_pupil have closed forms, so the fit is a search in one dimension.

Sources: Goldstein (2011), Multilevel Statistical Models, 4th ed., ch. 2; Bates, Maechler, Bolker and Walker (2015),
Journal of Statistical Software 67(1), section 3.4 (profiled deviance and REML criterion); Harville (1977), JASA 72:
320-338.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

Method = Literal["ML", "REML"]
FitStatus = Literal[
    "ok", "boundary", "not_converged", "rank_deficient", "too_few_schools", "too_few_pupils", "no_variance"
]
Floats = NDArray[np.float64]

INTERCEPT = "intercept"
OUTCOME = "outcome"

# The likelihood may have more than one maximum: the whole range of variance ratios is looked at before one is refined.
_RATIO_GRID = np.concatenate(([0.0], np.logspace(-10, 10, 81)))
_SMALLEST_EIGENVALUE = (
    1e-10  # of the covariates' correlation matrix: below this, double precision cannot tell them apart
)
_SMALLEST_RESIDUAL_SHARE = 1e-12  # of the outcome's sum of squares: below this, nothing is left to model


@dataclass(frozen=True)
class SchoolCrossProducts:
    """The sufficient statistics of a random-intercept model; variables are the intercept, the covariates, and last the
    outcome.

    schools: one key per school (S). terms: one name per variable (q), `intercept` first and `outcome` last.
    n: pupils per school (S). centre: the value taken off each variable (q; 0 for the intercept).
    means: school means of the centred variables (S, q). within: pooled within-school sums of squares and products (q,
    q).
    """

    schools: tuple[str, ...]
    terms: tuple[str, ...]
    n: Floats
    centre: Floats
    means: Floats
    within: Floats

    @classmethod
    def from_scaled_integers(
        cls, schools: Sequence[str], terms: Sequence[str], cross_products: NDArray[Any], scale: int
    ) -> SchoolCrossProducts:
        """Centres exactly, in integers, so that nothing cancels in floating point however far the data lie from zero.

        cross_products: Python integers (S, q, q), each the sum over a school's pupils of a product of two variables,
        times `scale`.
        Raises `ValueError` where the first variable is not the intercept, the last not the outcome, or a count is not
        a whole positive number.
        """
        _check_terms(schools, terms, cross_products.shape)
        scaled_n = cross_products[:, 0, 0]
        if any(value <= 0 or value % scale for value in scaled_n):
            raise ValueError(
                "A school's count of pupils is not a whole positive number; rebuild the table of cross-products."
            )
        n = scaled_n // scale
        sums = cross_products[:, 0, :]
        centre = sums.sum(axis=0) // n.sum() if len(n) else sums.sum(axis=0)
        centre[0] = 0
        means = (sums - n[:, None] * centre[None, :]) / (n * scale)[:, None]
        row, column = np.triu_indices(len(terms))
        deviations = cross_products[:, row, column] * (n * scale)[:, None] - sums[:, row] * sums[:, column]
        within = np.zeros((len(terms), len(terms)))
        within[row, column] = (deviations / (n * scale * scale)[:, None]).astype(np.float64).sum(axis=0)
        within[column, row] = within[row, column]
        return cls(
            tuple(schools),
            tuple(terms),
            n.astype(np.float64),
            (centre / scale).astype(np.float64),
            means.astype(np.float64),
            within,
        )

    @classmethod
    def from_floats(cls, schools: Sequence[str], terms: Sequence[str], cross_products: Floats) -> SchoolCrossProducts:
        """The same from floating-point cross-products (S, q, q); digits lost before they came here stay lost.

        Raises `ValueError` as `from_scaled_integers` does.
        """
        _check_terms(schools, terms, cross_products.shape)
        n = cross_products[:, 0, 0]
        if not np.all(n >= 1):
            raise ValueError(
                "A school's count of pupils is not a whole positive number; rebuild the table of cross-products."
            )
        sums = cross_products[:, 0, :]
        centre = sums.sum(axis=0) / max(n.sum(), 1.0)
        centre[0] = 0.0
        within = (cross_products - sums[:, :, None] * sums[:, None, :] / n[:, None, None]).sum(axis=0)
        return cls(tuple(schools), tuple(terms), n, centre, sums / n[:, None] - centre, within)


@dataclass(frozen=True)
class SchoolEffects:
    """Per school, in the order of `schools`: each array has shape (S), in the outcome's unit; NaN where the model gave
    none.

    raw_mean: mean residual from the fixed part. shrunken: its best linear unbiased prediction, reliability x raw_mean.
    shrunken_se: standard deviation of the school's effect given the data and the fixed part, whose own
    uncertainty it leaves out. reliability: n var_school / (n var_school +
    var_pupil).
    """

    schools: tuple[str, ...]
    n: Floats
    raw_mean: Floats
    shrunken: Floats
    shrunken_se: Floats
    reliability: Floats


@dataclass(frozen=True)
class RandomInterceptFit:
    """A fitted model. With a status other than `ok`, `reason` says why and no interval may be drawn from it.

    coefficients (p) and covariance (p, p) follow `terms`; deviance is -2 log (restricted) likelihood with all
    constants. A fit at the boundary (var_school = 0) keeps its fixed part; every other failure has NaN throughout.
    """

    method: Method
    terms: tuple[str, ...]
    n_pupils: int
    n_schools: int
    coefficients: Floats
    covariance: Floats
    var_school: float
    var_pupil: float
    icc: float
    deviance: float
    converged: bool
    at_boundary: bool
    status: FitStatus
    reason: str
    effects: SchoolEffects

    @property
    def standard_errors(self) -> Floats:
        return np.asarray(np.sqrt(np.diag(self.covariance)))


def fit_random_intercept(
    cross_products: SchoolCrossProducts, method: Method = "REML", minimum_schools: int = 2
) -> RandomInterceptFit:
    """Fits by maximum likelihood or restricted maximum likelihood; never raises over the data, but gives a status.

    minimum_schools: fewer than this give status `too_few_schools`; two is the least from which a variance can be told.
    Source: Bates et al. (2015), equations 34 and 42, with one random intercept; theta here is the ratio of variances.
    """
    data = cross_products
    n_pupils = int(data.n.sum())
    n_fixed = len(data.terms) - 1
    if len(data.schools) < max(minimum_schools, 2):
        sentence = (
            f"{len(data.schools)} schools; at least {max(minimum_schools, 2)} are needed to tell schools from pupils."
        )
        return _without_fit(data, method, "too_few_schools", sentence)
    if n_pupils <= n_fixed or not np.any(data.n > 1):
        return _without_fit(
            data,
            method,
            "too_few_pupils",
            f"{n_pupils} pupils for {n_fixed} coefficients; no school may stand on single pupils.",
        )
    total = data.within + np.einsum("s,si,sj->ij", data.n, data.means, data.means)
    spread = np.sqrt(np.maximum(np.diag(total) / n_pupils, 0.0))
    spread[0] = 1.0
    if spread[-1] == 0.0:
        return _without_fit(data, method, "no_variance", "The outcome is the same for every pupil.")
    if np.any(spread == 0.0) or not _is_full_rank(total[:-1, :-1], spread[:-1]):
        return _without_fit(
            data,
            method,
            "rank_deficient",
            "A covariate is constant or follows from the others; take it out of the model.",
        )
    profile = _Profile(data, spread, method)
    if profile.residual_share(0.0) < _SMALLEST_RESIDUAL_SHARE:
        return _without_fit(
            data, method, "no_variance", "The covariates give the outcome exactly; nothing is left to model."
        )
    ratio, converged = _best_ratio(profile)
    if not converged:
        return _without_fit(
            data, method, "not_converged", "The likelihood has no maximum at a finite ratio of variances."
        )
    return _fit_at(data, profile, spread, ratio)


class _Profile:
    """The profiled deviance as a function of theta, on variables scaled to unit spread.

    Weighted sums over schools are one product with a matrix of (S, q*q) that is built once.
    """

    def __init__(self, data: SchoolCrossProducts, spread: Floats, method: Method) -> None:
        means = data.means / spread
        self.n = data.n
        self.method = method
        self.size = len(spread)
        self.within = data.within / np.outer(spread, spread)
        self.products = (means[:, :, None] * means[:, None, :]).reshape(len(data.n), -1)
        n_pupils = float(data.n.sum())
        self.n_fixed = self.size - 1
        self.freedom = n_pupils - self.n_fixed if method == "REML" else n_pupils
        # Undoes the scaling: |X'V^-1X| counts each covariate's spread twice, the residuals the outcome's.
        self.constant = 2.0 * self.freedom * float(np.log(spread[-1]))
        if method == "REML":
            self.constant += 2.0 * float(np.log(spread[:-1]).sum())

    def normal_matrix(self, ratio: float) -> Floats:
        """[X y]' (I + theta ZZ')^-1 [X y], shape (q, q): within-school products plus the damped between-school ones."""
        weights = self.n / (1.0 + self.n * ratio)
        return np.asarray(self.within + (weights @ self.products).reshape(self.size, self.size))

    def residual_share(self, ratio: float) -> float:
        matrix = self.normal_matrix(ratio)
        return float(_cholesky(matrix)[-1, -1] ** 2 / matrix[-1, -1])

    def deviance(self, ratio: float) -> float:
        """-2 log (restricted) likelihood with all constants."""
        root = _cholesky(self.normal_matrix(ratio))
        residual = float(root[-1, -1] ** 2)
        value = self.freedom * (1.0 + np.log(2.0 * np.pi * residual / self.freedom)) + np.log1p(self.n * ratio).sum()
        if self.method == "REML":
            value += 2.0 * np.log(np.diag(root)[:-1]).sum()
        return float(value + self.constant)

    def slope(self, ratio: float) -> float:
        """d deviance / d theta, whose zero is found to full precision where that of the deviance would be to half."""
        weights = self.n / (1.0 + self.n * ratio)
        change = -(weights**2 @ self.products).reshape(self.size, self.size)
        matrix = self.normal_matrix(ratio)
        coefficients = np.linalg.solve(matrix[:-1, :-1], matrix[:-1, -1])
        direction = np.append(-coefficients, 1.0)
        residual = float(_cholesky(matrix)[-1, -1] ** 2)
        value = self.freedom * float(direction @ change @ direction) / residual + float(weights.sum())
        if self.method == "REML":
            value += float(np.trace(np.linalg.solve(matrix[:-1, :-1], change[:-1, :-1])))
        return value


def _best_ratio(profile: _Profile) -> tuple[float, bool]:
    """The ratio of variances with the least deviance, and whether it is a proper minimum."""
    deviances = np.array([profile.deviance(float(ratio)) for ratio in _RATIO_GRID])
    best = int(np.argmin(deviances))
    if best == len(_RATIO_GRID) - 1 or not np.isfinite(deviances[best]):
        return float("nan"), False
    low, high = float(_RATIO_GRID[max(best - 1, 0)]), float(_RATIO_GRID[best + 1])
    if profile.slope(low) >= 0.0:
        return low, low == 0.0
    if profile.slope(high) <= 0.0:
        return float("nan"), False
    return float(brentq(profile.slope, low, high, xtol=1e-300, rtol=8.9e-16, maxiter=200)), True


def _fit_at(data: SchoolCrossProducts, profile: _Profile, spread: Floats, ratio: float) -> RandomInterceptFit:
    matrix = profile.normal_matrix(ratio)
    inverse = np.linalg.inv(matrix[:-1, :-1])
    scaled = inverse @ matrix[:-1, -1]
    var_pupil = float(_cholesky(matrix)[-1, -1] ** 2) / profile.freedom * float(spread[-1] ** 2)
    centred = scaled * spread[-1] / spread[:-1]
    covariance = var_pupil * inverse / np.outer(spread[:-1], spread[:-1])
    # Back to the variables as they came: only the intercept moves.
    back = np.eye(len(centred))
    back[0, 1:] = -data.centre[1:-1]
    coefficients = back @ centred
    coefficients[0] += data.centre[-1]
    raw_mean = data.means[:, -1] - data.means[:, :-1] @ centred
    reliability = data.n * ratio / (1.0 + data.n * ratio)
    at_boundary = ratio == 0.0
    return RandomInterceptFit(
        method=profile.method,
        terms=data.terms[:-1],
        n_pupils=int(data.n.sum()),
        n_schools=len(data.schools),
        coefficients=coefficients,
        covariance=back @ covariance @ back.T,
        var_school=ratio * var_pupil,
        var_pupil=var_pupil,
        icc=ratio / (1.0 + ratio),
        deviance=profile.deviance(ratio),
        converged=True,
        at_boundary=at_boundary,
        status="boundary" if at_boundary else "ok",
        reason="The variance between schools is estimated as zero, so no interval holds." if at_boundary else "",
        effects=SchoolEffects(
            schools=data.schools,
            n=data.n,
            raw_mean=raw_mean,
            shrunken=reliability * raw_mean,
            shrunken_se=np.sqrt(ratio * var_pupil / (1.0 + data.n * ratio)),
            reliability=reliability,
        ),
    )


def _without_fit(data: SchoolCrossProducts, method: Method, status: FitStatus, reason: str) -> RandomInterceptFit:
    n_fixed = len(data.terms) - 1
    none = np.full(len(data.schools), np.nan)
    return RandomInterceptFit(
        method=method,
        terms=data.terms[:-1],
        n_pupils=int(data.n.sum()),
        n_schools=len(data.schools),
        coefficients=np.full(n_fixed, np.nan),
        covariance=np.full((n_fixed, n_fixed), np.nan),
        var_school=float("nan"),
        var_pupil=float("nan"),
        icc=float("nan"),
        deviance=float("nan"),
        converged=False,
        at_boundary=False,
        status=status,
        reason=reason,
        effects=SchoolEffects(data.schools, data.n, none, none, none, none),
    )


def _cholesky(matrix: Floats) -> Floats:
    """Lower Cholesky root; a residual sum of squares that rounding took below zero counts as zero."""
    fixed = np.linalg.cholesky(matrix[:-1, :-1])
    across = np.linalg.solve(fixed, matrix[:-1, -1])
    root = np.zeros_like(matrix)
    root[:-1, :-1] = fixed
    root[-1, :-1] = across
    root[-1, -1] = np.sqrt(max(float(matrix[-1, -1] - across @ across), 0.0))
    return root


def _is_full_rank(covariate_products: Floats, spread: Floats) -> bool:
    scaled = covariate_products / np.outer(spread, spread)
    scaled = scaled / scaled[0, 0]
    return bool(np.linalg.eigvalsh(scaled)[0] > _SMALLEST_EIGENVALUE)


def _check_terms(schools: Sequence[str], terms: Sequence[str], shape: tuple[int, ...]) -> None:
    if shape != (len(schools), len(terms), len(terms)):
        raise ValueError(f"Cross-products of shape {shape} do not fit {len(schools)} schools and {len(terms)} terms.")
    if len(terms) < 2 or terms[0] != INTERCEPT or terms[-1] != OUTCOME:
        raise ValueError(f"Terms must begin with '{INTERCEPT}' and end with '{OUTCOME}'; they are {', '.join(terms)}.")
