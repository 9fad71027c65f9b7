"""What has to be protected at a tier, as decisions, sums and ranges: counts of pupils, and numerators of shares.

An empty group is public: it has no row, or a row that says 0. A numerator of nobody (0 %) is not: it may be hidden to
cover others, and is then protected like them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.sparse import block_diag, csr_matrix, eye, hstack, vstack
from scipy.sparse.csgraph import connected_components

from ingest.registry import Registry
from quality.disclosure.audit import System, bounded
from quality.disclosure.cells import CELL, PROPORTION, RATIO, WHOLE_YEARS, Marts, minimum_pupils, subset_measures
from quality.disclosure.lines import (
    GROUPS,
    MODEL,
    PERIODS,
    SCHOOLS,
    Bools,
    Floats,
    Integers,
    Lines,
    additive_lines,
    broken_sums,
    refuse_contradictions,
    sort_of_period,
)
from quality.disclosure.secondary import Problem, View

_ROOM = 4.0  # times the minimum: no amount need be able to move further than this for its range to be wide enough
_MOST_MOVED = 100.0  # sessions: no more need be possible than the widest range that is asked for
_TIE_BREAK = 1e-3


@dataclass(frozen=True)
class Stage:
    """Cells of one year that are decided together, whatever the tier.

    name: for people. rows: positions in the counted rows; cell_of_row: the cell of each. cells: family and CELL.
    decision: of each cell; cells that are always equal share one. lines: their sums; sums: those of one time, as a
    matrix; over_time: all of them, in pupils by their sessions. orders: relations x cells, each at least 0.
    most_sessions: that one pupil can have in the period of each cell. loss: of hiding each cell, weighted.
    is_total_of_groups: per cell.
    """

    name: str
    rows: Integers
    cell_of_row: Integers
    cells: pd.DataFrame
    n: Floats
    decision: Integers
    lines: Lines
    sums: csr_matrix
    over_time: csr_matrix
    orders: csr_matrix
    most_sessions: Floats
    loss: Floats
    is_total_of_groups: Bools

    @property
    def decisions(self) -> int:
        return int(self.decision.max(initial=-1)) + 1

    @property
    def cost(self) -> Floats:
        """Per decision the loss of hiding all its cells."""
        movable = self.decision >= 0
        return np.bincount(self.decision[movable], self.loss[movable], self.decisions).astype(np.float64)

    @property
    def totals(self) -> Bools:
        """Per decision: whether it hides a total of groups."""
        found = np.zeros(self.decisions, dtype=bool)
        found[self.decision[(self.decision >= 0) & self.is_total_of_groups]] = True
        return found

    def showing(self, flags: Bools) -> Stage:
        """The stage in which the cells of the flagged rows (per row of the stage) are shown whatever is decided."""
        decision = np.where(self.cells_of_rows(flags), -1, self.decision)
        movable = decision >= 0
        # Numbered afresh in their order, so that every number stands for a decision.
        decision[movable] = np.unique(decision[movable], return_inverse=True)[1]
        return replace(self, decision=decision)

    def of_rows(self, flags: Bools) -> Bools:
        """Per decision: whether any of its rows is flagged (flags: per row of the stage)."""
        return self.of_cells(self.cells_of_rows(flags))

    def cells_of_rows(self, flags: Bools) -> Bools:
        """Per cell: whether any of its rows is flagged."""
        found = np.zeros(len(self.cells), dtype=bool)
        found[self.cell_of_row[flags]] = True
        return found

    def of_cells(self, flags: Bools) -> Bools:
        """Per decision: whether any of its cells is flagged."""
        found = np.zeros(self.decisions, dtype=bool)
        hit = self.decision[flags]
        found[hit[hit >= 0]] = True
        return found

    def to_rows(self, hidden: Bools) -> Bools:
        """Per row of the stage: whether its decision is to hide."""
        return np.asarray(self.to_cells(hidden)[self.cell_of_row])

    def to_cells(self, hidden: Bools) -> Bools:
        """Per cell: whether its decision is to hide."""
        return np.asarray((self.decision >= 0) & hidden[np.maximum(self.decision, 0)])


@dataclass(frozen=True)
class Counted:
    """Counts of pupils of a year as they were decided: their stage, their amounts, and whether each cell is hidden.

    freed: per cell, whether its sessions are hidden because they bound a share.
    """

    stage: Stage
    amounts: System
    hidden: Bools
    freed: Bools


def year_of(stage: Stage, rows: pd.DataFrame) -> str:
    """The academic year whose cells a stage decides."""
    return str(rows["academic_year"].iat[stage.rows[0]])


def count_stages(rows: pd.DataFrame, marts: Marts, registry: Registry) -> list[Stage]:
    """Counts of pupils, per academic year: every measure that counts the same pupils is one family.

    Raises `ValueError` for totals that contradict their parts.
    """
    stages, disclosure = [], registry.data["disclosure"]
    for year, positions in _by_year(rows, np.ones(len(rows), dtype=bool)):
        mine = rows.iloc[positions]
        cells, cell_of_row = _cells(mine, mine["family"])
        # Pupils of a unit are distinct; enrolments, which the denominators count, are what adds up over schools.
        counts_pupils = mine["kind"].ne(RATIO).to_numpy() & mine["denominator"].notna().to_numpy()
        exact = np.zeros(len(cells), dtype=bool)
        exact[cell_of_row[counts_pupils]] = True
        n = np.zeros(len(cells))
        np.maximum.at(n, cell_of_row, mine["n"].to_numpy(np.float64))
        summed = n.copy()
        enrolments = np.round(mine["denominator"].to_numpy(np.float64)[counts_pupils])
        np.maximum.at(summed, cell_of_row[counts_pupils], enrolments)
        over_time = sorted(set(mine.loc[mine["kind"].eq(RATIO), "family"]))
        nests = _nests(marts.periods, year, over_time)
        by_totals = marts.by_totals[marts.by_totals["academic_year"].astype(str).eq(year)]
        lines = additive_lines(cells, marts.schools, nests, _renamed(marts, year), by_totals)
        refuse_contradictions(cells, summed, exact, lines)
        sessions = _sessions(mine, cells, cell_of_row, n)
        orders = [
            *_within_whole(cells, nests, broken_sums(by_totals)),
            *_within_measure(cells, subset_measures(registry), mine),
        ]
        decision = _decisions(n, summed, lines, int(disclosure["dominance_schools"]))
        if decision.max(initial=-1) >= int(disclosure["programme"]["choices"]):
            decision = _of_a_school(cells, decision, orders)
        name = f"{year} counts of pupils"
        at_most = _most_sessions(cells, nests, registry)
        stages.append(
            _stage(name, positions, cell_of_row, cells, n, decision, lines, orders, sessions, at_most, registry)
        )
    return stages


def share_stages(rows: pd.DataFrame, marts: Marts, registry: Registry) -> list[Stage]:
    """Numerators of proportions, per academic year. Raises `ValueError` for totals that contradict their parts."""
    stages = []
    of_shares = rows["kind"].eq(PROPORTION).to_numpy() & rows["table_name"].eq("measure_value").to_numpy()
    of_shares &= rows["numerator"].notna().to_numpy() & rows["denominator"].notna().to_numpy()
    for year, positions in _by_year(rows, of_shares):
        mine = rows.iloc[positions]
        cells, cell_of_row = _cells(mine, mine["measure_id"])
        n, ones = np.zeros(len(cells)), np.zeros(len(cells))
        np.maximum.at(n, cell_of_row, mine["denominator"].to_numpy(np.float64))
        np.maximum.at(ones, cell_of_row, mine["numerator"].to_numpy(np.float64))
        lines = additive_lines(cells, marts.schools, _nests(marts.periods, year, []), _renamed(marts, year))
        refuse_contradictions(cells, ones, np.ones(len(cells), dtype=bool), lines)
        orders = _within_measure(cells, subset_measures(registry), mine.assign(family=mine["measure_id"]))
        stages.append(
            _stage(
                f"{year} numerators of shares",
                positions,
                cell_of_row,
                cells,
                n,
                _decisions(n, n, lines, int(registry.data["disclosure"]["dominance_schools"])),
                lines,
                orders,
                np.ones(len(cells)),
                np.zeros(len(cells)),
                registry,
            )
        )
    return stages


def count_problem(stage: Stage, rows: pd.DataFrame, registry: Registry, tier: str, forced: Bools) -> Problem:
    """The counts to protect. forced: per row of the stage, hidden already."""
    threshold = _of_cells(stage, rows, minimum_pupils(registry, tier))
    n, few = stage.n, (stage.n > 0) & (stage.n < threshold)
    room = _ROOM * float(threshold.max(initial=1.0))
    counts = System(
        name=stage.name,
        down=np.minimum(np.maximum(n - 1.0, 0.0), room),
        up=np.where(n > 0, room, 0.0),
        need_down=np.where(few, n - 1.0, 0.0),
        need_up=np.where(few, threshold - 1.0 - n, 0.0),
        need_width=np.where(few | (n == 0), 0.0, threshold - 1.0),
        need_wide=np.where(few, threshold - 1.0, 0.0),
        sums=stage.sums,
        orders=stage.orders,
        slack=np.maximum(stage.orders @ n, 0.0),
    )
    views = [View(bounded(counts), stage.decision)]
    if (stage.lines.kind == PERIODS).any():
        # Sessions possible give pupils away as well, and they also add up over time.
        none = csr_matrix((0, len(n)))
        by_sessions = replace(
            counts, name=f"{stage.name} by sessions", sums=stage.over_time, orders=none, slack=np.zeros(0)
        )
        views.append(View(bounded(by_sessions), stage.decision))
        views.append(_with_their_sessions(stage, rows, counts, threshold))
    views += _amounts_of_ratios(stage, rows, threshold)
    return _problem(stage, stage.of_rows(forced), views)


def amount_stage(counts: Stage, rows: pd.DataFrame) -> Stage:
    """The sessions of the cells whose pupils a stage counts: rows of ratios, hidden where their numbers need not be."""
    own = rows["kind"].eq(RATIO).to_numpy()[counts.rows]
    return replace(
        counts,
        name=f"{year_of(counts, rows)} sessions",
        rows=counts.rows[own],
        cell_of_row=counts.cell_of_row[own],
    )


def amount_problem(
    stage: Stage, rows: pd.DataFrame, registry: Registry, tier: str, forced: Bools, numbers: Bools, bounding: Bools
) -> Problem:
    """The sessions to protect. Per decision: forced, hidden already; numbers, whether its pupils are hidden with them;
    bounding, whether they bound a hidden share, so that as many must be possible as pupils the share may be thought to
    have. Where the number of pupils is shown, sessions by themselves tell of no one pupil: not to be exact is enough.
    """
    most = float(registry.data["disclosure"]["minimum_numerator"]) - 1.0
    threshold = np.where(stage.to_cells(numbers), _of_cells(stage, rows, minimum_pupils(registry, tier)), 0.0)
    possible = np.where(stage.to_cells(bounding), most, 0.0)
    return _problem(stage, forced | numbers, _amounts_of_ratios(stage, rows, threshold, possible))


def share_problem(
    stage: Stage, rows: pd.DataFrame, registry: Registry, tier: str, forced: Bools, counted: Counted
) -> Problem:
    """The numerators to protect. forced: per row of the stage, hidden already. counted: of the same year."""
    threshold = _of_cells(stage, rows, minimum_pupils(registry, tier))
    least = float(registry.data["disclosure"]["minimum_numerator"])
    mine = rows.iloc[stage.rows]
    ones = np.zeros(len(stage.cells))
    ones[stage.cell_of_row] = mine["numerator"].to_numpy(np.float64)
    number = _numbers_of(stage, rows, counted)
    unknown = (number >= 0) & counted.hidden[np.maximum(number, 0)]
    # Where the number of pupils is hidden, a numerator may be thought as large as that number may be.
    most = np.where(unknown, np.maximum(stage.n, threshold - 1.0), stage.n)
    others = stage.n - ones
    small, nearly_all = (ones >= 1) & (ones < least), (others >= 1) & (others < least)
    # Nobody passes a boundary without a session of what it bounds: 100 % attendance says that nobody was absent often.
    bounding = np.full(len(stage.cells), np.inf)
    bounding[stage.cell_of_row] = mine["bounding"].to_numpy(np.float64)
    freed = (number >= 0) & counted.freed[np.maximum(number, 0)]
    bounding = np.where(freed, np.maximum(bounding, least - 1.0), bounding)
    up, down = np.maximum(np.minimum(most, bounding) - ones, 0.0), ones
    system = System(
        name=stage.name,
        down=down,
        up=up,
        need_down=np.minimum(
            down, np.maximum(np.where(small, ones - 1.0, 0.0), np.where(nearly_all, least - 1 - others, 0))
        ),
        need_up=np.minimum(
            up, np.maximum(np.where(small, least - 1.0 - ones, 0.0), np.where(nearly_all, others - 1.0, 0))
        ),
        need_width=np.where(stage.n > 0, np.minimum(np.where(small | nearly_all, 1.0, least - 1.0), up + down), 0.0),
        need_wide=np.zeros(len(ones)),
        sums=stage.sums,
        orders=stage.orders,
        slack=np.maximum(stage.orders @ ones, 0.0),
    )
    views = [View(bounded(system), stage.decision)]
    if unknown.any():
        views.append(_with_their_numbers(stage, system, np.where(unknown, number, -1), others, least, counted))
    return _problem(stage, stage.of_rows(forced), views)


def _numbers_of(stage: Stage, rows: pd.DataFrame, counted: Counted) -> Integers:
    """Per cell of shares the cell that counts its pupils; -1 where none does."""
    mine = rows.iloc[stage.rows]
    family_of = dict(zip(mine["measure_id"], mine["family"], strict=True))
    place = {key: i for i, key in enumerate(counted.stage.cells[["family", *CELL]].itertuples(index=False, name=None))}
    keys = stage.cells[["family", *CELL]].itertuples(index=False, name=None)
    return np.array([place.get((family_of[key[0]], *key[1:]), -1) for key in keys], dtype=np.int64)


def _with_their_numbers(
    stage: Stage, system: System, number: Integers, others: Floats, least: float, counted: Counted
) -> View:
    """Those with a trait, those without it and all of them, where the number of all is hidden too.

    Each of the three adds up by itself, so together they may tell more than each does: sums of those with the trait
    that are shown bound the numbers from below, and the numbers bound those with the trait from above.
    number: per cell the cell of its hidden number, -1 where it is shown. others: those without the trait.
    """
    size, linked = len(number), np.flatnonzero(number >= 0)
    numbers, column = np.unique(number[linked], return_inverse=True)
    tied = np.zeros(len(counted.hidden), dtype=bool)
    tied[numbers] = True
    of_numbers = {
        name: _among(getattr(counted.amounts, name), tied, counted.hidden)[:, numbers] for name in ("sums", "orders")
    }
    slack = counted.amounts.slack[np.diff(of_numbers["orders"].indptr) > 0]
    count = len(linked)
    # With + without - all = 0 of every cell whose number is hidden.
    whole = csr_matrix((-np.ones(count), (np.arange(count), column)), shape=(count, len(numbers)))
    link = hstack([eye(size, format="csr")[linked], eye(count, format="csr"), whole])
    nobody = csr_matrix((0, count))
    sums = vstack([block_diag([stage.sums, nobody, _filled(of_numbers["sums"])]), link]).tocsr()
    orders = block_diag([stage.orders, nobody, _filled(of_numbers["orders"])]).tocsr()
    without, room = others[linked], counted.amounts.up[numbers][column]
    few = (without >= 1) & (without < least)
    up = system.up.copy()
    up[linked] = np.minimum(up[linked], without + room)
    joint = System(
        name=f"{stage.name} with their numbers",
        down=np.concatenate([system.down, without, counted.amounts.down[numbers]]),
        up=np.concatenate([up, system.down[linked] + room, counted.amounts.up[numbers]]),
        need_down=np.concatenate(
            [system.need_down, np.where(few, without - 1.0, 0.0), counted.amounts.need_down[numbers]]
        ),
        need_up=np.concatenate(
            [system.need_up, np.where(few, least - 1.0 - without, 0.0), counted.amounts.need_up[numbers]]
        ),
        need_width=np.concatenate(
            [system.need_width, np.where(few, 1.0, least - 1.0), counted.amounts.need_width[numbers]]
        ),
        need_wide=np.concatenate([system.need_wide, np.zeros(count), counted.amounts.need_wide[numbers]]),
        sums=sums,
        orders=orders,
        slack=np.concatenate([system.slack, slack]),
    )
    of_number = np.full(len(numbers), -1, dtype=np.int64)
    of_number[column] = stage.decision[linked]
    return View(bounded(joint), np.concatenate([stage.decision, stage.decision[linked], of_number]), last=True)


def _among(relations: csr_matrix, chosen: Bools, hidden: Bools) -> csr_matrix:
    """The relations whose hidden cells are all among the chosen; the others without entries."""
    entries = abs(relations).sign()
    whole = (entries @ chosen.astype(float) == entries @ hidden.astype(float)) & (entries @ chosen.astype(float) > 0)
    kept: csr_matrix = relations.multiply(whole[:, None].astype(float)).tocsr()
    kept.eliminate_zeros()
    return kept


def _filled(relations: csr_matrix) -> csr_matrix:
    """Only the relations that have entries."""
    return relations[np.diff(relations.indptr) > 0]


def _by_year(rows: pd.DataFrame, chosen: Bools) -> list[tuple[str, Integers]]:
    years = rows["academic_year"].to_numpy()
    return [(str(year), np.flatnonzero(chosen & (years == year))) for year in sorted(set(years[chosen]))]


def _cells(rows: pd.DataFrame, family: pd.Series[str]) -> tuple[pd.DataFrame, Integers]:
    grouped = rows.assign(family=family.to_numpy()).groupby(["family", *CELL], sort=True)
    return grouped.size().reset_index()[["family", *CELL]], np.asarray(grouped.ngroup(), dtype=np.int64)


def _nests(periods: pd.DataFrame, year: str, families: list[str]) -> pd.DataFrame:
    mine = periods.loc[periods["academic_year"].astype(str).eq(year), ["whole", "part"]].astype(str)
    return mine.merge(pd.DataFrame({"family": families}, dtype=object), how="cross").sort_values(
        ["family", "whole", "part"], kind="stable", ignore_index=True
    )


def _renamed(marts: Marts, year: str) -> pd.DataFrame:
    return marts.renamed.loc[marts.renamed["academic_year"].astype(str).eq(year), ["period", "also"]].astype(str)


def _sessions(rows: pd.DataFrame, cells: pd.DataFrame, cell_of_row: Integers, n: Floats) -> Floats:
    """Sessions per pupil of each cell's family and period, by which numbers of pupils add up over time."""
    possible = np.zeros(len(cells))
    is_ratio = rows["kind"].eq(RATIO).to_numpy() & rows["denominator"].notna().to_numpy()
    np.maximum.at(possible, cell_of_row[is_ratio], rows["denominator"].to_numpy(np.float64)[is_ratio])
    total = pd.DataFrame({"family": cells["family"], "period": cells["period"], "possible": possible, "n": n})
    total = total[possible > 0]
    sums = total.groupby(["family", "period"])[["possible", "n"]].sum()
    per_pupil = (sums["possible"] / sums["n"]).to_dict()
    return np.array([per_pupil.get(key, 1.0) for key in zip(cells["family"], cells["period"], strict=True)])


