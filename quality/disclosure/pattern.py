"""Decides which rows of the published tables are hidden, per tier, and writes them to `disclosure.pattern`.

Primary: a count of pupils under the tier's minimum, or a numerator or complement of one or two. Secondary: rows that
keep a primary one from being worked out over the sums that tie the tables together, at the least loss. Derived: gaps
and counts of rows that are functions of a hidden row.

Source of the rules: Hundepool et al. (2012), Statistical Disclosure Control, ch. 4 (cell suppression).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ingest.registry import Registry
from quality.disclosure.audit import untouched
from quality.disclosure.cells import (
    CELL,
    GAP_KEY,
    MEASURE_VALUE_KEY,
    PROPORTION,
    Marts,
    counted_rows,
    minimum_pupils,
    row_key,
)
from quality.disclosure.lines import Bools, Floats, Integers
from quality.disclosure.problems import (
    Counted,
    Stage,
    amount_problem,
    amount_stage,
    count_problem,
    count_stages,
    share_problem,
    share_stages,
    year_of,
)
from quality.disclosure.secondary import Choice, Limits
from quality.disclosure.solved import Solved, choose_once

_LOGGER = logging.getLogger("everypupil")
FEW_PUPILS = "DC-001"
SMALL_NUMERATOR = "DC-002"
COMPLEMENTARY = "DC-003"
DERIVED = "DC-004"
ONE_SCHOOL = "DC-005"
PATTERN_COLUMNS = ["tier", "table_name", "row_key", "status", "reason", "rule_id", "block_id", "method"]
STANDS = "hidden before"
BLOCK_COLUMNS = [
    "tier",
    "block_id",
    "stage",
    "method",
    "candidates",
    "primary_rows",
    "secondary_rows",
    "weight",
    "bound",
    "gap",
    "rounds",
]


@dataclass(frozen=True)
class Before:
    """What a tier was shown before, as table_name and row_key of rows: hidden ones, which stay hidden, and shown ones
    of which nothing or little changed. To hide one of these now would protect nothing, for whoever kept it knows it.
    """

    hidden: frozenset[tuple[str, str]] = frozenset()
    shown: frozenset[tuple[str, str]] = frozenset()


@dataclass
class State:
    """Per counted row: the rule that hides it (empty for none), its block and method, whether its count is hidden."""

    rule: NDArray[np.object_]
    block: NDArray[np.object_]
    method: NDArray[np.object_]
    count_hidden: Bools


@dataclass(frozen=True)
class Decision:
    """pattern: the hidden rows, PATTERN_COLUMNS. blocks: what was lost where, BLOCK_COLUMNS."""

    pattern: pd.DataFrame
    blocks: pd.DataFrame


def decide_pattern(marts: Marts, registry: Registry, tier: str, greedy: bool = False) -> pd.DataFrame:
    """The hidden rows of a tier, in key order, with the columns PATTERN_COLUMNS: `decide` without its blocks."""
    return decide(marts, registry, [tier], greedy)[tier].pattern


def decide(
    marts: Marts,
    registry: Registry,
    tiers: list[str],
    greedy: bool = False,
    solved: Solved | None = None,
    before: Mapping[str, Before] | None = None,
) -> dict[str, Decision]:
    """What each tier hides, and what that lost. greedy: without the integer programme, for comparison. solved: what was
    decided before, to which what is decided now is added. before: by tier, what stays as it was published.

    What a less strict tier hides is hidden by a stricter one too: else a reader of both could solve one by the other.
    Raises `ValueError` for a tier that the registry lacks, a unit whose schools are not known, totals that contradict
    their parts, or a cell that nothing can protect.
    """
    minimums: dict[str, int] = registry.data["disclosure"]["minimum_pupils"]
    for tier in tiers:
        if tier not in minimums:
            raise ValueError(
                f"Tier '{tier}' has no disclosure.minimum_pupils in the registry; it knows {', '.join(minimums)}."
            )
    order = sorted(minimums, key=lambda name: (minimums[name], name))
    last = max(order.index(tier) for tier in tiers)
    rows = counted_rows(marts, registry)
    stages = count_stages(rows, marts, registry), share_stages(rows, marts, registry)
    state = _nothing_hidden(rows)
    found = {}
    for name in order[: last + 1]:
        told = Before() if before is None else before.get(name, Before())
        state = _hide(state, rows, told.hidden)
        shown = _among(rows, told.shown)
        state, blocks = _decide_tier(
            rows, stages, registry, name, state, shown, greedy, {} if solved is None else solved
        )
        if name in tiers:
            found[name] = Decision(_pattern(rows, state, marts.gap, registry, name), _blocks(blocks, name))
    return found


def _nothing_hidden(rows: pd.DataFrame) -> State:
    rule, block, method = (np.full(len(rows), "", dtype=object) for _ in range(3))
    return State(rule, block, method, np.zeros(len(rows), dtype=bool))


def _hide(state: State, rows: pd.DataFrame, hidden: AbstractSet[tuple[str, str]]) -> State:
    """Adds rows that another decision hides. A number of pupils is hidden where no row shows it."""
    mine = _among(rows, hidden) & (state.rule == "")
    rule, method = np.where(mine, COMPLEMENTARY, state.rule), np.where(mine, STANDS, state.method)
    return State(rule, state.block, method, state.count_hidden | _numbers_not_shown(rows, rule))


def _among(rows: pd.DataFrame, keys: AbstractSet[tuple[str, str]]) -> Bools:
    """Which rows have one of the keys: table_name and row_key."""
    return np.array([key in keys for key in zip(rows["table_name"], rows["row_key"], strict=True)], dtype=bool)


def _numbers_not_shown(rows: pd.DataFrame, rule: NDArray[np.object_]) -> Bools:
    """Of which rows no row of the same pupils, place and period is left to show how many they are."""
    of_cell = [rows[column] for column in ("academic_year", "family", *CELL)]
    hidden = pd.Series(rule != "", rows.index).groupby(of_cell).transform("all")
    return hidden.to_numpy(dtype=bool)


def _decide_tier(
    rows: pd.DataFrame,
    stages: tuple[list[Stage], list[Stage]],
    registry: Registry,
    tier: str,
    before: State,
    shown: Bools,
    greedy: bool,
    solved: Solved,
) -> tuple[State, list[dict[str, object]]]:
    """Adds to what a less strict tier hides what this one must hide besides. shown: rows that are known already."""
    limits = Limits(**registry.data["disclosure"]["programme"])
    minimum, smallest = minimum_pupils(registry, tier), int(registry.data["disclosure"]["minimum_numerator"])
    threshold, n = rows["measure_id"].map(minimum).to_numpy(), rows["n"].to_numpy()
    few = (n > 0) & (n < threshold)
    numerator = rows["numerator"].fillna(0).to_numpy(np.float64)
    complement = rows["denominator"].fillna(0).to_numpy(np.float64) - numerator
    small = rows["kind"].eq(PROPORTION).to_numpy() & (
        between(numerator, 1, smallest - 1) | between(complement, 1, smallest - 1)
    )
    # Where fewer sessions were missed than pupils may be told of, the sessions tell the pupils: they are hidden too.
    told = small & (numerator >= 1) & (rows["bounding"].to_numpy() < smallest - 1)
    state = State(before.rule.copy(), before.block.copy(), before.method.copy(), before.count_hidden | few)
    state.rule[small & (state.rule != FEW_PUPILS)] = SMALL_NUMERATOR
    state.rule[few] = FEW_PUPILS
    years: dict[str, list[Stage]] = {}
    for stage in [*stages[0], *stages[1]]:
        years.setdefault(year_of(stage, rows), []).append(stage)

    def decide_year(of_year: list[Stage]) -> list[dict[str, object]]:
        """Where what is known already leaves too little to hide, it may be hidden after all: next to nothing is gained
        by that, but nothing is refused that would have been published with no release before it.
        """
        mine = np.unique(np.concatenate([stage.rows for stage in of_year]))
        start = {name: getattr(state, name)[mine].copy() for name in vars(state)}
        if shown[mine].any():
            try:
                return decide_whole(mine, of_year, shown)
            except (ValueError, ArithmeticError):
                _LOGGER.warning(
                    "disclosure, %s, %s: what the release before showed leaves too little to hide, so what it showed "
                    "is hidden too; whoever kept it may work something out, see rule DA-002.",
                    *(tier, year_of(of_year[0], rows)),
                )
                restore(mine, start)
        return decide_whole(mine, of_year, np.zeros(len(rows), dtype=bool))

    def restore(mine: Integers, start: dict[str, NDArray[np.generic]]) -> None:
        for name, values in start.items():
            getattr(state, name)[mine] = values

    def decide_whole(mine: Integers, of_year: list[Stage], known: Bools) -> list[dict[str, object]]:
        """Where no row of a cell is left to show its number of pupils, that is hidden too, and all is decided again."""
        start = {name: getattr(state, name)[mine].copy() for name in vars(state)}
        while True:
            blocks = decide_once(of_year, known)
            unshown = _numbers_not_shown(rows.iloc[mine], state.rule[mine]) & ~state.count_hidden[mine]
            if not unshown.any():
                return blocks
            start["count_hidden"] |= unshown
            restore(mine, start)

    def decide_once(of_year: list[Stage], known: Bools) -> list[dict[str, object]]:
        blocks: list[dict[str, object]] = []
        whole, *shares = of_year
        counts = _showing(whole, known, state.count_hidden)
        problem = count_problem(counts, rows, registry, tier, state.count_hidden[counts.rows])
        amounts = untouched(problem.views[0].system)
        chosen = choose_once(problem, limits, greedy, solved)
        numbers = counts.to_cells(chosen.hidden)
        state.count_hidden[counts.rows] |= counts.to_rows(chosen.hidden)
        _note(state, rows, counts, chosen, tier, blocks)
        sessions = _showing(amount_stage(whole, rows), known, (state.rule != "") | told)
        hidden, bounding = (sessions.of_cells(flags) for flags in (numbers, whole.cells_of_rows(told[whole.rows])))
        counted = Counted(counts, amounts, numbers, sessions.to_cells(bounding))
        forced = bounding | sessions.of_rows(state.rule[sessions.rows] != "")
        # Sessions that are hidden with their counts are protected with them.
        if (forced & ~hidden).any():
            problem = amount_problem(sessions, rows, registry, tier, forced, hidden, bounding)
            _note(state, rows, sessions, choose_once(problem, limits, greedy, solved), tier, blocks)
        for of_share in shares:
            stage = _showing(of_share, known, state.rule != "")
            problem = share_problem(stage, rows, registry, tier, state.rule[stage.rows] != "", counted)
            _note(state, rows, stage, choose_once(problem, limits, greedy, solved), tier, blocks)
        return blocks

    # Years share no cell, and the solver lets other threads run.
    with ThreadPoolExecutor() as pool:
        return state, [block for blocks in pool.map(decide_year, years.values()) for block in blocks]


def _showing(stage: Stage, known: Bools, hidden: Bools) -> Stage:
    """The stage in which cells that are known already are shown, but for those of which a row is hidden."""
    of_hidden = stage.cells_of_rows(hidden[stage.rows])
    return stage.showing(known[stage.rows] & ~of_hidden[stage.cell_of_row])


def _note(
    state: State, rows: pd.DataFrame, stage: Stage, chosen: Choice, tier: str, blocks: list[dict[str, object]]
) -> None:
    """Writes a stage's choice into the state of its rows, and its blocks to the report."""
    hidden = stage.to_rows(chosen.hidden)
    fresh = hidden & (state.rule[stage.rows] == "")
    # Not by itself, but as the only school's figure under another key.
    mirrored = stage.to_rows(stage.of_rows(state.rule[stage.rows] != "")) & fresh
    above = rows["level"].to_numpy()[stage.rows] != "school"
    state.rule[stage.rows[fresh]] = COMPLEMENTARY
    state.rule[stage.rows[mirrored & above]] = ONE_SCHOOL
    first_rows = pd.Series(stage.rows).groupby(stage.decision[stage.cell_of_row]).min()
    for block in chosen.blocks:
        secondary = np.zeros(stage.decisions, dtype=bool)
        secondary[block.decisions] = True
        primary = np.zeros(stage.decisions, dtype=bool)
        primary[block.forced] = True
        members = np.flatnonzero(secondary | primary)
        anchor = rows["row_key"].iat[int(first_rows[members].min())]
        block_id = f"{stage.name}|{tier}|{anchor}"
        in_block = stage.to_rows(secondary | primary) & (state.block[stage.rows] == "")
        state.block[stage.rows[in_block]] = block_id
        state.method[stage.rows[stage.to_rows(secondary) & (state.method[stage.rows] == "")]] = block.method
        blocks.append(
            {
                "block_id": block_id,
                "stage": stage.name,
                "method": block.method,
                "candidates": block.candidates,
                "primary_rows": int(stage.to_rows(primary).sum()),
                "secondary_rows": int((stage.to_rows(secondary) & fresh).sum()),
                "weight": round(block.weight, 6),
                "bound": round(block.bound, 6),
                "gap": round(block.gap, 6),
                "rounds": block.rounds,
            }
        )


