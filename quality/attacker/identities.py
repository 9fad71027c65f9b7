"""Every identity that ties the counts of a tier together, as a linear system."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ingest.registry import Registry
from quality.attacker.breach import Breach
from quality.attacker.cells import (
    ATTENDANCE,
    TABLE_KEYS,
    Cells,
    Quantity,
    family_of,
    numbers,
    row_keys,
    tables_of,
    urn_of_school,
)
from quality.attacker.feeds import by_both_feeds
from quality.attacker.lines import (
    Lines,
    group_lines,
    members,
    nested_periods,
    period_lines,
    renamed_lines,
    told_by_totals,
    unit_lines,
)
from quality.attacker.observed import Observed
from quality.attacker.system import Block, System

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

_ENOUGH_TO_GENERALISE = 20
# What is known by definition: part, part, whole (DfE, Working together to improve school attendance).
_DEFINED_SUMS = (("authorised", "unauthorised", "absent"), ("absent", "attended", "possible"))


def build_system(
    cells: Cells, observed: Observed, tables: Mapping[str, pd.DataFrame], registry: Registry, tier: str
) -> tuple[System, list[Breach]]:
    """The system of a tier, and the contradictions that what is shown holds."""
    system = System(observed.low.copy(), observed.high.copy(), cells.label)
    known = np.where(observed.low == observed.high, observed.low, np.nan)
    sessions = _sessions(registry)
    by_totals = told_by_totals(tables)
    nested = nested_periods(cells, known, sessions, by_totals)
    membership = members(tables)
    add_up = [
        *group_lines(cells),
        *unit_lines(cells, membership),
        *renamed_lines(cells, by_totals),
        *period_lines(cells, nested, by_totals),
    ]
    for quantity in cells.quantities:
        for lines in add_up:
            if _adds_up(quantity, lines):
                _add_lines(system, cells, quantity, lines)
    _add_counts_of_pupils(system, cells, add_up, nested)
    _add_traits(system, cells, registry)
    _add_sessions(system, cells, registry, nested, sessions)
    _add_sums_of_columns(system, cells, known)
    _add_coverage(system, cells, tables, registry, sessions)
    _add_model(system, cells, tables)
    return system, _drop_contradictions(system, cells, tier)


def _sessions(registry: Registry) -> Quantity | None:
    """The possible sessions, which every rate of attendance divides by."""
    for measure in registry.measures:
        if measure["source_model"] == ATTENDANCE and measure["kind"] == "ratio":
            return Quantity("sum", ATTENDANCE, column=str(measure["denominator"]))
    return None


def _adds_up(quantity: Quantity, lines: Lines) -> bool:
    if lines.name.startswith("the schools"):
        return quantity.role != "pupils"
    # Pupils and their traits do not add up over periods: who is there in two terms is one pupil of the year.
    return lines.by_definition or quantity.role == "sum"


def _add_lines(system: System, cells: Cells, quantity: Quantity, lines: Lines) -> None:
    part, total = cells.variables_of(lines.part, quantity), cells.variables_of(lines.total, quantity)
    there = (part >= 0) & (total >= 0)
    if quantity.role == "pupils":
        # At a school pupils and enrolments are one count: its sums stand already.
        there &= total != cells.variables_of(lines.total, Quantity("enrolments", quantity.family))
    line, part, total = lines.line[there], part[there], total[there]
    if not len(line):
        return
    first = np.unique(line, return_index=True)[1]
    system.add(
        lines.name,
        np.concatenate([line, line[first]]),
        np.concatenate([part, total[first]]),
        np.concatenate([np.full(len(line), -1.0), np.ones(len(first))]),
        0.0,
        0.0,
    )


def at_least(system: System, name: str, more: Integers, less: Integers) -> None:
    """more >= less, pair by pair."""
    there = (more >= 0) & (less >= 0) & (more != less)
    more, less = more[there], less[there]
    row = np.arange(len(more))
    signs = np.concatenate([np.ones(len(more)), np.full(len(more), -1.0)])
    system.add(name, np.concatenate([row, row]), np.concatenate([more, less]), signs, 0.0, np.inf)


def _add_counts_of_pupils(system: System, cells: Cells, add_up: list[Lines], nested: pd.DataFrame) -> None:
    every = np.arange(len(cells.frame))
    for quantity in cells.quantities:
        if quantity.role not in ("pupils", "enrolments"):
            continue
        if quantity.role == "pupils":
            enrolments = cells.variables_of(every, Quantity("enrolments", quantity.family))
            pupils = cells.variables_of(every, quantity)
            at_least(system, "enrolments are at least as many as pupils", enrolments, pupils)
            for lines in add_up:
                if lines.name.startswith("the schools"):
                    at_least(
                        system,
                        "a unit has at least the pupils of each of its schools",
                        cells.variables_of(lines.total, quantity),
                        cells.variables_of(lines.part, quantity),
                    )
        for lines in add_up:
            if not lines.by_definition and quantity.family == ATTENDANCE:
                part, total = cells.variables_of(lines.part, quantity), cells.variables_of(lines.total, quantity)
                at_least(system, "a period has at least the pupils of each part of it", total, part)
                there = (part >= 0) & (total >= 0)
                line, part, total = lines.line[there], part[there], total[there]
                if len(line):
                    first = np.unique(line, return_index=True)[1]
                    system.add(
                        "a period has at most the pupils of its parts together",
                        np.concatenate([line, line[first]]),
                        np.concatenate([part, total[first]]),
                        np.concatenate([np.ones(len(line)), np.full(len(first), -1.0)]),
                        0.0,
                        np.inf,
                    )


def _add_traits(system: System, cells: Cells, registry: Registry) -> None:
    every = np.arange(len(cells.frame))
    bounded: list[tuple[float, tuple[str, str], Quantity]] = []
    for measure in registry.measures:
        if measure["kind"] != "proportion":
            continue
        family, name = family_of(measure), str(measure["measure_id"])
        with_, without = Quantity("with", family, name), Quantity("without", family, name)
        terms = [cells.variables_of(every, quantity) for quantity in (with_, without, Quantity("enrolments", family))]
        there = np.logical_and.reduce([term >= 0 for term in terms])
        row = np.flatnonzero(there)
        system.add(
            "with and without the trait are everybody",
            np.tile(row, 3),
            np.concatenate([term[there] for term in terms]),
            np.repeat([1.0, 1.0, -1.0], len(row)),
            0.0,
            0.0,
        )
        boundary: dict[str, Any] = measure.get("boundary") or {}
        if not boundary:
            continue
        ends = (str(boundary["numerator"]), str(boundary["denominator"]))
        missed = Quantity("sum", family, column=ends[0])
        share = float(boundary["percent"]) / 100
        for _, _, other in (found for found in bounded if found[1] == ends and found[0] < share):
            at_least(
                system,
                f"who counts in {name} counts in {other.measure}",
                cells.variables_of(every, other),
                cells.variables_of(every, with_),
            )
        bounded.append((share, ends, with_))
        if share > 0:
            # Who is at or over the boundary missed at least one session.
            at_least(
                system,
                f"each pupil with {name} missed a session",
                cells.variables_of(every, missed),
                cells.variables_of(every, with_),
            )


def _add_sessions(
    system: System, cells: Cells, registry: Registry, nested: pd.DataFrame, sessions: Quantity | None
) -> None:
    if sessions is None or sessions not in cells.number:
        return
    every = np.arange(len(cells.frame))
    enrolments = cells.variables_of(every, Quantity("enrolments", ATTENDANCE))
    possible = cells.variables_of(every, sessions)
    at_least(system, "each enrolment has a possible session", possible, enrolments)
    for quantity in cells.quantities:
        if quantity.role == "sum" and quantity != sessions and quantity.family == ATTENDANCE:
            at_least(
                system,
                "sessions of any sort are possible sessions",
                possible,
                cells.variables_of(every, quantity),
            )
    weeks = nested[nested["sort"].eq("weeks")].groupby(["academic_year", "whole"]).size()
    of_week, most_weeks = (float(registry.data["school_year"][name]) for name in ("sessions_per_week", "weeks"))
    at_most = np.full(len(every), of_week)
    for (year, period), rows in cells.frame.groupby(["academic_year", "period"]):
        if not str(period).startswith("W"):
            at_most[rows.index.to_numpy(np.int64)] *= weeks.get((year, period), most_weeks)
    there = (enrolments >= 0) & (possible >= 0)
    row = np.flatnonzero(there)
    system.add(
        "an enrolment has at most ten sessions a week",
        np.concatenate([row, row]),
        np.concatenate([enrolments[there], possible[there]]),
        np.concatenate([at_most[there], np.full(len(row), -1.0)]),
        0.0,
        np.inf,
    )


def _add_sums_of_columns(system: System, cells: Cells, known: Floats) -> None:
    """Sums of session counts: those defined, and those that hold in every cell that shows them.

    Where a column shows nothing but 0, sums hold that are not so: of a small trust in which nobody was absent without
    leave, absent + unauthorised = authorised and attended + authorised = possible.
    """
    every = np.arange(len(cells.frame))
    columns = [quantity for quantity in cells.quantities if quantity.role == "sum"]
    variables = {quantity: cells.variables_of(every, quantity) for quantity in columns}
    for total in columns:
        for first, second in combinations([quantity for quantity in columns if quantity != total], 2):
            terms = [variables[quantity] for quantity in (first, second, total)]
            there = np.logical_and.reduce([term >= 0 for term in terms])
            values = [known[term[there]] for term in terms]
            difference = values[0] + values[1] - values[2]
            shown = np.isfinite(difference)
            defined = (*sorted((first.column, second.column)), total.column) in _DEFINED_SUMS
            holds = not np.any(difference[shown] != 0)
            told = (
                shown.sum() >= _ENOUGH_TO_GENERALISE
                and all(np.any(part[shown]) for part in values[:2])
                and total.column not in {whole for *_, whole in _DEFINED_SUMS}
            )
            if not (holds and (defined or told) and there.any()):
                continue
            row = np.flatnonzero(there)
            system.add(
                f"{first.text} + {second.text} = {total.text}",
                np.tile(row, 3),
                np.concatenate([term[there] for term in terms]),
                np.repeat([1.0, 1.0, -1.0], len(row)),
                0.0,
                0.0,
            )


def _add_coverage(
    system: System,
    cells: Cells,
    tables: Mapping[str, pd.DataFrame],
    registry: Registry,
    sessions: Quantity | None,
) -> None:
    """Results received are the pupils with a score in each measure of attainment; marks received, possible sessions."""
    urns = urn_of_school(tables)
    scores = [Quantity("enrolments", family_of(m)) for m in registry.measures if m["source_model"] == "attainment"]
    for name, table in tables_of(tables, "coverage"):
        coverage = by_both_feeds(table)
        received = numbers(coverage, "received")
        shown = np.isfinite(received)
        rows = coverage[shown]
        received = received[shown]
        cell = cells.find(
            pd.DataFrame(
                {
                    "academic_year": rows["academic_year"],
                    "period": rows["period"],
                    "level": "school",
                    "unit_code": [urns.get(str(key), str(key)) for key in rows["school_key"]],
                    "group_definition": "all",
                    "group_dimension": "all",
                    "group_value": "all",
                }
            )
        )
        results = (rows["feed"].eq("assessment_results").to_numpy(bool)) & (cell >= 0)
        variables = [cells.variables_of(cell[results], quantity) for quantity in scores]
        if variables and results.any():
            row = np.arange(int(results.sum()))
            system.add(
                f"{name}: results received are the pupils with a score",
                np.tile(row, len(variables)),
                np.concatenate(variables),
                np.ones(len(row) * len(variables)),
                received[results],
                received[results],
            )
        marks = rows["feed"].eq("session_marks").to_numpy(bool) & (cell >= 0)
        if sessions is not None and marks.any():
            system.add(
                f"{name}: possible sessions are among the marks received",
                np.arange(int(marks.sum())),
                cells.variables_of(cell[marks], sessions),
                np.ones(int(marks.sum())),
                0.0,
                received[marks],
            )


def _add_model(system: System, cells: Cells, tables: Mapping[str, pd.DataFrame]) -> None:
    """The pupils of a model are those of its schools."""
    of_schools = cells.values[cells.values["row_key"].isin(_progress_keys(tables))]
    for name, models in tables_of(tables, "progress_model"):
        for model, pupils in zip(models.to_dict("records"), numbers(models, "n_pupils"), strict=True):
            # A model that could not be fitted tells how many it was tried on; no school counts them.
            if np.isfinite(pupils) and model["status"] == "ok":
                rows = of_schools[
                    of_schools["academic_year"].eq(str(model["academic_year"]))
                    & of_schools["measure_id"].eq(str(model["measure_id"]))
                ]
                cell = np.unique(rows["cell"].to_numpy(np.int64))
                variables = cells.variables_of(cell, Quantity("enrolments", str(model["measure_id"])))
                system.add(
                    f"{name}: the model's pupils are those of its schools",
                    np.zeros(len(cell), dtype=np.int64),
                    variables,
                    np.ones(len(cell)),
                    pupils,
                    pupils,
                )


def _progress_keys(tables: Mapping[str, pd.DataFrame]) -> set[str]:
    return {
        key
        for _, frame in tables_of(tables, "progress_school")
        for key in row_keys(frame, TABLE_KEYS["progress_school"])
    }


def _drop_contradictions(system: System, cells: Cells, tier: str) -> list[Breach]:
    """Takes out rows that what is shown contradicts, and names those that ought to hold.

    Sums over periods are found rather than defined: one that no shown row bears out is no identity at all.
    """
    known = system.low == system.high
    breaches: list[Breach] = []
    kept: list[Block] = []
    for block in system.blocks:
        unknown = np.bincount(block.row, ~known[block.variable], len(block.low)) > 0
        amount = np.where(known[block.variable], system.low[block.variable], 0.0)
        total = np.bincount(block.row, block.coefficient * amount, len(block.low))
        wrong = ~unknown & ((total < block.low - 1e-6) | (total > block.high + 1e-6))
        if wrong.any():
            if block.name.startswith(("the terms", "the weeks")) and wrong.sum() == (~unknown).sum():
                continue
            for row in np.flatnonzero(wrong):
                terms = np.flatnonzero(block.row == row)
                variable = int(block.variable[terms[-1]])
                cell = int(np.nonzero(cells.variable == variable)[0][0])
                of_cell = cells.values[cells.values["cell"].eq(cell)].iloc[0]
                breaches.append(
                    Breach(
                        "contradiction",
                        tier,
                        str(of_cell["table"]),
                        str(of_cell["row_key"]),
                        cells.quantity_of(variable).text,
                        float(system.low[variable]),
                        float(system.high[variable]),
                        0,
                        (f"{block.name}: {cells.label(variable)}",),
                    )
                )
            good = ~wrong[block.row]
            renumber = np.cumsum(~wrong) - 1
            block = Block(
                block.name,
                renumber[block.row[good]],
                block.variable[good],
                block.coefficient[good],
                block.low[~wrong],
                block.high[~wrong],
            )
        kept.append(block)
    system.blocks[:] = kept
    return breaches