def _most_sessions(cells: pd.DataFrame, nests: pd.DataFrame, registry: Registry) -> Floats:
    """The sessions that one pupil can have in each cell's family and period: those of each of its weeks."""
    year = registry.data["school_year"]
    of_weeks = nests[nests["part"].str.startswith("W")].groupby(["family", "whole"]).size().to_dict()
    weeks = [
        1 if str(period).startswith("W") else of_weeks.get((family, period), year["weeks"])
        for family, period in zip(cells["family"], cells["period"], strict=True)
    ]
    return float(year["sessions_per_week"]) * np.array(weeks, dtype=np.float64)


def _within_whole(
    cells: pd.DataFrame, nests: pd.DataFrame, broken: Collection[tuple[str, str, str, str]]
) -> list[list[tuple[int, float]]]:
    """Who is counted in a part is counted in the whole; who is counted in the whole is in one of its parts.

    broken: as `broken_sums` gives it, where totals tell of a whole and not of its parts.
    """
    place = {key: i for i, key in enumerate(cells[["family", *CELL]].itertuples(index=False, name=None))}
    after_period = 3
    parts_of: dict[tuple[str, str], list[str]] = {}
    for family, whole, part in zip(nests["family"], nests["whole"], nests["part"], strict=True):
        parts_of.setdefault((family, whole), []).append(part)
    sort_of = [sort_of_period(str(period)) for period in cells["period"]]
    relations = []
    for key, whole in place.items():
        found = [
            place[other]
            for part in parts_of.get((key[0], key[2]), [])
            if (other := (*key[: after_period - 1], part, *key[after_period:])) in place
        ]
        relations += [[(whole, 1.0), (part, -1.0)] for part in found]
        for sort in ("term", "half-term"):
            of_sort = [part for part in found if sort_of[part] == sort]
            if of_sort and (key[2], sort, key[3], key[4]) not in broken:
                relations.append([(whole, -1.0), *((part, 1.0) for part in of_sort)])
    return relations


