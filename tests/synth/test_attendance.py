"""The registers come to the rates that England's schools of each phase had."""

from __future__ import annotations

import numpy as np
import pytest

from ingest.synth.attendance import CALIBRATION, absence_quantiles, expected_rates
from ingest.synth.schools import PRIMARY, SECONDARY, SPECIAL
from tests.synth.conftest import Trust

PUBLISHED = {
    PRIMARY: {"attendance": 94.72, "authorised": 3.73, "unauthorised": 1.55, "illness": 2.79, "persistent": 13.77},
    SECONDARY: {"attendance": 91.51, "authorised": 5.22, "unauthorised": 3.27, "illness": 3.63, "persistent": 23.77},
    SPECIAL: {"attendance": 86.83, "authorised": 9.57, "unauthorised": 3.60, "illness": 5.02, "persistent": 36.06},
}
"""DfE, Pupil attendance in schools, year to date 2025/26, published July 2026; percentages."""
TOLERANCE = {
    PRIMARY: {"attendance": 0.15, "authorised": 0.2, "unauthorised": 0.2, "illness": 0.2, "persistent": 0.8},
    SECONDARY: {"attendance": 0.2, "authorised": 0.3, "unauthorised": 0.3, "illness": 0.3, "persistent": 0.9},
    SPECIAL: {"attendance": 0.8, "authorised": 1.2, "unauthorised": 1.2, "illness": 1.2, "persistent": 3.0},
}
"""Percentage points; wider for special schools, of which the trust has two with some 200 pupils."""


def test_the_published_rates_of_each_phase_come_out(trust: Trust, capsys: pytest.CaptureFixture[str]) -> None:
    rows = trust.sql.sql(
        """
        with enrolment as (
            select phase, laestab, "Admission Number", "Date" >= '2025-08-01' as is_last, sum(attended) as att,
                sum(authorised) as auth, sum(unauthorised) as unauth, sum(case when Mark = 'I' then 1 else 0 end) as ill
            from register group by all)
        select phase, is_last, count(*), 100 * sum(att) / sum(att + auth + unauth),
            100 * sum(auth) / sum(att + auth + unauth),
            100 * sum(unauth) / sum(att + auth + unauth), 100 * sum(ill) / sum(att + auth + unauth),
            100 * avg(case when (auth + unauth) * 10 >= att + auth + unauth then 1 else 0 end),
            100 * avg(case when (auth + unauth) * 2 >= att + auth + unauth then 1 else 0 end)
        from enrolment where att + auth + unauth > 0 group by 1, 2 order by 1, 2
        """
    ).fetchall()
    assert len(rows) == 6
    off = []
    with capsys.disabled():
        for phase, is_last, n, *figures in rows:
            found = dict(zip((*PUBLISHED[phase], "severe"), figures, strict=True))
            print(
                f"\n{phase} {'2025/26' if is_last else '2024/25'} n={n}",
                {k: round(v, 2) for k, v in found.items()},
                end="",
            )
            off += [
                (phase, measure, found[measure], published)
                for measure, published in PUBLISHED[phase].items()
                if abs(found[measure] - published) > TOLERANCE[phase][measure]
            ]
            severe = 100 * CALIBRATION[phase].severe
            if not severe / 2 < found["severe"] < severe * 2:
                off.append((phase, "severe", found["severe"], severe))
    assert off == []


@pytest.mark.parametrize("phase", [PRIMARY, SECONDARY, SPECIAL])
def test_the_reasons_of_a_phase_sum_to_its_absence(phase: str) -> None:
    calibration = CALIBRATION[phase]
    assert sum(calibration.reasons.values()) == pytest.approx(calibration.absence, abs=1e-12)
    assert 100 * calibration.absence == pytest.approx(100 - PUBLISHED[phase]["attendance"], abs=1e-9)
    assert 100 * calibration.unauthorised == pytest.approx(PUBLISHED[phase]["unauthorised"], abs=1e-9)


@pytest.mark.parametrize("phase", [PRIMARY, SECONDARY, SPECIAL])
def test_the_distribution_of_absence_meets_mean_and_both_boundaries(phase: str) -> None:
    calibration = CALIBRATION[phase]
    rates = absence_quantiles(calibration, (np.arange(100_000) + 0.5) / 100_000)
    assert rates.mean() == pytest.approx(calibration.absence, abs=2e-4)
    assert (rates >= 0.1).mean() == pytest.approx(calibration.persistent, abs=1e-4)
    assert (rates >= 0.5).mean() == pytest.approx(calibration.severe, abs=1e-4)
    assert (np.diff(rates) >= 0).all()


def test_the_order_of_propensities_is_the_order_of_absence() -> None:
    propensity = np.random.default_rng(0).normal(size=500)
    rates, unauthorised = expected_rates(CALIBRATION[PRIMARY], propensity)
    assert (np.argsort(rates) == np.argsort(propensity)).all()
    expected = CALIBRATION[PRIMARY].unauthorised / CALIBRATION[PRIMARY].absence
    assert (rates * unauthorised).sum() / rates.sum() == pytest.approx(expected, abs=1e-6)


def test_absence_comes_in_spells_that_keep_their_reason(trust: Trust) -> None:
    whole_days, ill_after_ill, ill = trust.sql.sql(
        """
        with day as (select laestab, "Admission Number" a, "Date" d, max(case when Session = 'AM' then Mark end) am,
                max(case when Session = 'PM' then Mark end) pm from register where phase = 'Primary' group by all),
        ordered as (select *, lead(am) over (partition by laestab, a order by d) next_am from day)
        select avg(case when pm in ('I', 'M') then 1.0 else 0 end) filter (am = 'I'),
            avg(case when next_am = 'I' then 1.0 else 0 end) filter (am = 'I'),
            avg(case when am = 'I' then 1.0 else 0 end)
        from ordered
        """
    ).fetchall()[0]
    assert whole_days > 0.6
    assert ill_after_ill > 5 * ill


def test_fridays_and_disadvantage_cost_attendance(trust: Trust) -> None:
    by_day = dict(
        trust.sql.sql(
            """select isodow("Date"::date),
                1.0 * sum(authorised + unauthorised) / sum(attended + authorised + unauthorised)
            from register group by 1"""
        ).fetchall()
    )
    assert by_day[5] > by_day[2]
    assert by_day[5] > by_day[3]
    by_group = dict(
        trust.sql.sql(
            """select p.pp, 1.0 * sum(authorised + unauthorised) / sum(attended + authorised + unauthorised)
            from register r join (select distinct laestab, "Admission Number" a, "Pupil Premium" pp from pupil
                where "As At Date" = '2026-01-15') p
                on p.laestab = r.laestab and p.a = r."Admission Number" group by 1"""
        ).fetchall()
    )
    assert by_group["Y"] > 1.3 * by_group["N"]


def test_minutes_late_stand_only_beside_l_and_u(trust: Trust) -> None:
    found = trust.sql.sql('select distinct Mark from mark where "Minutes Late" is not null').fetchall()
    assert {mark for (mark,) in found} == {"L", "U"}
    untimed = trust.sql.sql(
        """select count(*) from mark where Mark in ('L', 'U') and "Minutes Late" is null"""
    ).fetchone()
    assert untimed == (0,)


def test_some_marks_are_missing_and_few(trust: Trust) -> None:
    (share,) = trust.sql.sql("select avg(case when Mark = '-' then 1.0 else 0 end) from register").fetchall()[0]
    assert 0.0005 < share < 0.005