def _blocks(blocks: list[dict[str, object]], tier: str) -> pd.DataFrame:
    frame = pd.DataFrame(blocks, columns=BLOCK_COLUMNS[1:])
    frame.insert(0, "tier", tier)
    return frame.sort_values(["stage", "block_id"], kind="stable", ignore_index=True)


def _pattern(rows: pd.DataFrame, state: State, gaps: pd.DataFrame, registry: Registry, tier: str) -> pd.DataFrame:
    """The hidden rows, and the gaps that are functions of them or of too few pupils."""
    hidden = rows.assign(rule_id=state.rule, block_id=state.block, method=state.method)
    hidden = hidden.loc[hidden["rule_id"].ne(""), ["table_name", "row_key", "rule_id", "block_id", "method"]]
    is_primary = hidden["rule_id"].isin([FEW_PUPILS, SMALL_NUMERATOR])
    hidden = hidden.assign(reason=np.where(is_primary, "primary", "secondary"))
    hidden_values = set(hidden.loc[hidden["table_name"].eq("measure_value"), "row_key"])
    minimum = minimum_pupils(registry, tier)
    threshold = np.array([minimum[measure] for measure in gaps["measure_id"]], dtype=np.float64)
    sides = [
        row_key(gaps, MEASURE_VALUE_KEY).isin(hidden_values),
        row_key(gaps.assign(group_value=gaps["comparator"]), MEASURE_VALUE_KEY).isin(hidden_values),
        *(
            pd.Series(
                between(pd.to_numeric(gaps[side]).to_numpy(np.float64, na_value=np.nan), 1, threshold - 1), gaps.index
            )
            for side in ("n_group", "n_comparator")
        ),
    ]
    gone = np.logical_or.reduce([side.to_numpy(dtype=bool, na_value=False) for side in sides])
    derived = pd.DataFrame({"row_key": row_key(gaps[gone], GAP_KEY)}).assign(
        table_name="gap", rule_id=DERIVED, reason="derived", block_id="", method=""
    )
    pattern = pd.concat([hidden, derived], ignore_index=True).assign(tier=tier, status="c")
    return pattern[PATTERN_COLUMNS].sort_values(["table_name", "row_key"], kind="stable", ignore_index=True)


def between(values: Floats, low: float, high: float | Floats) -> Bools:
    """Which values lie within the two, both included."""
    return np.asarray((values >= low) & (values <= high))