def _within_measure(
    cells: pd.DataFrame, subsets: list[tuple[str, str]], rows: pd.DataFrame
) -> list[list[tuple[int, float]]]:
    """Who is counted by a measure is counted by the one that it is part of."""
    family_of = dict(zip(rows["measure_id"], rows["family"], strict=True))
    place = {key: i for i, key in enumerate(cells[["family", *CELL]].itertuples(index=False, name=None))}
    relations = []
    for part, whole in subsets:
        inner, outer = family_of.get(part), family_of.get(whole)
        if inner is None or outer is None or inner == outer:
            continue
        relations += [
            [(place[(outer, *key[1:])], 1.0), (i, -1.0)]
            for key, i in place.items()
            if key[0] == inner and (outer, *key[1:]) in place
        ]
    return relations


def _stage(
    name: str,
    positions: Integers,
    cell_of_row: Integers,
    cells: pd.DataFrame,
    n: Floats,
    decision: Integers,
    lines: Lines,
    orders: list[list[tuple[int, float]]],
    sessions: Floats,
    most_sessions: Floats,
    registry: Registry,
) -> Stage:
    # Over time sessions add up, not pupils: each term counts by its sessions per pupil.
    totals = np.zeros(lines.count, dtype=np.int64)
    totals[lines.line[lines.sign > 0]] = lines.cell[lines.sign > 0]
    share = sessions[lines.cell] / sessions[totals[lines.line]]
    weight = np.where(lines.kind[lines.line] == PERIODS, share, 1.0)
    shape = (lines.count, len(cells))
    over_time = csr_matrix((lines.sign * weight, (lines.line, lines.cell)), shape=shape)
    at_one_time = lines.kind[lines.line] != PERIODS
    sums = csr_matrix((lines.sign * at_one_time, (lines.line, lines.cell)), shape=shape)
    sums.eliminate_zeros()
    relation = [(k, cell, sign) for k, entries in enumerate(orders) for cell, sign in entries]
    at, cell, sign = (np.array(column) for column in zip(*relation, strict=True)) if relation else ([], [], [])
    loss = _losses(cells, n, np.bincount(cell_of_row, minlength=len(cells)).astype(np.float64), registry)
    is_total = np.zeros(len(cells), dtype=bool)
    is_total[lines.cell[(lines.sign > 0) & np.isin(lines.kind[lines.line], [GROUPS, MODEL])]] = True
    return Stage(
        name,
        positions,
        cell_of_row,
        cells,
        n,
        decision,
        lines,
        sums,
        over_time,
        csr_matrix((sign, (at, cell)), shape=(len(orders), len(cells))),
        most_sessions,
        loss,
        is_total,
    )


