"""What the attacker's solver takes for possible."""

from __future__ import annotations

import numpy as np
import pytest

from quality.attacker.breach import Rule
from quality.attacker.solver import ContradictionError, Ranges, solve
from quality.attacker.system import System


def ranges(pairs: int, together: float, highest: float) -> Ranges:
    """Of pairs that come to at least `together` each, and the totals of their two sides, which have no upper end."""
    size = 2 * pairs + 2
    ends = np.full(size, highest)
    ends[-2:] = np.inf
    system = System(np.zeros(size), ends, str)
    of = np.arange(pairs)
    system.add("pair", np.r_[of, of], np.r_[of, pairs + of], np.ones(2 * pairs), together, np.inf)
    for total, first in ((2 * pairs, 0), (2 * pairs + 1, pairs)):
        terms = np.r_[first + of, total]
        system.add("sum", np.zeros(pairs + 1, dtype=np.int64), terms, np.r_[-np.ones(pairs), 1.0], 0.0, 0.0)
    return solve(system, np.ones(size, dtype=bool), Rule(np.full(size, 6.0), np.zeros(size, dtype=bool)))


def test_identities_that_ask_for_more_together_than_any_alone_contradict_nothing() -> None:
    found = ranges(30, together=1000.0, highest=np.inf)
    assert found.why == {}


def test_what_nothing_fits_is_a_contradiction_however_far_the_ends() -> None:
    with pytest.raises(ContradictionError):
        ranges(3, together=1000.0, highest=400.0)
