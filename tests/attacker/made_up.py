"""Small trusts, pupil by pupil, and the tables that marts would make of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from quality.attacker.cells import GAP_KEY, VALUE_KEY
from quality.disclosure import Marts

YEAR = "2024/25"
DIMENSIONS = {"sen": "sen@census", "sex": "sex@census"}
GAPS = {"sex": ("M", "F")}
SESSION_MEASURES = {"attendance_rate": "attended", "overall_absence_rate": "absent"}
SHARES = {"persistent_absence_rate": 10, "severe_absence_rate": 50}
PERIODS = pd.DataFrame({"academic_year": YEAR, "whole": "YTD", "part": ["AUT", "SPR"]})


@dataclass(frozen=True)
class Group:
    """So many pupils of a school who are alike. terms: the terms in which they were there."""

    school: str
    sen: str
    sex: str
    n: int
    absent_percent: int = 4
    terms: tuple[str, ...] = ("AUT", "SPR")


def trust_of(groups: Sequence[Group], authorities: dict[str, str] | None = None) -> Marts:
    """The marts of a trust of such pupils: attendance by term, a score and value added by year.

    Parameters: `authorities`, the authority of each school (default: one for all).
    """
    names = sorted({group.school for group in groups})
    schools = pd.DataFrame(
        {
            "school_key": names,
            "urn": names,
            "trust": "T1",
            "la": [(authorities or {}).get(name, "301") for name in names],
        }
    )
    rows = []
    for number, group in enumerate(groups):
        for pupil in range(group.n):
            for term in group.terms:
                possible = 100 + (7 * pupil + 3 * number) % 20
                share = group.absent_percent if group.absent_percent else 0
                absent = min(possible, possible * share // 100 + (pupil * 5 + number) % 3 * (share > 0))
                rows.append((group.school, group.sen, group.sex, number, pupil, term, possible, absent))
    terms = pd.DataFrame(rows, columns=["urn", "sen", "sex", "number", "pupil", "period", "possible", "absent"])
    key = ["urn", "sen", "sex", "number", "pupil"]
    year = terms.groupby(key, as_index=False)[["possible", "absent"]].sum().assign(period="YTD")
    stays = pd.concat([terms, year], ignore_index=True).merge(schools, on="urn")
    stays = stays.assign(attended=stays["possible"] - stays["absent"], all="all", score=stays["pupil"] % 7 / 3 - 1)
    for measure, percent in SHARES.items():
        stays[measure] = stays["absent"] * 100 >= percent * stays["possible"]
    values = pd.concat(
        [
            _cells(stays, level, unit, dimension, measure)
            for level, unit in (("school", "urn"), ("trust", "trust"), ("la", "la"))
            for dimension in ("all", *DIMENSIONS)
            for measure in (*SESSION_MEASURES, *SHARES, "mean_score_reading", "value_added_reading")
        ],
        ignore_index=True,
    )
    at_school = values[
        values["level"].eq("school")
        & values["measure_id"].eq("value_added_reading")
        & values["group_dimension"].eq("all")
    ]
    progress = at_school[["academic_year", "measure_id", "unit_code", "n"]].rename(columns={"unit_code": "urn"})
    progress = progress.assign(school_key=progress["urn"]).reset_index(drop=True)
    model = pd.DataFrame(
        {
            "academic_year": [YEAR],
            "measure_id": ["value_added_reading"],
            "method": ["REML"],
            "n_pupils": [int(progress["n"].sum())],
        }
    )
    return Marts(values, _gaps(values), progress, model, schools, PERIODS)


def coverage_of(marts: Marts) -> pd.DataFrame:
    """The published coverage of results: every pupil of the school has one."""
    values = marts.measure_value
    rows = values[
        values["level"].eq("school")
        & values["measure_id"].eq("mean_score_reading")
        & values["group_dimension"].eq("all")
    ]
    return pd.DataFrame(
        {
            "academic_year": rows["academic_year"],
            "period": "YTD",
            "feed": "assessment_results",
            "school_key": rows["unit_code"],
            "expected": rows["n"].astype("float64"),
            "received": rows["n"].astype("float64"),
            "share": 100.0,
            "status": "ok",
        }
    )


def _cells(stays: pd.DataFrame, level: str, unit: str, dimension: str, measure: str) -> pd.DataFrame:
    if measure in ("mean_score_reading", "value_added_reading"):
        stays = stays[stays["period"].eq("YTD")]
    grouped = stays.groupby(["period", unit, dimension])
    if measure in SESSION_MEASURES:
        top, all_ = grouped[SESSION_MEASURES[measure]].sum(), grouped["possible"].sum()
    elif measure in SHARES:
        top, all_ = grouped[measure].sum(), grouped.size()
    else:
        top, all_ = grouped["score"].sum(), grouped.size()
    frame = pd.DataFrame(
        {"n": grouped.size(), "numerator": top.astype("float64"), "denominator": all_.astype("float64")}
    )
    frame = frame.reset_index().rename(columns={unit: "unit_code", dimension: "group_value"})
    frame = frame.assign(
        academic_year=YEAR,
        level=level,
        measure_id=measure,
        definition_version=1,
        group_definition=DIMENSIONS.get(dimension, "all"),
        group_dimension=dimension,
    )
    return frame[[*VALUE_KEY, "n", "numerator", "denominator"]]


def _gaps(values: pd.DataFrame) -> pd.DataFrame:
    frames = []
    key = [column for column in VALUE_KEY if column != "group_value"]
    for dimension, (group, comparator) in GAPS.items():
        of = values[values["group_dimension"].eq(dimension)]
        sides = [of[of["group_value"].eq(value)] for value in (group, comparator)]
        both = sides[0].merge(sides[1], on=key, suffixes=("", "_comparator"))
        frames.append(both.assign(comparator=comparator, n_group=both["n"]))
    return pd.concat(frames, ignore_index=True)[[*GAP_KEY, "n_group", "n_comparator"]].astype(
        {"n_group": np.int64, "n_comparator": np.int64}
    )
