"""Two releases held side by side: what one shows of the other's hidden counts, and counts that moved by few pupils.

Two things an intruder takes for granted. Where every figure shown of everybody in a unit and period stayed the same to
the session, the same pupils are counted, so its hidden groups stayed the same too. And nobody who was counted is taken
away again, so no group loses pupils. The second is a guess (late corrections break it): what contradicts it is judged
by the first alone.

A difference is a breach of its own (`difference`): a count that both releases show and that moved by 1 to T - 1 pupils
is a count of those pupils, and what moved beside it is theirs: their scores, their sessions of a period that is closed,
the group that they are in. Of a period that still runs, what moved for everybody together is told of no one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ingest.registry import Registry
from quality.attacker.breach import Breach, Rule
from quality.attacker.cells import ATTENDANCE, CELL, YEAR_TO_DATE, Cells, Quantity, family_of
from quality.attacker.lines import TERMS
from quality.attacker.release import Prepared, attack_release, breach_of, prepare
from quality.attacker.solver import ContradictionError, Ranges, solve
from quality.attacker.system import Block, System

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def attack_pair(
    tables: Mapping[str, pd.DataFrame],
    parent: Mapping[str, pd.DataFrame],
    registry: Registry,
    tier: str,
    alone: list[Breach],
) -> list[Breach]:
    """What the two releases give away that neither gives away by itself.

    Parameters: `alone`, the breaches of the newer one by itself.
    """
    now, before = prepare(tables, registry, tier), prepare(parent, registry, tier)
    if now is None or before is None:
        return []
    pairs = _common_cells(now.cells, before.cells)
    moved = _differences(now, before, pairs, registry, tier)
    try:
        ranges = _solve_both(now, before, pairs, registry, tier, with_growth=True)
    except ContradictionError:
        ranges = _solve_both(now, before, pairs, registry, tier, with_growth=False)
    offset = len(now.system.low)
    found = _given_away(now, ranges, tier, 0, {(b.table, b.row_key, b.quantity) for b in alone})
    of_parent = _given_away(before, ranges, tier, offset, set())
    if of_parent:
        told = {(b.table, b.row_key, b.quantity) for b in attack_release(parent, registry, tier)}
        found += [b for b in of_parent if (b.table, b.row_key, b.quantity) not in told]
    return [*moved, *found]


def _common_cells(now: Cells, before: Cells) -> pd.DataFrame:
    """Cells that both have: columns CELL, now, before (their numbers in each)."""
    left = now.frame.assign(now=np.arange(len(now.frame)))
    return left.merge(before.frame.assign(before=np.arange(len(before.frame))), on=CELL)


def _known(system: System) -> Floats:
    return np.where(system.low == system.high, system.low, np.nan)


def _given_away(
    prepared: Prepared, ranges: Ranges, tier: str, offset: int, told: set[tuple[str, str, str]]
) -> list[Breach]:
    observed = prepared.observed
    suspects = np.flatnonzero(observed.secret)
    given = observed.rule.of(suspects).given_away(ranges.low[suspects + offset], ranges.high[suspects + offset])
    which = "hidden now" if offset == 0 else "hidden in the release before"
    breaches = [breach_of(prepared, ranges, tier, int(variable), offset) for variable in suspects[given]]
    return [
        replace(breach, kind="between_releases", identities=(which, *breach.identities))
        for breach in breaches
        if (breach.table, breach.row_key, breach.quantity) not in told
    ]


def _solve_both(
    now: Prepared, before: Prepared, pairs: pd.DataFrame, registry: Registry, tier: str, with_growth: bool
) -> Ranges:
    offset = len(now.system.low)

    def label(variable: int) -> str:
        if variable < offset:
            return now.system.label(variable)
        return before.system.label(variable - offset) + " in the release before"

    both = System(
        np.concatenate([now.system.low, before.system.low]),
        np.concatenate([now.system.high, before.system.high]),
        label,
        [
            *now.system.blocks,
            *(
                Block(block.name, block.row, block.variable + offset, block.coefficient, block.low, block.high)
                for block in before.system.blocks
            ),
        ],
        now.system.sources | {variable + offset: why for variable, why in before.system.sources.items()},
    )
    unchanged = _unchanged(now, before, pairs, registry)
    for quantity in now.cells.quantities:
        if quantity not in before.cells.number:
            continue
        newer = now.cells.variables_of(pairs["now"].to_numpy(np.int64), quantity)
        older = before.cells.variables_of(pairs["before"].to_numpy(np.int64), quantity)
        there = (newer >= 0) & (older >= 0)
        same = there & unchanged[quantity.family]
        _link(
            both, "nothing changed for everybody there since the release before", newer[same], older[same] + offset, 0
        )
        if with_growth and quantity.role in ("pupils", "enrolments"):
            more = there & ~same
            _link(
                both,
                "nobody counted in the release before is taken away",
                newer[more],
                older[more] + offset,
                np.inf,
            )
    secret = np.concatenate([now.observed.secret, before.observed.secret])
    limit = np.concatenate([now.observed.rule.limit, before.observed.rule.limit])
    sessions = np.concatenate([now.observed.rule.sessions, before.observed.rule.sessions])
    return solve(both, secret, Rule(limit, sessions))


def _link(system: System, name: str, newer: Integers, older: Integers, at_most: float) -> None:
    """0 <= newer - older <= at_most."""
    row = np.arange(len(newer))
    signs = np.concatenate([np.ones(len(newer)), np.full(len(newer), -1.0)])
    system.add(name, np.concatenate([row, row]), np.concatenate([newer, older]), signs, 0.0, at_most)


def _unchanged(now: Prepared, before: Prepared, pairs: pd.DataFrame, registry: Registry) -> dict[str, Bools]:
    """Per family, the pairs of cells of units and periods of which every shown figure of everybody stayed the same."""
    everybody = pairs["group_dimension"].eq("all").to_numpy(bool)
    unit = pairs.groupby(["academic_year", "period", "level", "unit_code"]).ngroup().to_numpy(np.int64)
    n_units = int(unit.max()) + 1 if len(unit) else 0
    newer_known, older_known = _known(now.system), _known(before.system)
    families = sorted({quantity.family for quantity in now.cells.quantities})
    result: dict[str, Bools] = {}
    for family in families:
        same, told = np.ones(n_units, dtype=bool), np.zeros(n_units, dtype=bool)
        for quantity in now.cells.quantities:
            if quantity.family != family or quantity not in before.cells.number:
                continue
            newer = now.cells.variables_of(pairs["now"].to_numpy(np.int64), quantity)
            older = before.cells.variables_of(pairs["before"].to_numpy(np.int64), quantity)
            there = everybody & (newer >= 0) & (older >= 0)
            values = newer_known[newer[there]], older_known[older[there]]
            both = np.isfinite(values[0]) & np.isfinite(values[1])
            np.logical_and.at(same, unit[there][both], values[0][both] == values[1][both])
            if quantity.role == "sum":
                told[unit[there][both]] = True
        if family != ATTENDANCE:
            # The sum of scores stands in for the sessions: it is the same for the same pupils alone.
            totals = [_totals(one.cells, family) for one in (now, before)]
            newer_total = totals[0].reindex(pairs["now"]).to_numpy(np.float64)
            older_total = totals[1].reindex(pairs["before"]).to_numpy(np.float64)
            shown = everybody & np.isfinite(newer_total) & np.isfinite(older_total)
            np.logical_and.at(same, unit[shown], newer_total[shown] == older_total[shown])
            told[unit[shown]] = True
        result[family] = (same & told)[unit]
    return result


def _totals(cells: Cells, measure: str) -> pd.Series[float]:
    """The numerator of a mean by cell."""
    rows = cells.values[cells.values["measure_id"].eq(measure) & cells.values["numerator"].notna()]
    return rows.groupby("cell")["numerator"].first().astype("float64")


def _differences(now: Prepared, before: Prepared, pairs: pd.DataFrame, registry: Registry, tier: str) -> list[Breach]:
    """Shown counts that moved by few pupils, where what moved beside them is told of those pupils."""
    newer_known, older_known = _known(now.system), _known(before.system)
    closed = _closed(pairs, before.cells)
    group = pairs["group_dimension"].ne("all").to_numpy(bool)
    least = int(registry.data["disclosure"]["minimum_numerator"])
    found: list[Breach] = []
    for quantity in now.cells.quantities:
        if quantity.role not in ("pupils", "with") or quantity not in before.cells.number:
            continue
        newer = now.cells.variables_of(pairs["now"].to_numpy(np.int64), quantity)
        older = before.cells.variables_of(pairs["before"].to_numpy(np.int64), quantity)
        there = (newer >= 0) & (older >= 0)
        moved = np.where(there, newer_known[newer] - older_known[older], 0.0)
        limit = now.observed.rule.limit[newer]
        few = there & (np.abs(moved) >= 1) & (np.abs(moved) < limit)
        if quantity.role == "with":
            pupils = Quantity("pupils", quantity.family)
            counts = (
                newer_known[now.cells.variables_of(pairs["now"].to_numpy(np.int64), pupils)],
                older_known[before.cells.variables_of(pairs["before"].to_numpy(np.int64), pupils)],
            )
            few &= closed & (counts[0] == counts[1])
            why = f"the same number of pupils, of whom fewer than {least} changed sides in a closed period"
        else:
            # Scores come in once; the sessions of a period that still runs move for everybody.
            few &= group | closed | (quantity.family != ATTENDANCE)
            why = "what moved beside it is the difference of two shown rows, and is those few pupils' own"
        for position in np.flatnonzero(few):
            found.append(_difference(now, quantity, pairs, int(position), tier, registry, moved, limit, why))
    return found


def _difference(
    now: Prepared,
    quantity: Quantity,
    pairs: pd.DataFrame,
    position: int,
    tier: str,
    registry: Registry,
    moved: Floats,
    limit: Floats,
    why: str,
) -> Breach:
    rows = now.cells.values
    measures = [str(m["measure_id"]) for m in registry.measures if family_of(m) == quantity.family]
    wanted = [quantity.measure] if quantity.measure else measures
    row = rows[rows["cell"].eq(pairs["now"].iloc[position]) & rows["measure_id"].isin(wanted)].iloc[0]
    change = float(moved[position])
    return Breach(
        "difference",
        tier,
        str(row["table"]),
        str(row["row_key"]),
        quantity.text,
        change,
        change,
        int(limit[position]),
        (why,),
    )


def _closed(pairs: pd.DataFrame, before: Cells) -> Bools:
    """The cells of periods that had ended by the release before: it already had a later week, term or year."""
    years = before.frame.groupby("academic_year")["period"].agg(set)
    last_year = max(years.index) if len(years) else ""
    closed = np.zeros(len(pairs), dtype=bool)
    for rows in pairs.groupby(["academic_year", "period"]).indices.values():
        year, period = str(pairs["academic_year"].iloc[rows[0]]), str(pairs["period"].iloc[rows[0]])
        periods = years.get(year, set())
        later_term = period in TERMS and any(term in periods for term in TERMS[TERMS.index(period) + 1 :])
        later_week = period.startswith("W") and any(week.startswith("W") and week > period for week in periods)
        closed[rows] = year < last_year or (period != YEAR_TO_DATE and (later_term or later_week))
    return closed
