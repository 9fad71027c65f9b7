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
from dataclasses import dataclass, field, replace
from numbers import Number

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ingest.registry import Registry
from quality.attacker.breach import Breach, Rule
from quality.attacker.cells import ATTENDANCE, CELL, YEAR_TO_DATE, Cells, Quantity, family_of
from quality.attacker.identities import at_least
from quality.attacker.lines import CUMULATIVE, TERMS
from quality.attacker.release import Prepared, attack_release, breach_of, prepare
from quality.attacker.solver import ContradictionError, Ranges, solve
from quality.attacker.sound import SoundParts
from quality.attacker.system import Block, System

YEAR, _NO_YEAR = "academic_year", ""
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Together:
    """What two releases tell side by side.

    moved: shown counts that differ by few pupils. given_away: hidden counts; of the newer release, those too that it
    gives away by itself. cleared: academic years of which the newer's hidden counts are safe even so.
    """

    moved: list[Breach] = field(default_factory=list)
    given_away: list[Breach] = field(default_factory=list)
    cleared: frozenset[str] = frozenset()


def attack_pair(
    tables: Mapping[str, pd.DataFrame],
    prepared: Prepared,
    parent: Mapping[str, pd.DataFrame],
    registry: Registry,
    tier: str,
    sound: SoundParts | None = None,
) -> Together:
    """What the two releases give away together.

    Parameters: `prepared`, the tables of the newer one as `prepare` gives them; `sound`, as `solve` takes it.
    """
    moved_years = years_that_differ(tables, parent)
    if not moved_years:
        return Together()
    is_whole = set(prepared.cells.frame[YEAR].astype(str)) <= moved_years
    now = prepared if is_whole else prepare(_of_years(tables, moved_years), registry, tier)
    before = prepare(_of_years(parent, moved_years), registry, tier)
    if now is None or before is None:
        return Together()
    pairs = _common_cells(now.cells, before.cells)
    moved = _differences(now, before, pairs, registry, tier)
    for with_growth in (True, False):
        try:
            solution = _solve_both(now, before, pairs, with_growth, sound)
        except ContradictionError:
            continue
        break
    else:
        # Neither guess holds: an intruder who makes them is misled, and only what moved is left.
        return Together(moved)
    if solution is None:
        return Together(moved)
    ranges, kept = solution
    offset = len(now.system.low)
    found = _given_away(now, np.ones(offset, dtype=bool), ranges, tier, 0)
    of_parent = _given_away(before, kept, ranges, tier, offset)
    if of_parent:
        alone = prepare(parent, registry, tier)
        told_alone = [] if alone is None else attack_release(parent, alone, registry, tier)
        told = {(b.table, b.row_key, b.quantity) for b in told_alone}
        of_parent = [b for b in of_parent if (b.table, b.row_key, b.quantity) not in told]
    return Together(moved, [*found, *of_parent], frozenset() if found else frozenset(moved_years))


def years_that_differ(tables: Mapping[str, pd.DataFrame], parent: Mapping[str, pd.DataFrame]) -> set[str]:
    """The academic years of which the two releases do not show the same rows, in whatever order.

    Nothing ties one year to another, and of a year that is shown twice the second tells nothing.
    """
    differ: set[str] = set()
    years: set[str] = set()
    for name in tables.keys() | parent.keys():
        newer, older = (_hashes_by_year(held.get(name)) for held in (tables, parent))
        years |= newer.keys() | older.keys()
        differ |= {year for year in newer.keys() | older.keys() if newer.get(year) != older.get(year)}
    return years - {_NO_YEAR} if _NO_YEAR in differ else differ


def _hashes_by_year(frame: pd.DataFrame | None) -> dict[str, bytes]:
    """A table without years, such as the schools, is of every year."""
    if frame is None:
        return {}
    plain = pd.DataFrame({name: _plain(frame[name]) for name in sorted(frame.columns)})
    hashes = pd.util.hash_pandas_object(plain, index=False).to_numpy()
    if YEAR not in frame:
        return {_NO_YEAR: np.sort(hashes).tobytes()}
    years = frame[YEAR].astype(str).to_numpy()
    return {year: np.sort(hashes[years == year]).tobytes() for year in np.unique(years)}


def _plain(column: pd.Series) -> pd.Series:
    """Numbers as floats and all else as texts: a file and the warehouse do not give the same types."""
    there = column.dropna()
    if len(there) and isinstance(there.iloc[0], Number) and not isinstance(there.iloc[0], bool):
        return column.astype("float64")
    return column.astype(object).where(column.notna(), None).astype(str)


