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
    CELL,
    TABLE_KEYS,
    family_of,
    is_hidden,
    numbers,
    row_keys,
    tables_of,
    urn_of_school,
)
from quality.attacker.feeds import by_both_feeds
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
        *_of_groups(due, shown, _registers(tables, registry), members(tables)),
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
        for name, table in tables_of(tables, "coverage")
        for coverage in [by_both_feeds(table)]
    ]
    if not frames:
        return pd.DataFrame(columns=["table", "row_key", *_PLACE, "feed", "expected", "received"])
    due = pd.concat(frames, ignore_index=True)
    return due[due["expected"].gt(0) & due["received"].notna()].drop_duplicates([*_PLACE, "feed"])


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


def _fewest(due: pd.DataFrame, schools: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series[float]]:
    """Registers of each school and, per row, the fewest sessions that came of a pupil at any school of the period."""
    there = due[due["feed"].eq("session_marks")].merge(schools[[*_PLACE, "n", "hidden"]], on=_PLACE, how="left")
    each = (there["received"] / there["n"]).where(there["n"].gt(0) & there["received"].gt(0))
    return there, each.groupby([there["academic_year"], there["period"]]).transform("min")


def _of_registers(due: pd.DataFrame, shown: pd.DataFrame, membership: pd.DataFrame) -> Iterator[_Said]:
    """Sessions expected, by the fewest that came of a pupil at any school that shows both, which are no more than one
    was to send: so no school is taken for smaller than it may be.
    """
    of_family = shown[shown["family"].eq(ATTENDANCE)]
    schools = of_family[of_family["level"].eq("school")].sort_values("hidden").drop_duplicates(_PLACE)
    there, fewest = _fewest(due, schools)
    silent = there["received"].eq(0) & fewest.notna()
    for row, pupil in zip(there[silent].to_dict("records"), fewest[silent], strict=True):
        why = f"{row['table']}: sessions expected of a school that sent none, by those of a pupil elsewhere"
        yield row["table"], row["row_key"], row["expected"] / pupil, why
    fewest_of = dict(zip(zip(there["academic_year"], there["period"], strict=True), fewest, strict=True))
    units = of_family[of_family["level"].ne("school") & of_family["coverage"].gt(0)]
    due_in, sent_in = (_in_units(rows, membership) for rows in (there, schools[schools["hidden"] | schools["n"].gt(0)]))
    for unit in units.drop_duplicates([*_PLACE, "level"]).to_dict("records"):
        pupil = fewest_of.get((unit["academic_year"], unit["period"]), np.nan)
        place = unit["level"], unit["unit_code"], unit["academic_year"], unit["period"]
        inside, sent = due_in.get(place, there.iloc[:0]), sent_in.get(place, schools.iloc[:0])
        # What a school sent whose row of coverage is hidden is not known.
        if np.isnan(pupil) or not sent["unit_code"].isin(inside["unit_code"]).all():
            continue
        all_due = 100.0 * inside["received"].sum() / unit["coverage"]
        why = f"{unit['table']}: coverage leaves the sessions expected of a school that sent none"
        yield unit["table"], unit["row_key"], (all_due - inside["expected"].sum()) / pupil, why


def _registers(tables: Mapping[str, pd.DataFrame], registry: Registry) -> pd.DataFrame:
    """Every cell of attendance: its n, possible sessions and coverage, of whichever measure shows them; groups too."""
    ids = {
        str(measure["measure_id"]): str(measure["kind"])
        for measure in registry.measures
        if family_of(measure) == ATTENDANCE
    }
    frames = [
        rows.assign(
            table=name,
            row_key=row_keys(rows, TABLE_KEYS["measure_value"]),
            n=numbers(rows, "n"),
            possible=np.where(rows["measure_id"].map(ids).eq("ratio"), numbers(rows, "denominator"), np.nan),
            coverage=numbers(rows, "coverage"),
        )
        for name, frame in tables_of(tables, "measure_value")
        for rows in [frame[frame["measure_id"].astype(str).isin(ids)]]
    ]
    columns = ["table", "row_key", "n", "possible", "coverage"]
    every = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=[*CELL, *columns])
    return every.groupby(CELL, sort=True, as_index=False)[columns].first()