def _decisions(n: Floats, summed: Floats, lines: Lines, dominance: int) -> Integers:
    """One decision per cell with pupils (-1: none), shared by cells that are one figure under several keys.

    A total with one part is that part; a unit's cell to which no more schools than `dominance` contribute is taken
    with theirs.
    """
    filled = n > 0
    entries = filled[lines.cell]
    parts = np.bincount(lines.line, entries & (lines.sign < 0), lines.count)
    total = np.bincount(lines.line, entries & (lines.sign > 0), lines.count)
    remainder = np.bincount(lines.line, lines.sign * summed[lines.cell], lines.count)
    is_schools = lines.kind == SCHOOLS
    one = (parts == 1) & (np.abs(remainder) < 0.5) & (lines.kind != PERIODS)
    joined = (total > 0) & (one | (is_schools & (parts >= 1) & (parts <= dominance)))
    use = joined[lines.line] & entries
    ties = csr_matrix((np.ones(int(use.sum())), (lines.line[use], lines.cell[use])), shape=(lines.count, len(n)))
    label = connected_components(ties.T @ ties, directed=False)[1] if len(n) else np.zeros(0, dtype=np.int64)
    decision = np.full(len(n), -1, dtype=np.int64)
    _, first, number = np.unique(label[filled], return_index=True, return_inverse=True)
    # Numbered by their first cell, so that the order of decisions is the order of keys.
    decision[filled] = np.argsort(np.argsort(first))[number]
    return decision


