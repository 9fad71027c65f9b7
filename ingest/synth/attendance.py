"""Registers: who missed what, in spells, for which reason, at the rates that England's schools of each phase had.

Calibration source: DfE, Pupil attendance in schools (attendance dashboard, year to date 2025/26, published July 2026):
attendance, authorised and unauthorised absence, illness and persistent absence by phase. Severe absence is given its
order of magnitude alone.

"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.signal import lfilter
from scipy.special import ndtri

from ingest.synth.config import Bools, Bytes, Floats, Ints
from ingest.synth.schools import PRIMARY, SECONDARY, SPECIAL

CODES = (
    "/",
    "\\",
    "L",
    "I",
    "M",
    "C",
    "C2",
    "E",
    "R",
    "T",
    "J1",
    "G",
    "O",
    "U",
    "N",
    "B",
    "K",
    "P",
    "V",
    "W",
    "D",
    "X",
    "Y1",
    "Y4",
    "-",
)
"""The marks in use, by the number that stands for them here; `-` is a mark that nobody entered."""
CODE = {code: number for number, code in enumerate(CODES)}
NOT_ON_ROLL = 255
AUTHORISED = ("I", "M", "C", "C2", "E", "R", "T", "J1")
UNAUTHORISED = ("G", "O", "U", "N")

MISSING_SHARE = 0.0012


@dataclass(frozen=True)
class Calibration:
    """What a phase must come to, as shares: absence, persistent and severe absence, and absence by reason (shares of
    possible sessions)."""

    absence: float
    persistent: float
    severe: float
    reasons: dict[str, float]
    late: float

    @property
    def unauthorised(self) -> float:
        return sum(self.reasons[code] for code in UNAUTHORISED)


CALIBRATION = {
    PRIMARY: Calibration(
        0.0528, 0.1377, 0.008,
        {"I": 0.0279, "M": 0.0034, "C": 0.0034, "C2": 0.0005, "E": 0.0006, "R": 0.0011, "T": 0.0004, "J1": 0.0,
         "G": 0.0062, "O": 0.0072, "U": 0.0011, "N": 0.0010},
        0.019,
    ),
    SECONDARY: Calibration(
        0.0849, 0.2377, 0.029,
        {"I": 0.0363, "M": 0.0045, "C": 0.0037, "C2": 0.0016, "E": 0.0044, "R": 0.0011, "T": 0.0002, "J1": 0.0004,
         "G": 0.0040, "O": 0.0236, "U": 0.0039, "N": 0.0012},
        0.030,
    ),
    SPECIAL: Calibration(
        0.1317, 0.3606, 0.065,
        {"I": 0.0502, "M": 0.0185, "C": 0.0150, "C2": 0.0065, "E": 0.0035, "R": 0.0010, "T": 0.0003, "J1": 0.0007,
         "G": 0.0020, "O": 0.0286, "U": 0.0024, "N": 0.0030},
        0.010,
    ),
}  # fmt: skip


def absence_quantiles(calibration: Calibration, share_below: Floats) -> Floats:
    """Absence rates of pupils at given quantiles.

    A lognormal body and a lognormal tail that meet at the persistent-absence boundary: the tail passes through both
    boundaries (10 % and 50 %) at their shares, the body's slope is what brings the mean to the phase's rate.

    """
    z_persistent, z_severe = ndtri(1 - calibration.persistent), ndtri(1 - calibration.severe)
    tail_slope = np.log(5) / (z_severe - z_persistent)

    def rate(share: Floats, body_slope: float) -> Floats:
        above = ndtri(share) - z_persistent
        return np.asarray(np.minimum(0.97, 0.1 * np.exp(np.where(above > 0, tail_slope, body_slope) * above)))

    grid = (np.arange(20_000) + 0.5) / 20_000
    slope = float(brentq(lambda s: float(rate(grid, s).mean()) - calibration.absence, 0.01, 20))
    return rate(share_below, slope)


def expected_rates(calibration: Calibration, propensity: Floats) -> tuple[Floats, Floats]:
    """Each pupil's absence rate and the share of it that is unauthorised.

    Parameters: `propensity`, one number per pupil of one phase, of which the order alone counts.
    The unauthorised share rises with absence and is scaled so that it comes to the phase's share over all sessions.
    """
    n = len(propensity)
    rank = np.empty(n)
    rank[np.argsort(propensity, kind="stable")] = (np.arange(n) + 0.5) / max(n, 1)
    rates = absence_quantiles(calibration, rank)
    target = calibration.unauthorised / calibration.absence
    tilt = 0.5 + rank**2

    def shortfall(scale: float) -> float:
        return float((rates * np.minimum(0.9, scale * tilt)).sum() / rates.sum()) - target

    scale = float(brentq(shortfall, 1e-6, 20)) if n else 1.0
    return rates, np.minimum(0.9, scale * tilt)


@dataclass(frozen=True)
class Roll:
    """One school's enrolments in one academic year: dates on roll, year group (0 to 11), absence rate, unauthorised
    share, whether dual registered."""

    entry: Ints
    leaving: Ints
    year_group: Ints
    rate: Floats
    unauthorised: Floats
    is_dual: Bools


@dataclass(frozen=True)
class Register:
    """Marks of one school and year: `codes` (enrolment by session, numbers of `CODES` or `NOT_ON_ROLL`) and
    `minutes` late (0 where not late)."""

    codes: Bytes
    minutes: Bytes


def make_register(rng: np.random.Generator, phase: str, days: Ints, roll: Roll, closes_one_day: bool) -> Register:
    """Marks every session of a school year.

    Parameters: `days`, the open days as ordinals; `closes_one_day`: the school had to close one day in January (Y4).
    """
    calibration = CALIBRATION[phase]
    n, n_days = len(roll.entry), len(days)
    on_roll = np.repeat((days >= roll.entry[:, None]) & (days <= roll.leaving[:, None]), 2, axis=1)
    absent = _absences(rng, days, roll, on_roll)
    codes = np.empty((n, 2 * n_days), dtype=np.uint8)
    codes[:, 0::2], codes[:, 1::2] = CODE["/"], CODE["\\"]
    _activities(rng, phase, days, roll, codes)
    minutes = np.zeros_like(codes)

    late_habit = calibration.late * 2 * np.exp(rng.normal(0, 0.8, n) - 0.32) * (0.5 + 5 * roll.rate)
    mornings = codes[:, 0::2]
    late = (rng.random((n, n_days), dtype=np.float32) < np.minimum(late_habit, 0.6)[:, None].astype(np.float32)) & (
        mornings == CODE["/"]
    )
    mornings[late] = CODE["L"]
    minutes[:, 0::2][late] = np.minimum(1 + rng.exponential(8, int(late.sum())), 30).astype(np.uint8)
    minutes[absent] = 0

    codes[absent] = _reasons(rng, calibration, days, roll, absent)
    after_close = codes == CODE["U"]
    minutes[after_close] = (31 + np.minimum(rng.exponential(25, int(after_close.sum())), 60)).astype(np.uint8)
    _not_possible(rng, phase, days, roll, codes, closes_one_day)
    missing = rng.random(codes.shape, dtype=np.float32) < MISSING_SHARE
    untaken = int(rng.integers(0, 2 * n_days))
    missing[:, untaken] |= roll.year_group == (roll.year_group[0] if n else 0)
    codes[missing] = CODE["-"]
    minutes[~np.isin(codes, (CODE["L"], CODE["U"]))] = 0
    codes[~on_roll] = NOT_ON_ROLL
    return Register(codes, minutes)


def _absences(rng: np.random.Generator, days: Ints, roll: Roll, on_roll: Bools) -> Bools:
    """Which sessions are missed: each pupil's own number of them, where a process with memory, weekday, season and
    day effects is highest."""
    n, n_days = len(roll.entry), len(days)
    noise = rng.standard_normal((n, n_days), dtype=np.float32)
    health = lfilter([np.float32(0.6)], [np.float32(1), np.float32(-0.8)], noise, axis=1).astype(np.float32)
    weekday = (days - 1) % 7
    season = np.cos(2 * np.pi * (days - days[0] - 125) / 365)
    gap_after = np.diff(days, append=days[-1] + 10) > 4
    common = 0.18 * (weekday == 4) + 0.1 * (weekday == 0) + 0.3 * season + 0.3 * gap_after + rng.normal(0, 0.12, n_days)
    score = np.repeat(health + common.astype(np.float32), 2, axis=1)
    score += np.float32(0.2) * rng.standard_normal(score.shape, dtype=np.float32)
    score[~on_roll] = -np.inf
    wanted = roll.rate * on_roll.sum(axis=1)
    count = np.floor(wanted + rng.random(n)).astype(np.int64)
    ordered = np.sort(score, axis=1)
    width = score.shape[1]
    threshold = np.where(count > 0, ordered[np.arange(n), np.clip(width - count, 0, width - 1)], np.inf).astype(
        np.float32
    )
    return np.asarray((score >= threshold[:, None]) & on_roll)


def _reasons(rng: np.random.Generator, calibration: Calibration, days: Ints, roll: Roll, absent: Bools) -> Bytes:
    """A code for every absent session, in row order; one code lasts for a spell, at most a week."""
    new_week = np.zeros(absent.shape[1], dtype=np.bool_)
    new_week[0::2] = np.diff((days - 1) // 7, prepend=-1) > 0
    before = np.zeros_like(absent)
    before[:, 1:] = absent[:, :-1]
    begins = absent & (~before | new_week)
    begins[:, 0] |= absent[:, 0]
    row, _ = np.nonzero(begins)
    spell = np.cumsum(begins[absent]) - 1
    unauthorised = rng.random(len(row)) < roll.unauthorised[row]
    draw = rng.random(len(row))
    of_spell = np.empty(len(row), dtype=np.uint8)
    for chosen, codes in ((~unauthorised, AUTHORISED), (unauthorised, ("G", "O", "N"))):
        shares = np.array([calibration.reasons[code] for code in codes])
        if "O" in codes:
            shares[codes.index("O")] += calibration.reasons["U"]
        picked = np.searchsorted(np.cumsum(shares / shares.sum())[:-1], draw[chosen], side="right")
        of_spell[chosen] = np.array([CODE[code] for code in codes], dtype=np.uint8)[picked]
    result: Bytes = of_spell[spell]
    after_close = calibration.reasons["U"] / (calibration.reasons["U"] + calibration.reasons["O"])
    result[(result == CODE["O"]) & (rng.random(len(result)) < after_close)] = CODE["U"]
    return result


def _activities(rng: np.random.Generator, phase: str, days: Ints, roll: Roll, codes: Bytes) -> None:
    """Trips of a whole year group, sport, work experience and lessons elsewhere, among those who are not absent."""
    n, n_days = len(roll.entry), len(days)
    for group in np.unique(roll.year_group):
        members = np.flatnonzero(roll.year_group == group)
        for day in rng.choice(n_days, 3, replace=False):
            codes[members, 2 * day] = codes[members, 2 * day + 1] = CODE["V"]
        if phase == SECONDARY and group == 10:
            week = int(np.searchsorted(days, days[0] + 300))
            placed = members[rng.random(len(members)) < 0.8]
            codes[placed, 2 * week : 2 * week + 10] = CODE["W"]
    weekday = (days - 1) % 7
    players = np.flatnonzero((roll.year_group >= 5) & (rng.random(n) < 0.1))
    matches = rng.choice(np.flatnonzero(weekday == 2), 4, replace=False)
    codes[np.ix_(players, 2 * matches + 1)] = CODE["P"]
    for code, share in (("B", 0.006), ("K", 0.002)):
        elsewhere = np.flatnonzero(rng.random(n) < share)
        fridays = np.flatnonzero(weekday == 4)
        codes[np.ix_(elsewhere, np.concatenate([2 * fridays, 2 * fridays + 1]))] = CODE[code]


def _not_possible(
    rng: np.random.Generator, phase: str, days: Ints, roll: Roll, codes: Bytes, closes_one_day: bool
) -> None:
    """Sessions that count nowhere: dual registration, part-time first days of Reception, no transport, a closed
    site."""
    thursdays = np.flatnonzero((days - 1) % 7 == 3)
    codes[np.ix_(np.flatnonzero(roll.is_dual), np.concatenate([2 * thursdays, 2 * thursdays + 1]))] = CODE["D"]
    if phase == PRIMARY:
        codes[np.ix_(np.flatnonzero(roll.year_group == 0), 2 * np.arange(6) + 1)] = CODE["X"]
    if phase == SPECIAL:
        stranded = np.flatnonzero(rng.random(len(roll.entry)) < 0.1)
        day = int(rng.integers(20, len(days) - 20))
        codes[np.ix_(stranded, 2 * day + np.arange(2))] = CODE["Y1"]
    if closes_one_day:
        day = int(np.searchsorted(days, days[0] + 135))
        codes[:, 2 * day : 2 * day + 2] = CODE["Y4"]
