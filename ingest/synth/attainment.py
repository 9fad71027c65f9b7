"""Standardised tests in autumn and summer, every year group, with school effects on what is learnt between them."""

from __future__ import annotations

import numpy as np

from ingest.synth.config import Bools, Floats, Ints

SUBJECTS = ("Reading", "Maths")
AUTUMN, SUMMER = "Standardised test autumn", "Standardised test summer"
SCALE = "standardised-100-15"

RESIDUAL_SD = 0.5
"""Of the summer score given the autumn score, in z-scores, between and within schools together."""
SCHOOL_ICC = 0.1
SCHOOL_EFFECT_SD = RESIDUAL_SD * SCHOOL_ICC**0.5
PUPIL_RESIDUAL_SD = RESIDUAL_SD * (1 - SCHOOL_ICC) ** 0.5
SLOPE = 0.82
DISADVANTAGE_AT_START = 0.30
DISADVANTAGE_IN_PROGRESS = 0.06
ABSENT = -1


def scores(
    rng: np.random.Generator, ability: Floats, disadvantaged: Bools, school_effect: float, absence_rate: Floats
) -> tuple[Ints, Ints]:
    """Autumn and summer standardised scores of one school, year and subject; `ABSENT` where the pupil missed the
    test.

    Parameters: `ability` in z-scores; `school_effect` on the summer score in z-scores; `absence_rate` (0 to 1) raises
    the risk of missing a test.

    """
    n = len(ability)
    autumn = (ability + 0.3 * rng.normal(size=n)) * 0.95 - DISADVANTAGE_AT_START * disadvantaged + 0.12
    summer = (
        SLOPE * autumn
        - DISADVANTAGE_IN_PROGRESS * disadvantaged
        + school_effect
        + PUPIL_RESIDUAL_SD * rng.normal(size=n)
        + 0.03
    )
    result = []
    for z in (autumn, summer):
        points = np.clip(np.rint(100 + 15 * z), 55, 145).astype(np.int64)
        points[rng.random(n) < 0.01 + 0.35 * absence_rate] = ABSENT
        result.append(points)
    return result[0], result[1]