def _of_a_school(cells: pd.DataFrame, decision: Integers, orders: list[list[tuple[int, float]]]) -> Integers:
    """One decision for a school's group in every term and the year, and in a measure and those it is part of.

    What covers a cell in one of them hardly does without the others, which a search finds out school by school. So is a
    large problem made smaller, at the cost of terms and measures that might have been shown.
    """
    tied = cells["level"].eq("school").to_numpy() & ~cells["period"].str.startswith("W").to_numpy() & (decision >= 0)
    key = [column for column in ("family", *CELL) if column != "period"]
    group = cells.groupby(key, sort=False).ngroup().to_numpy(np.int64)
    of_two = np.array([(entry[0][0], entry[1][0]) for entry in orders if len(entry) == 2], dtype=np.int64)
    of_two = of_two.reshape(-1, 2)[tied[of_two].all(axis=1).ravel()] if len(of_two) else of_two.reshape(-1, 2)
    cell = np.flatnonzero(tied)
    line = np.concatenate([group[cell], len(cells) + np.arange(len(of_two)), len(cells) + np.arange(len(of_two))])
    ends = decision[np.concatenate([cell, of_two[:, 0], of_two[:, 1]])]
    ties = csr_matrix((np.ones(len(line)), (line, ends)), shape=(len(cells) + len(of_two), int(decision.max()) + 1))
    label = connected_components(ties.T @ ties, directed=False)[1]
    filled = decision >= 0
    _, first, number = np.unique(label[decision[filled]], return_index=True, return_inverse=True)
    joined = decision.copy()
    joined[filled] = np.argsort(np.argsort(first))[number]
    return joined


