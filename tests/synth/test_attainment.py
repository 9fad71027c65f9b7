"""Results have the school effects, the gap and the growth they were asked to have."""

from __future__ import annotations

import numpy as np
import pytest

from ingest.synth.attainment import SCHOOL_ICC
from tests.synth.conftest import Trust


def _pairs(trust: Trust, subject: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rows = trust.sql.execute(
        """select a.laestab, (a.Result::double - 100) / 15, (s.Result::double - 100) / 15,
            coalesce(p."Pupil Premium", 'N')
        from result a join result s on s.laestab = a.laestab and s."Admission Number" = a."Admission Number"
            and s.Subject = a.Subject and s."Date" > a."Date" and s."Date"::date < a."Date"::date + 300
        left join pupil p on p.laestab = a.laestab and p."Admission Number" = a."Admission Number"
            and p."As At Date" = '2026-01-15'
        where a.Assessment like '%autumn' and s.Assessment like '%summer' and a.Subject = ? and a."Date" > '2025-08-01'
            and a.Result <> 'A' and s.Result <> 'A' order by 1, a."Admission Number" """,
        [subject],
    ).fetchall()
    school, autumn, summer, premium = zip(*rows, strict=True)
    return np.array(school), np.array(autumn), np.array(summer), np.array(premium) == "Y"


@pytest.mark.parametrize("subject", ["Reading", "Maths"])
def test_a_tenth_of_the_variance_of_value_added_lies_between_schools(trust: Trust, subject: str) -> None:
    school, autumn, summer, _ = _pairs(trust, subject)
    slope, intercept = np.polyfit(autumn, summer, 1)
    residual = summer - intercept - slope * autumn
    names, which, sizes = np.unique(school, return_inverse=True, return_counts=True)
    means = np.bincount(which, residual) / sizes
    within = ((residual - means[which]) ** 2).sum() / (len(residual) - len(names))
    between = max(0.0, float(np.var(means, ddof=1) - within * (1 / sizes).mean()))
    assert between / (between + within) == pytest.approx(SCHOOL_ICC, abs=0.05)
    assert 0.7 < slope < 0.95


@pytest.mark.parametrize("subject", ["Reading", "Maths"])
def test_disadvantaged_pupils_are_behind_and_fall_further_behind(trust: Trust, subject: str) -> None:
    _, autumn, summer, premium = _pairs(trust, subject)
    gap = [scores[~premium].mean() - scores[premium].mean() for scores in (autumn, summer)]
    assert 0.3 < gap[0] < 1.0
    slope, intercept = np.polyfit(autumn, summer, 1)
    residual = summer - intercept - slope * autumn
    assert residual[~premium].mean() > residual[premium].mean()


def test_every_year_group_sits_both_tests_each_year_and_some_pupils_are_away(trust: Trust) -> None:
    rows = trust.sql.sql(
        """select r.Assessment, r."Date", count(distinct p."Year Group"),
            avg(case when Result = 'A' then 1.0 else 0 end)
        from result r join pupil p on p.laestab = r.laestab and p."Admission Number" = r."Admission Number"
            and p."As At Date" = case when r."Date" < '2025-08-01' then '2025-01-16' else '2026-01-15' end
        group by 1, 2"""
    ).fetchall()
    assert len(rows) == 4
    assert all(groups == 12 for _, _, groups, _ in rows)
    assert all(0.01 < away < 0.08 for _, _, _, away in rows)


def test_scores_are_whole_numbers_on_the_scale_of_the_registry(trust: Trust) -> None:
    odd = trust.sql.sql(
        """select count(*) from result where Scale <> 'standardised-100-15' or Subject not in ('Reading', 'Maths')
        or (Result <> 'A' and not Result::int between 40 and 160)"""
    ).fetchone()
    assert odd == (0,)
