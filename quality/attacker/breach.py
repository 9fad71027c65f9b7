"""What counts as a breach: the range of a hidden count, against what the suppression rule itself says.

A suppressed cell is safe where the values that an intruder cannot exclude still span a protection interval (Hundepool
et al. 2012, Statistical Disclosure Control, ch. 4: feasibility and protection intervals). The intruder knows the rules:
of a cell hidden as primary the rule itself says 1 to T - 1, so no narrower interval can be asked for and no narrower
one may be left. With T the least number that the rule lets show, a hidden count is given away where

- one value is left (`exact`),
- only values under T are left and not all of 1 to T - 1 (`primary`),
- values of T or more are left, but fewer than T values in all (`secondary`).

T is the tier's minimum of pupils for a count of pupils, and the minimum numerator for the pupils with and without a
trait. Sessions are amounts rather than people: a count of them is given away where it is exact, or where fewer than T
values are left that lie within T per cent of each other (the p % rule of the same chapter, with p = T). Where the tier
shows of how many pupils they are, only an exact one is, and possible sessions are no secret: with that number they are
the calendar's. Nought with the trait, or nought without it, is no secret where a shown row that contains the cell says
so itself, or shown rows that contain each of its parts: the rule lets 0 % and 100 % show.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["shown", "exact", "primary", "secondary", "contradiction", "between_releases", "difference"]
KIND_MEANINGS: dict[Kind, str] = {
    "shown": "shows what the rule hides",
    "exact": "is known exactly",
    "primary": "is bounded more tightly than the primary rule itself allows",
    "secondary": "is left fewer values than the rule asks for",
    "contradiction": "does not add up, so nothing it hides can be judged",
    "between_releases": "is given away together with the release before",
    "difference": "moved since the release before by fewer pupils than may be shown",
}

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Breach:
    """One hidden figure that a tier's reader can work out: what is known of it, and by which identities.

    `quantity`: what is counted (`pupils`, `enrolments`, `persistent_absence_rate: with`, `sessions possible`, …).
    `low`, `high`: the least and the greatest value that are possible, None where there is no end; `limit`: T.
    """

    kind: Kind
    tier: str
    table: str
    row_key: str
    quantity: str
    low: float | None
    high: float | None
    limit: int
    identities: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """The breach as JSON takes it."""
        return asdict(self)

    def sentence(self) -> str:
        """One line for people: where, what, how far known, and why."""
        end = "" if self.high is None else f"{self.high:g}"
        known = f"{self.low:g}" if self.low == self.high and self.low is not None else f"{self.low or 0:g} to {end}"
        return (
            f"{self.tier} {self.table} [{self.row_key}]: {self.quantity} {KIND_MEANINGS[self.kind]} ({known}; T = "
            f"{self.limit}): {'; '.join(self.identities)}"
        )


@dataclass(frozen=True)
class Rule:
    """What the rule leaves of each of some counts: limit, T; sessions, whether it is a count of sessions."""

    limit: Floats
    sessions: Bools

    def of(self, chosen: NDArray[np.int64]) -> Rule:
        """The rule of some of the counts."""
        return Rule(self.limit[chosen], self.sessions[chosen])

    def given_away(self, low: Floats, high: Floats) -> Bools:
        """Which ranges `low` to `high` of whole numbers leave too little, by the definition above."""
        few = high - low + 1 < self.limit
        people = np.where(high < self.limit, (low > 1) | (high < self.limit - 1), few)
        close = few & (high - low < low * self.limit / 100)
        return np.asarray(np.where(self.sessions, (low >= high) | close, people), dtype=bool)


def kind_of_range(low: float, high: float, limit: float, sessions: bool) -> Kind:
    """The name of the breach that a range which gives a cell away is."""
    if low == high:
        return "exact"
    return "primary" if high < limit and not sessions else "secondary"