def _losses(cells: pd.DataFrame, n: Floats, rows: Floats, registry: Registry) -> Floats:
    """The loss of hiding each cell: its rows, weighted; ties go to fewer pupils and then by a hash of the key."""
    weights = registry.data["disclosure"]["weights"]
    of_everybody = cells["group_dimension"].eq("all").to_numpy()
    of_unit = cells["level"].ne("school").to_numpy()
    of_year = cells["period"].isin(WHOLE_YEARS).to_numpy()
    cost = rows * np.where(of_everybody, weights["everybody"], 1.0)
    cost = cost * np.where(of_unit, weights["unit_of_schools"], 1.0) * np.where(of_year, weights["whole_year"], 1.0)
    keys = map("|".join, cells[["family", *CELL]].astype(str).itertuples(index=False, name=None))
    lot = np.array([int(hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()[:8], 16) / 2**32 for key in keys])
    return np.asarray(cost * (1.0 + _TIE_BREAK * (10.0 * n / (n + 100.0) + lot)))


def _of_cells(stage: Stage, rows: pd.DataFrame, of_measure: dict[str, int]) -> Floats:
    """The greatest value of a measure among the families that a cell's rows belong to."""
    mine = rows.iloc[stage.rows]
    values = mine["measure_id"].map(of_measure).to_numpy(np.float64)
    family = stage.cells["family"].to_numpy()[stage.cell_of_row]
    greatest = pd.Series(values).groupby(family).max()
    return stage.cells["family"].map(greatest).to_numpy(np.float64)


