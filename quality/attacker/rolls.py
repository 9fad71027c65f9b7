"""The roll of a school that sent nothing, as what was expected of it tells it.

Its sessions expected are its pupils times the sessions that each of them had, and those are known of any school that
shows both; its results expected are its pupils times the measures of the year. Where its own row of coverage is hidden,
the coverage of its trust or authority leaves what was expected of it: what was expected of all, less of the others.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ingest.registry import Registry
from quality.attacker.breach import Breach
from quality.attacker.cells import (
    ATTENDANCE,
    TABLE_KEYS,
    family_of,
    is_hidden,
    numbers,
    row_keys,
    tables_of,
    urn_of_school,
)
from quality.attacker.lines import members

# Table and key of the row that tells, how many pupils it comes to, and why.
_Said = tuple[str, str, float, str]
_PLACE = ["academic_year", "period", "unit_code"]
_LEAST = 0.5  # of a pupil: less is what rounding leaves


def rolls_told(tables: Mapping[str, pd.DataFrame], registry: Registry, tier: str) -> list[Breach]:
    """Breaches by which the pupils of a school, fewer than the tier's minimum, follow from what they were to send."""
    limit = int(registry.data["disclosure"]["minimum_pupils"][tier])
    families = {str(measure["measure_id"]): family_of(measure) for measure in registry.measures}
    shown = _everybody(tables, families)
    due = _expected(tables)
    attainment = {
        str(measure["measure_id"]) for measure in registry.measures if measure["source_model"] == "attainment"
    }
    said = [
        *_of_registers(due, shown, members(tables)),
        *_of_results(due, shown[shown["measure_id"].isin(attainment)], members(tables)),
    ]
    return [
        Breach("exact", tier, table, row_key, "enrolments expected", round(roll, 3), round(roll, 3), limit, (why,))
        for table, row_key, roll, why in said
        if _LEAST < roll < limit * (1 - 1e-9)
    ]


def _expected(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """What was expected and received of each school, where it is shown, with unit_code, table and row_key."""
    urns = urn_of_school(tables)
    frames = [
        coverage.assign(
            table=name,
            row_key=row_keys(coverage, TABLE_KEYS["coverage"]),
            unit_code=[urns.get(str(key), str(key)) for key in coverage["school_key"]],
            expected=numbers(coverage, "expected"),
            received=numbers(coverage, "received"),
        )[["table", "row_key", *_PLACE, "feed", "expected", "received"]]
        for name, coverage in tables_of(tables, "coverage")
    ]
    if not frames:
        return pd.DataFrame(columns=["table", "row_key", *_PLACE, "feed", "expected", "received"])
    due = pd.concat(frames, ignore_index=True)
    return due[due["expected"].gt(0)].drop_duplicates([*_PLACE, "feed"])


def _everybody(tables: Mapping[str, pd.DataFrame], families: Mapping[str, str]) -> pd.DataFrame:
    """The rows of all pupils, once each: shown, where a table shows it, else hidden or without a figure."""
    frames = [
        values.assign(
            table=name,
            row_key=row_keys(values, TABLE_KEYS["measure_value"]),
            family=values["measure_id"].map(families),
            n=numbers(values, "n"),
            coverage=numbers(values, "coverage"),
            hidden=is_hidden(values),
        )[["table", "row_key", *_PLACE, "level", "measure_id", "family", "n", "coverage", "hidden"]]
        for name, frame in tables_of(tables, "measure_value")
        for values in [frame[frame["group_dimension"].eq("all")]]
    ]
    columns = ["table", "row_key", *_PLACE, "level", "measure_id", "family", "n", "coverage", "hidden"]
    every = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)
    return every.sort_values("hidden", kind="stable").drop_duplicates([*_PLACE, "level", "measure_id"])


def _of_registers(due: pd.DataFrame, shown: pd.DataFrame, membership: pd.DataFrame) -> Iterator[_Said]:
    """Sessions expected, by the fewest that came of a pupil at any school that shows both, which are no more than one
    was to send: so no school is taken for smaller than it may be.
    """
    of_family = shown[shown["family"].eq(ATTENDANCE)]
    schools = of_family[of_family["level"].eq("school")].sort_values("hidden").drop_duplicates(_PLACE)
    there = due[due["feed"].eq("session_marks")].merge(schools[[*_PLACE, "n", "hidden"]], on=_PLACE, how="left")
    each = (there["received"] / there["n"]).where(there["n"].gt(0) & there["received"].gt(0))
    fewest = each.groupby([there["academic_year"], there["period"]]).transform("min")
    silent = there["received"].eq(0) & fewest.notna()
    for row, pupil in zip(there[silent].to_dict("records"), fewest[silent], strict=True):
        why = f"{row['table']}: sessions expected of a school that sent none, by those of a pupil elsewhere"
        yield row["table"], row["row_key"], row["expected"] / pupil, why
    fewest_of = dict(zip(zip(there["academic_year"], there["period"], strict=True), fewest, strict=True))
    units = of_family[of_family["level"].ne("school") & of_family["coverage"].gt(0)]
    for unit in units.drop_duplicates([*_PLACE, "level"]).to_dict("records"):
        pupil = fewest_of.get((unit["academic_year"], unit["period"]), np.nan)
        inside = _inside(there, unit, membership)
        sent = _inside(schools[schools["hidden"] | schools["n"].gt(0)], unit, membership)
        # What a school sent whose row of coverage is hidden is not known.
        if np.isnan(pupil) or not sent["unit_code"].isin(inside["unit_code"]).all():
            continue
        all_due = 100.0 * inside["received"].sum() / unit["coverage"]
        why = f"{unit['table']}: coverage leaves the sessions expected of a school that sent none"
        yield unit["table"], unit["row_key"], (all_due - inside["expected"].sum()) / pupil, why


def _of_results(due: pd.DataFrame, shown: pd.DataFrame, membership: pd.DataFrame) -> Iterator[_Said]:
    """Results expected: of a pupil one of each measure."""
    scored = shown[shown["coverage"].gt(0)]
    of_year = scored.groupby("academic_year")["measure_id"].nunique()
    silent = due[due["feed"].eq("assessment_results") & due["received"].eq(0)]
    for row in silent.to_dict("records"):
        why = f"{row['table']}: results expected of a school that sent none, by the measures of the year"
        yield row["table"], row["row_key"], row["expected"] / of_year.get(row["academic_year"], 1), why
    scored = scored.assign(expected=100.0 * scored["n"] / scored["coverage"])
    for unit in scored[scored["level"].ne("school")].to_dict("records"):
        of_measure = shown[shown["measure_id"].eq(unit["measure_id"]) & shown["level"].eq("school")]
        inside = _inside(of_measure.assign(expected=100.0 * of_measure["n"] / of_measure["coverage"]), unit, membership)
        if inside["hidden"].any():
            continue
        why = f"{unit['table']}: coverage leaves the results expected of a school that sent none"
        yield unit["table"], unit["row_key"], unit["expected"] - inside["expected"].sum(), why


def _inside(rows: pd.DataFrame, unit: Mapping[Hashable, Any], membership: pd.DataFrame) -> pd.DataFrame:
    """The rows of a unit's schools, of its year and period."""
    mine = membership["parent_level"].eq(unit["level"]) & membership["parent_code"].eq(unit["unit_code"])
    own = rows["unit_code"].isin(membership.loc[mine, "unit_code"])
    return rows[own & rows["academic_year"].eq(unit["academic_year"]) & rows["period"].eq(unit["period"])]