def _of_years(tables: Mapping[str, pd.DataFrame], years: set[str]) -> dict[str, pd.DataFrame]:
    return {
        name: frame[frame[YEAR].astype(str).isin(years)].reset_index(drop=True) if YEAR in frame else frame
        for name, frame in tables.items()
    }


def _common_cells(now: Cells, before: Cells) -> pd.DataFrame:
    """Cells that both have: columns CELL, now, before (their numbers in each)."""
    left = now.frame.assign(now=np.arange(len(now.frame)))
    return left.merge(before.frame.assign(before=np.arange(len(before.frame))), on=CELL)


def _known(system: System) -> Floats:
    return np.where(system.low == system.high, system.low, np.nan)


def _given_away(prepared: Prepared, judged: Bools, ranges: Ranges, tier: str, offset: int) -> list[Breach]:
    observed = prepared.observed
    suspects = np.flatnonzero(observed.secret & judged)
    given = observed.rule.of(suspects).given_away(ranges.low[suspects + offset], ranges.high[suspects + offset])
    which = "hidden now" if offset == 0 else "hidden in the release before"
    breaches = [breach_of(prepared, ranges, tier, int(variable), offset) for variable in suspects[given]]
    return [replace(breach, kind="between_releases", identities=(which, *breach.identities)) for breach in breaches]


def _solve_both(
    now: Prepared, before: Prepared, pairs: pd.DataFrame, with_growth: bool, sound: SoundParts | None
) -> tuple[Ranges, Bools] | None:
    """The ranges over both systems, the older's variables after the newer's, and which of the older's stay apart.

    A count that did not change is one variable of both, and the older's identities over such counts alone stand
    already. None where the older adds nothing.
    """
    offset = len(now.system.low)

    def label(variable: int) -> str:
        if variable < offset:
            return now.system.label(variable)
        return before.system.label(variable - offset) + " in the release before"

    unchanged = _unchanged(now, before, pairs)
    place = np.arange(offset, offset + len(before.system.low))
    grown: list[tuple[Integers, Integers]] = []
    for quantity in now.cells.quantities:
        if quantity not in before.cells.number:
            continue
        newer = now.cells.variables_of(pairs["now"].to_numpy(np.int64), quantity)
        older = before.cells.variables_of(pairs["before"].to_numpy(np.int64), quantity)
        there = (newer >= 0) & (older >= 0)
        same = there & unchanged[quantity.family]
        place[older[same]] = newer[same]
        if quantity.role in ("pupils", "enrolments"):
            grown.append((newer[there & ~same], older[there & ~same]))
    both = System(
        np.concatenate([now.system.low, before.system.low]),
        np.concatenate([now.system.high, before.system.high]),
        label,
        list(now.system.blocks),
        dict(now.system.sources),
    )
    merged = np.flatnonzero(place < offset)
    narrower = (before.system.low[merged] > both.low[place[merged]]) | (
        before.system.high[merged] < both.high[place[merged]]
    )
    for older_one in merged[narrower].tolist():
        why = ["the release before, since when nothing changed for everybody there"]
        why += before.system.sources.get(older_one, [])
        low, high = float(before.system.low[older_one]), float(before.system.high[older_one])
        both.know(int(place[older_one]), low, high, "; ".join(why))
    apart = place >= offset
    for block in before.system.blocks:
        variables = place[block.variable]
        own = np.bincount(block.row, variables >= offset, len(block.low)) > 0
        mine = own[block.row]
        kept, row = np.unique(block.row[mine], return_inverse=True)
        if len(kept):
            both.blocks.append(
                Block(block.name, row, variables[mine], block.coefficient[mine], block.low[kept], block.high[kept])
            )
    if with_growth:
        for more, less in grown:
            at_least(both, "nobody counted in the release before is taken away", more, place[less])
    if not narrower.any() and len(both.blocks) == len(now.system.blocks):
        return None
    secret = np.concatenate([now.observed.secret, before.observed.secret & apart])
    limit = np.concatenate([now.observed.rule.limit, before.observed.rule.limit])
    sessions = np.concatenate([now.observed.rule.sessions, before.observed.rule.sessions])
    return solve(both, secret, Rule(limit, sessions), sound), apart