def _amounts_of_ratios(
    stage: Stage, rows: pd.DataFrame, threshold: Floats, possible: Floats | float = 0.0
) -> list[View]:
    """Numerators of ratios, in sessions: hidden with their counts, and not to be worked out, neither exactly nor within
    as many per cent as the least number of pupils (`threshold`, per cell). possible: how many must be at the least.

    That nobody had a session of a sort is no secret where nobody had one in a cell that contains it.
    """
    mine = rows.iloc[stage.rows]
    views = []
    at_time = _all_sums(stage)
    within = (at_time.T > 0).astype(float) @ (at_time < 0).astype(float)  # totals x parts
    for measure in sorted(set(mine.loc[mine["kind"].eq(RATIO), "measure_id"])):
        own = mine["measure_id"].eq(measure).to_numpy() & mine["numerator"].notna().to_numpy()
        amount, counted = np.zeros(len(stage.cells)), np.zeros(len(stage.cells), dtype=bool)
        amount[stage.cell_of_row[own]] = mine["numerator"].to_numpy(np.float64)[own]
        counted[stage.cell_of_row[own]] = True
        nobody = counted & (amount == 0)
        said = nobody & (within.T @ nobody.astype(float) > 0)
        close = np.ceil(amount * threshold / 100.0)
        system = System(
            name=f"{stage.name}, {measure}",
            down=np.minimum(amount, _MOST_MOVED),
            up=np.where(stage.n > 0, _MOST_MOVED, 0.0),
            need_down=np.zeros(len(amount)),
            need_up=np.where(counted, np.maximum(possible - amount, 0.0), 0.0),
            need_width=np.where(counted & ~said, np.clip(close, 1.0, np.maximum(threshold - 1.0, 1.0)), 0.0),
            need_wide=np.zeros(len(amount)),
            sums=at_time,
            orders=csr_matrix((0, len(amount))),
            slack=np.zeros(0),
        )
        views.append(View(bounded(system), stage.decision))
    return views


