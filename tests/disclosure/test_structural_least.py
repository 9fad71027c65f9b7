"""A total of two groups that have rows is 2 at the least: who is known not to be one must be one of many."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from quality.attacker.breach import Rule
from quality.disclosure.audit import System, bounded, narrow_ranges, untouched
from quality.disclosure.lines import Bools
from quality.disclosure.secondary import Limits, Problem, View, choose
from tests.disclosure.test_disclosure import REGISTRY

T = 6
# A school's 7 pupils: all, girls, boys, Year 3, Year 5, girls and boys of Year 3, girls of Year 5. The boys of Year 3
# are the boys, and the girls of Year 5 are Year 5.
PUPILS = np.array([7.0, 3.0, 4.0, 5.0, 2.0, 1.0, 4.0, 2.0])
ALL, GIRLS, BOYS, YEAR_3, YEAR_5, GIRLS_3, BOYS_3, GIRLS_5 = range(8)
SUMS: tuple[tuple[int, ...], ...] = (
    (ALL, GIRLS, BOYS),
    (ALL, YEAR_3, YEAR_5),
    (GIRLS, GIRLS_3, GIRLS_5),
    (BOYS, BOYS_3),
)
SUMS += ((YEAR_3, GIRLS_3, BOYS_3), (YEAR_5, GIRLS_5))


def hidden(need_wide: float, pupils: np.ndarray[tuple[int], np.dtype[np.float64]] = PUPILS) -> Bools:
    """What goes where all groups of few go anyway."""
    sums = np.zeros((len(SUMS), len(pupils)))
    for line, (total, *parts) in enumerate(SUMS):
        sums[line, total], sums[line, parts] = 1.0, -1.0
    few = pupils < T
    system = System(
        name="crossed groups",
        down=pupils - 1,
        up=np.full(len(pupils), 4.0 * T),
        need_down=np.where(few, pupils - 1, 0),
        need_up=np.where(few, T - 1 - pupils, 0),
        need_width=np.where(few, 0.0, T - 1.0),
        need_wide=np.where(few, need_wide, 0.0),
        sums=csr_matrix(sums),
        orders=csr_matrix((0, len(pupils))),
        slack=np.zeros(0),
    )
    none = np.zeros(0, dtype=np.int64)
    view = View(bounded(untouched(system)), np.arange(len(pupils)))
    problem = Problem("few", np.ones(len(pupils)), few, np.zeros(len(pupils), dtype=bool), none, none, [view])
    return choose(problem, Limits(**REGISTRY.data["disclosure"]["programme"])).hidden


@pytest.mark.parametrize(("need_wide", "goes"), [(T - 1.0, True), (0.0, False)])
def test_a_total_goes_that_would_leave_too_few_values(need_wide: float, goes: bool) -> None:
    """With 7 in all Year 3 is 2 to 6: neither all of the few, nor as many values as may be shown."""
    assert bool(hidden(need_wide)[ALL]) is goes
    rule = Rule(np.array([T]), np.array([False]))
    assert rule.given_away(np.array([2.0]), np.array([6.0])).all()
    assert not rule.given_away(np.array([2.0]), np.array([7.0])).any()


def test_it_stands_where_enough_values_are_left() -> None:
    more = PUPILS + np.isin(np.arange(8), [ALL, BOYS, YEAR_3, BOYS_3])
    assert not hidden(T - 1.0, more)[ALL]


@pytest.mark.parametrize(("need_wide", "cuts"), [(3.0, 1), (0.0, 0)])
def test_a_least_that_only_several_relations_together_tell_counts_too(need_wide: float, cuts: int) -> None:
    """Of three parts any two are one at the least, so all three are two; shown beside them stands what they are within.

    No one relation tells it, so the bounds of single cells do not have it: the linear programme finds it.
    """
    whole, within = 0, 4
    system = bounded(
        System(
            name="three parts",
            down=np.array([2.0, 1.0, 1.0, 1.0, 4.0]),
            up=np.full(5, 20.0),
            need_down=np.array([2.0, 0.0, 0.0, 0.0, 0.0]),
            need_up=np.zeros(5),
            need_width=np.zeros(5),
            need_wide=np.array([need_wide, 0.0, 0.0, 0.0, 0.0]),
            sums=csr_matrix(np.array([[1.0, -1.0, -1.0, -1.0, 0.0]])),
            orders=csr_matrix(
                np.array([[0, 1, 1, 0, 0], [0, 0, 1, 1, 0], [0, 1, 0, 1, 0], [-1, 0, 0, 0, 1]], dtype=float)
            ),
            slack=np.ones(4),
        )
    )
    assert system.need_down[whole] == 2.0
    found = narrow_ranges(system, np.arange(5) != within)
    assert system.need_down[whole] == 1.5
    assert len(found) == cuts
    assert all(within in cut.cells for cut in found)