def _unchanged(now: Prepared, before: Prepared, pairs: pd.DataFrame) -> dict[str, Bools]:
    """Per family, the pairs of cells of units and periods whose shown figures stayed the same."""
    everybody = pairs["group_dimension"].eq("all").to_numpy(bool)
    unit = pairs.groupby(["academic_year", "period", "level", "unit_code"]).ngroup().to_numpy(np.int64)
    in_unit = ["academic_year", "period", "level", "unit_code"]
    dimension = pairs.groupby([*in_unit, "group_definition", "group_dimension"]).ngroup().to_numpy(np.int64)
    n_units, n_dimensions = (int(number.max()) + 1 if len(number) else 0 for number in (unit, dimension))
    newer_known, older_known = _known(now.system), _known(before.system)
    families = sorted({quantity.family for quantity in now.cells.quantities})
    result: dict[str, Bools] = {}
    for family in families:
        same, told = np.ones(n_units, dtype=bool), np.zeros(n_units, dtype=bool)
        same_groups = np.ones(n_dimensions, dtype=bool)
        for quantity in now.cells.quantities:
            if quantity.family != family or quantity not in before.cells.number:
                continue
            newer = now.cells.variables_of(pairs["now"].to_numpy(np.int64), quantity)
            older = before.cells.variables_of(pairs["before"].to_numpy(np.int64), quantity)
            values = newer_known[newer], older_known[older]
            shown = (newer >= 0) & (older >= 0) & np.isfinite(values[0]) & np.isfinite(values[1])
            equal = values[0] == values[1]
            # Who changes groups leaves everybody's figures as they are: the groups that are shown must stay too.
            np.logical_and.at(same_groups, dimension[shown], equal[shown])
            shown &= everybody
            np.logical_and.at(same, unit[shown], equal[shown])
            if quantity.role == "sum":
                told[unit[shown]] = True
        if family != ATTENDANCE:
            # The sum of scores stands in for the sessions: it is the same for the same pupils alone.
            totals = [_totals(one.cells, family) for one in (now, before)]
            newer_total = totals[0].reindex(pairs["now"]).to_numpy(np.float64)
            older_total = totals[1].reindex(pairs["before"]).to_numpy(np.float64)
            shown = everybody & np.isfinite(newer_total) & np.isfinite(older_total)
            np.logical_and.at(same, unit[shown], newer_total[shown] == older_total[shown])
            told[unit[shown]] = True
        result[family] = (same & told)[unit] & same_groups[dimension]
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
        rows, cells = _first_rows(now, quantity, registry), pairs["now"].to_numpy(np.int64)
        for position in np.flatnonzero(few).tolist():
            table, row_key = rows[int(cells[position])]
            change, few_pupils = float(moved[position]), int(limit[position])
            found.append(Breach("difference", tier, table, row_key, quantity.text, change, change, few_pupils, (why,)))
    return found


def _first_rows(now: Prepared, quantity: Quantity, registry: Registry) -> dict[int, tuple[str, str]]:
    """Per cell the table and key of the first row that tells a quantity."""
    measures = [str(m["measure_id"]) for m in registry.measures if family_of(m) == quantity.family]
    wanted = [quantity.measure] if quantity.measure else measures
    rows = now.cells.values[now.cells.values["measure_id"].isin(wanted)].drop_duplicates("cell")
    told = zip(rows["table"].astype(str), rows["row_key"].astype(str), strict=True)
    return dict(zip(rows["cell"].to_numpy(np.int64).tolist(), told, strict=True))


def _closed(pairs: pd.DataFrame, before: Cells) -> Bools:
    """The cells of periods that had ended by the release before: it already had a later week, term or year."""
    years = before.frame.groupby("academic_year")["period"].agg(set)
    last_year = max(years.index) if len(years) else ""
    closed = np.zeros(len(pairs), dtype=bool)
    for rows in pairs.groupby(["academic_year", "period"]).indices.values():
        year, period = str(pairs["academic_year"].iloc[rows[0]]), str(pairs["period"].iloc[rows[0]])
        periods = years.get(year, set())
        later_term = period in TERMS and any(term in periods for term in TERMS[TERMS.index(period) + 1 :])
        later = any(
            period.startswith(sort) and any(other.startswith(sort) and other > period for other in periods)
            for sort in ("W", "HT")
        )
        is_over = period in CUMULATIVE and period in periods
        closed[rows] = year < last_year or (period != YEAR_TO_DATE and (later_term or later or is_over))
    return closed