def _with_their_sessions(stage: Stage, rows: pd.DataFrame, counts: System, threshold: Floats) -> View:
    """Numbers of pupils and their possible sessions together, where both are hidden.

    A pupil has at least one session of a period and at most ten a week, and sessions add up over time as well: so a
    term's sessions bound its pupils, and what is left of a sum bounds the others. Here it is enough that as many
    numbers are possible as the least that may be shown (`threshold`, per cell), one of them that itself.
    """
    mine = rows.iloc[stage.rows]
    own = mine["kind"].eq(RATIO).to_numpy() & mine["denominator"].notna().to_numpy()
    possible = np.zeros(len(stage.cells))
    possible[stage.cell_of_row[own]] = mine["denominator"].to_numpy(np.float64)[own]
    at = np.flatnonzero((possible > 0) & (stage.n > 0))
    size, count = len(stage.n), len(at)
    pick = eye(size, format="csr")[at]
    sums = block_diag([stage.sums, _filled(_all_sums(stage)[:, at])]).tocsr()
    each = eye(count, format="csr")
    most = stage.most_sessions[at]
    orders = vstack(
        [
            hstack([stage.orders, csr_matrix((stage.orders.shape[0], count))]),
            hstack([csr_matrix((most, (np.arange(count), at)), shape=(count, size)), -each]),
            hstack([-pick, each]),
        ]
    ).tocsr()
    room = np.maximum(most * (stage.n[at] + counts.up[at]) - possible[at], 0.0)
    none, few = np.zeros(count), (stage.n > 0) & (stage.n < threshold)
    joint = System(
        name=f"{stage.name} with their sessions",
        down=np.concatenate([counts.down, np.maximum(possible[at] - 1.0, 0.0)]),
        up=np.concatenate([counts.up, room]),
        need_down=np.zeros(size + count),
        need_up=np.concatenate([np.where(few, threshold - stage.n, 0.0), none]),
        need_width=np.concatenate([np.where(stage.n > 0, threshold - 1.0, 0.0), none]),
        need_wide=np.zeros(size + count),
        sums=sums,
        orders=orders,
        slack=np.concatenate(
            [
                counts.slack,
                np.maximum(most * stage.n[at] - possible[at], 0.0),
                np.maximum(possible[at] - stage.n[at], 0.0),
            ]
        ),
    )
    return View(bounded(joint), np.concatenate([stage.decision, stage.decision[at]]), last=True)


def _all_sums(stage: Stage) -> csr_matrix:
    """Every sum, over time too, as lines x cells: for what adds up over time."""
    lines = stage.lines
    return csr_matrix((lines.sign, (lines.line, lines.cell)), shape=(lines.count, len(stage.cells)))


def _problem(stage: Stage, forced: Bools, views: list[View]) -> Problem:
    """Lines in which one hidden cell alone would be the rest: of cells that have pupils."""
    needy = views[0].system.is_needy
    of_entry = stage.decision[stage.lines.cell]
    movable = of_entry >= 0
    alone_matters = np.bincount(stage.lines.line[movable], needy[stage.lines.cell[movable]], stage.lines.count) > 0
    use = movable & alone_matters[stage.lines.line]
    return Problem(stage.name, stage.cost, forced, stage.totals, stage.lines.line[use], of_entry[use], views)