def _of_groups(
    due: pd.DataFrame, shown: pd.DataFrame, cells: pd.DataFrame, membership: pd.DataFrame
) -> Iterator[_Said]:
    """Sessions expected of what sent none: of groups in a school or unit, and of a group in the schools of a unit.

    Those of all, less those of the others. Marks that are no possible sessions are of some part or another, so there is
    a range, of which both ends must tell.
    """
    schools = shown[shown["family"].eq(ATTENDANCE) & shown["level"].eq("school")]
    there, fewest = _fewest(due, schools.sort_values("hidden").drop_duplicates(_PLACE))
    pupil_of = dict(zip(zip(there["academic_year"], there["period"], strict=True), fewest, strict=True))
    at_school = cells[cells["level"].eq("school") & cells["group_dimension"].eq("all")]
    possible = there[_PLACE].merge(at_school[[*_PLACE, "possible"]], on=_PLACE, how="left")["possible"].to_numpy()
    unclear = there.assign(unclear=there["received"].to_numpy() - possible)
    sent = at_school[~at_school["n"].eq(0)]
    for total, parts in _wholes(cells, membership):
        others = parts[~(parts["n"].eq(0) | parts["coverage"].eq(0))]
        pupil = pupil_of.get((total["academic_year"], total["period"]), np.nan)
        counted = [total["coverage"], total["possible"], *others["coverage"], *others["possible"]]
        inside, sending = (_schools_of(rows, total, membership) for rows in (unclear, sent))
        is_whole = sending["unit_code"].isin(inside.loc[inside["unclear"].ge(0), "unit_code"]).all()
        adds_up = abs(total["possible"] - others["possible"].sum()) < _LEAST
        # What is not shown, or came of a school whose row is hidden, is not known.
        if (
            np.isnan(pupil)
            or len(others) == len(parts)
            or not all(c > 0 for c in counted)
            or not (is_whole and adds_up)
        ):
            continue
        more = 100.0 / total["coverage"] - 100.0 / others["coverage"].to_numpy()
        left = float(others["possible"].to_numpy() @ more)
        ends = left + inside["unclear"].clip(lower=0).sum() * np.array([more.min(initial=0), more.max(initial=0)])
        if ends[0] / pupil > _LEAST:
            why = f"{total['table']}: coverage of the others leaves the sessions expected of a group that sent none"
            yield total["table"], total["row_key"], ends[1] / pupil, why


def _wholes(cells: pd.DataFrame, membership: pd.DataFrame) -> Iterator[tuple[Mapping[Hashable, Any], pd.DataFrame]]:
    """Cells and the parts of which they are the sum: groups of a dimension, and a group in the schools of a unit."""
    place, group = ["academic_year", "period", "level", "unit_code"], CELL[4:]
    everybody = cells[cells["group_dimension"].eq("all")]
    of_all = cells[cells["group_dimension"].ne("all")].merge(
        everybody[[*place, "row_key"]].rename(columns={"row_key": "whole"}), on=place
    )
    above = cells[cells["level"].ne("school")].rename(
        columns={"level": "parent_level", "unit_code": "parent_code", "row_key": "whole"}
    )
    of_units = (
        cells[cells["level"].eq("school")]
        .merge(membership.drop_duplicates(), on="unit_code")
        .merge(
            above[[*place[:2], "parent_level", "parent_code", *group, "whole"]],
            on=[*place[:2], "parent_level", "parent_code", *group],
        )
    )
    by_key = {str(cell["row_key"]): cell for cell in cells.to_dict("records")}
    for parts, by in ((of_all, ["whole", "group_definition", "group_dimension"]), (of_units, ["whole"])):
        silent = parts["n"].eq(0) | parts["coverage"].eq(0)
        for _, mine in parts[parts["whole"].isin(parts.loc[silent, "whole"])].groupby(by, sort=True):
            yield by_key[str(mine["whole"].iat[0])], mine


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
        # Of a school whose coverage is hidden, or none of whom has a result, what was expected is not known.
        if inside["hidden"].any() or inside["expected"].isna().any():
            continue
        why = f"{unit['table']}: coverage leaves the results expected of a school that sent none"
        yield unit["table"], unit["row_key"], unit["expected"] - inside["expected"].sum(), why


def _in_units(rows: pd.DataFrame, membership: pd.DataFrame) -> dict[Hashable, pd.DataFrame]:
    """The rows of the schools of each unit, by its level and code, year and period."""
    inside = rows.merge(membership.drop_duplicates(), on="unit_code")
    return dict(iter(inside.groupby(["parent_level", "parent_code", "academic_year", "period"], sort=False)))


def _inside(rows: pd.DataFrame, unit: Mapping[Hashable, Any], membership: pd.DataFrame) -> pd.DataFrame:
    """The rows of a unit's schools, of its year and period."""
    mine = membership["parent_level"].eq(unit["level"]) & membership["parent_code"].eq(unit["unit_code"])
    own = rows["unit_code"].isin(membership.loc[mine, "unit_code"])
    return rows[own & rows["academic_year"].eq(unit["academic_year"]) & rows["period"].eq(unit["period"])]


def _schools_of(rows: pd.DataFrame, unit: Mapping[Hashable, Any], membership: pd.DataFrame) -> pd.DataFrame:
    """The rows of a unit's schools, or of the school itself."""
    if unit["level"] != "school":
        return _inside(rows, unit, membership)
    own = rows["unit_code"].eq(unit["unit_code"])
    return rows[own & rows["academic_year"].eq(unit["academic_year"]) & rows["period"].eq(unit["period"])]
