"""How many pupils have no result, which coverage tells beside a number of pupils: what of coverage is hidden alone.

A figure of results shows the pupils with a score (n) and how many that is of 100 expected (coverage): so it shows how
many have none. That is the numerator of a share like any other: one or two are hidden, and so is the number of pupils
of a group of whom none has a result, where they are few. It adds up over groups, schools and units, and is protected
over the same sums, but only coverage is hidden for it. Numbers with a result that are hidden move along with those
without one: together they are those expected.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, MutableMapping
from itertools import combinations
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from scipy.sparse import block_diag, csr_matrix, eye, hstack, vstack
from scipy.sparse.csgraph import connected_components

from ingest.registry import Registry
from quality.disclosure.audit import System, bounded
from quality.disclosure.cells import CELL, GAP_KEY, MEASURE_VALUE_KEY, PROPORTION, Marts, row_key, subset_measures
from quality.disclosure.lines import Bools, Floats, Integers
from quality.disclosure.pattern import COMPLEMENTARY, DERIVED, PATTERN_COLUMNS, SMALL_NUMERATOR
from quality.disclosure.problems import Stage, share_stages, year_of
from quality.disclosure.secondary import Choice, Limits, Problem, View
from quality.disclosure.solved import choose_once

_ROOM = 4.0  # times the minimum: a number need not be able to move further than this
Hidden = Collection[tuple[str, str]]


def read_due(connection: duckdb.DuckDBPyConnection, registry: Registry) -> pd.DataFrame:
    """The figures of results of which anybody was expected: MEASURE_VALUE_KEY, status, expected and received, in
    pupils.
    """
    key = ", ".join(f"v.{column}" for column in MEASURE_VALUE_KEY)
    return connection.execute(
        f"""
        select {key}, v.status, cast(sum(s.expected) as double) as expected, cast(sum(s.received) as double) as received
        from marts.measure_value as v
        join aggregates.school_unit as unit on unit.level = v.level and unit.unit_code = v.unit_code
        join aggregates.measure_sum as s on s.school_key = unit.school_key and s.academic_year = v.academic_year
            and s.period = v.period and s.measure_id = v.measure_id and s.group_definition = v.group_definition
            and s.group_dimension = v.group_dimension and s.group_value = v.group_value
        where v.measure_id in (select unnest($results::varchar[]))
        group by all having sum(s.expected) > 0 order by all
        """,
        {"results": [measure["measure_id"] for measure in registry.measures if any(_outcome(measure, registry))]},
    ).df()


def coverage_pattern(
    due: pd.DataFrame,
    marts: Marts,
    registry: Registry,
    hidden: Mapping[str, Hidden],
    solved: MutableMapping[str, Choice],
) -> pd.DataFrame:
    """What to hide of coverage, per tier, with PATTERN_COLUMNS: of `measure_value`, `gap` and `progress_school` the
    column alone, of `coverage` the row.

    due: as `read_due` gives it. hidden: per tier, table_name and row_key of all that is hidden already. solved: what
    was decided before, to which what is decided now is added.
    Raises `ValueError` for totals that contradict their parts, or a unit whose schools are not known.
    """
    rows = lacking_rows(due)
    limits = Limits(**registry.data["disclosure"]["programme"])
    before = np.zeros(len(rows), dtype=bool)
    stages = share_stages(rows, marts, registry) if len(rows) else []
    found = [pd.DataFrame(columns=PATTERN_COLUMNS)]
    # What a less strict tier hides is hidden by a stricter one too.
    minimums: dict[str, int] = registry.data["disclosure"]["minimum_pupils"]
    for tier in sorted(minimums, key=lambda name: (minimums[name], name)):
        names = {name for table, name in hidden[tier] if table == "measure_value"}
        before |= rows["row_key"].isin({n for table, n in hidden[tier] if table == "measure_value.coverage"}).to_numpy()
        gone = rows["row_key"].isin(names).to_numpy()
        secret = _is_secret(rows, registry, tier)
        for stage in stages:
            problem = missing_problem(stage, rows, marts.gap, registry, tier, gone, before)
            chosen = choose_once(problem, limits, False, solved)
            decision = problem.views[0].decision[stage.cell_of_row]
            before[stage.rows] |= chosen.hidden[decision]
        found.append(
            _pattern(rows.assign(secret=secret, gone=gone, hidden=before), marts, registry, hidden[tier], tier)
        )
    return pd.concat(found, ignore_index=True)


def lacking_rows(due: pd.DataFrame) -> pd.DataFrame:
    """The figures that are due as shares: those without a result, `numerator`, of those expected, `denominator`."""
    return due.assign(
        table_name="measure_value",
        row_key=row_key(due, MEASURE_VALUE_KEY),
        kind=PROPORTION,
        numerator=due["expected"] - due["received"],
        denominator=due["expected"],
    ).astype(dict.fromkeys((*MEASURE_VALUE_KEY, "row_key"), str))


def missing_problem(
    stage: Stage, rows: pd.DataFrame, gaps: pd.DataFrame, registry: Registry, tier: str, gone: Bools, before: Bools
) -> Problem:
    """The numbers without a result to protect, with a view whose decisions are those of the problem.

    rows: with numerator, those without a result, and denominator, all. gaps: whose status tells of both their sides.
    gone: rows hidden as a whole; before: rows of which coverage is hidden already.
    """
    size = len(stage.cells)
    missing = np.zeros(size)
    missing[stage.cell_of_row] = rows["numerator"].to_numpy(np.float64)[stage.rows]
    few, is_gone, is_before, is_ok, is_short = np.zeros((5, size), dtype=bool)
    for flags, values in (
        (few, _is_secret(rows, registry, tier)),
        (is_gone, gone),
        (is_before, before),
        (is_ok, rows["status"].eq("ok").to_numpy()),
        (is_short, _is_short(rows, registry)),
    ):
        flags[stage.cell_of_row[values[stage.rows]]] = True
    expected, scored = stage.n, stage.n - missing
    # 0 % of a number that is not said says nothing; of a whole school `coverage` says it, unless it has few pupils.
    everybody = stage.cells["level"].eq("school") & stage.cells["group_dimension"].eq("all")
    attainment = [m["measure_id"] for m in registry.measures if m["source_model"] == "attainment"]
    in_coverage = (everybody & stage.cells["family"].isin(attainment)).to_numpy()
    tells = ~is_gone & ((scored > 0) | (in_coverage & ~few))
    joined = _joined(stage, _told_together(stage, registry, expected, is_gone))
    decision, count = joined[stage.decision], int(joined.max(initial=-1)) + 1
    forced = np.ones(count, dtype=bool)
    forced[decision[tells]] = False
    forced[decision[few | is_gone | is_before]] = True
    low, high = _said(stage.n, missing, is_ok & ~is_gone, is_short & ~is_gone, registry)
    year = year_of(stage, rows)
    name, gaps = f"{year} pupils without a result", gaps[gaps["academic_year"].astype(str).eq(year)]
    told = _told_by_gaps(stage, missing, gaps, ~is_gone & (scored > 0), registry)
    system = _system(name, stage, missing, low, high, few, is_gone, told, registry, tier)
    cost = np.bincount(joined, stage.cost, count).astype(np.float64)
    none = np.zeros(0, dtype=np.int64)
    # Without rules of single lines: that a line has one hidden cell of which nothing is told is no harm.
    # Nearly all of it is of few pupils, of whom something is known even where all coverage is hidden.
    views = [View(system, np.concatenate([decision, decision[is_gone], decision[is_gone]]), lowered=True)]
    return Problem(system.name, cost, forced, np.zeros(count, dtype=bool), none, none, views)


def _said(
    expected: Floats, missing: Floats, is_ok: Bools, is_short: Bools, registry: Registry
) -> tuple[Floats, Floats]:
    """How few and how many can be without a result by what the rows themselves say: their status and that they stand.

    is_ok: the status says that enough of what was expected came; is_short: it can only mean that too little did.
    """
    scored = expected - missing
    most = _most_without(scored, registry)
    # A group of whom nobody was expected has no row.
    low = np.where(scored > 0, 0.0, np.minimum(missing, 1.0))
    return np.where(is_short & (missing > most), most + 1.0, low), np.where(is_ok & (missing <= most), most, np.inf)


def _is_short(rows: pd.DataFrame, registry: Registry) -> Bools:
    """Rows whose status can only mean that too little came: value added of few pupils has the same one."""
    received = rows["denominator"] - rows["numerator"]
    is_told = received.gt(0) & received.ge(_counted(rows["measure_id"], registry))
    return np.asarray(rows["status"].eq("u") & is_told, dtype=bool)


def _most_without(scored: Floats, registry: Registry) -> Floats:
    """How many at the most lack a result beside so many who have one, where enough came of what was expected."""
    share = float(registry.data["coverage"]["withhold_below_percent"])
    return np.asarray(np.floor(scored * (100.0 / share - 1.0) + 1e-9))


def _counted(measures: pd.Series[str], registry: Registry) -> Floats:
    """Per measure the fewest with a result of whom a status `u` says that too little came: of value added those whom a
    figure needs.
    """
    progress = [measure["measure_id"] for measure in registry.measures if measure["source_model"] == "progress"]
    few = float(registry.data["reliability"]["minimum_pupils_for_progress"])
    return np.where(measures.isin(progress), few, 1.0)


def _system(
    name: str,
    stage: Stage,
    missing: Floats,
    low: Floats,
    high: Floats,
    few: Bools,
    is_gone: Bools,
    told: tuple[csr_matrix, Floats],
    registry: Registry,
    tier: str,
) -> System:
    """Those without a result of every cell and, after them, those with one and all of them, of each cell whose number
    with a result is hidden.

    All are those expected, which another measure of the same pupils may tell: where a group's number with a result is
    hidden, what is known of the other groups' pupils can still leave it one value, or leave one to those expected.
    """
    minimum, least = _limits(registry, tier)
    lost = np.flatnonzero(is_gone)
    scored = stage.n - missing
    found = scored[lost]
    limit = np.where(scored > 0, least, minimum)
    room = _ROOM * max(minimum, least)
    # Per side of a number: of those without a result, of those with one, and of all.
    down = [missing - low, np.maximum(found - 1.0, 0.0)]
    up = [np.minimum(high - missing, room), np.where(found > 0, room, 0.0)]
    down, up = [*down, down[0][lost] + down[1]], [*up, up[0][lost] + up[1]]
    # Numbers with a result are hidden as counts of pupils are; so are all of a group, where they are few.
    number = np.concatenate([missing, found, stage.n[lost]])
    most_few = np.concatenate([limit, np.full(2 * len(lost), minimum)]) - 1.0
    is_few = np.append(few, (number >= 1)[len(few) :] & (number <= most_few)[len(few) :])
    is_counted = np.repeat([False, True, False], [len(few), len(lost), len(lost)])
    # Where it is known that no fewer are possible, more must be.
    width = np.where(is_counted, most_few, most_few - 1.0)
    return bounded(
        System(
            name=name,
            down=np.concatenate(down),
            up=np.concatenate(up),
            need_down=np.where(is_few, number - 1.0, 0.0),
            need_up=np.where(is_few, most_few - number, 0.0),
            need_width=np.where(is_few, most_few - 1.0, np.where(is_counted, width, 0.0)),
            need_wide=np.where(is_few, width, 0.0),
            sums=vstack(
                [
                    block_diag([stage.sums, stage.sums[:, lost], csr_matrix((0, len(lost)))]),
                    _ties(stage, registry, stage.n, lost),
                    hstack([eye(len(stage.n), format="csr")[lost], eye(len(lost)), -eye(len(lost))]),
                ],
                format="csr",
            ),
            # Who has no score has no value added: the other way round than those who have them.
            orders=_widened(vstack([-stage.orders, told[0]], format="csr"), 2 * len(lost)),
            slack=np.concatenate([np.maximum(-stage.orders @ missing, 0.0), told[1]]),
        )
    )


def _told_by_gaps(
    stage: Stage, missing: Floats, gaps: pd.DataFrame, is_shown: Bools, registry: Registry
) -> tuple[csr_matrix, Floats]:
    """What the status of each gap says of those without a result at both its sides, as relations and their slack: no
    more of them than have one, or more. Of value added a side of few pupils has the same status as too little.

    is_shown: cells of which those with a result are shown.
    """
    columns = ["family", *CELL]
    place = {key: i for i, key in enumerate(stage.cells[columns].itertuples(index=False, name=None))}
    keys = [
        gaps.assign(family=gaps["measure_id"], table_name="measure_value", group_value=gaps[side])[columns].astype(str)
        for side in ("group_value", "comparator")
    ]
    ends = np.array(
        [[place.get(key, -1) for key in side.itertuples(index=False, name=None)] for side in keys], dtype=np.int64
    ).reshape(2, -1)
    ends = ends[:, (ends >= 0).all(axis=0)]
    ends = ends[:, is_shown[ends].all(axis=0)]
    scored, lack = (stage.n - missing)[ends], missing[ends].sum(axis=0)
    most = _most_without(scored.sum(axis=0), registry)
    is_enough, is_told = lack <= most, (scored >= _counted(stage.cells["family"], registry)[ends]).all(axis=0)
    sign, slack = np.where(is_enough, -1.0, 1.0)[is_told], np.where(is_enough, most - lack, lack - most - 1.0)[is_told]
    row = np.arange(len(slack))
    both = (np.concatenate([row, row]), ends[:, is_told].ravel())
    return csr_matrix((np.concatenate([sign, sign]), both), shape=(len(slack), len(missing))), slack


def _widened(relations: csr_matrix, more: int) -> csr_matrix:
    """Relations that say nothing of so many more amounts."""
    return hstack([relations, csr_matrix((relations.shape[0], more))], format="csr")


def _limits(registry: Registry, tier: str) -> tuple[float, float]:
    disclosure = registry.data["disclosure"]
    return float(disclosure["minimum_pupils"][tier]), float(disclosure["minimum_numerator"])


def _is_secret(rows: pd.DataFrame, registry: Registry, tier: str) -> Bools:
    """Rows of which one or two have no result, or of whose few pupils nobody has one."""
    minimum, least = _limits(registry, tier)
    missing, expected = (rows[column].to_numpy(np.float64) for column in ("numerator", "denominator"))
    return np.asarray((missing >= 1) & (missing < np.where(missing < expected, least, minimum)))


def _outcome(measure: Mapping[str, Any], registry: Registry) -> tuple[str, str]:
    """The assessment and the subject of it whose pupils a measure expects; empty where it is of no result."""
    of_models = {model["measure_id"]: model["outcome"] for model in registry.data.get("value_added", [])}
    outcome = measure.get("assessment", of_models.get(measure["measure_id"]))
    return ("", "") if outcome is None else (str(outcome["assessment_id"]), str(outcome["subject"]))


def _told_together(stage: Stage, registry: Registry, expected: Floats, gone: Bools) -> Integers:
    """Pairs of cells of one assessment of which either's coverage tells how many both were expected to be.

    That of a measure within another one that is shown tells nothing new.
    """
    outcome = {str(m["measure_id"]): _outcome(m, registry) for m in registry.measures}
    subsets, measure = set(subset_measures(registry)), stage.cells["family"].to_numpy()
    pairs: list[tuple[int, int]] = []
    for same in _of_one_assessment(stage, registry):
        for one, other in combinations(same.tolist(), 2):
            if outcome[measure[one]] == outcome[measure[other]]:
                inner, outer = (one, other) if gone[one] else (other, one)
                is_apart = (measure[inner], measure[outer]) in subsets and gone[inner]
                is_pair = expected[one] == expected[other] and not (gone[one] and gone[other]) and not is_apart
            else:
                is_pair = not (gone[one] or gone[other])
            if is_pair:
                pairs.append((one, other))
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _ties(stage: Stage, registry: Registry, expected: Floats, lost: Integers) -> csr_matrix:
    """Of the same pupils those with and without a result are as many: relations over all that `_system` has.

    lost: cells of which those with a result are hidden. Of two subjects it is only presumed that the same pupils were
    expected: told together they say whether it is so.
    """
    size = len(expected)
    place = np.full(size, -1, dtype=np.int64)
    place[lost] = size + np.arange(len(lost))
    pairs = []
    for same in _of_one_assessment(stage, registry):
        equal = same[np.argsort(expected[same], kind="stable")]
        pairs.append(np.stack([equal[:-1], equal[1:]], axis=1)[np.diff(expected[equal]) == 0])
    ends = np.concatenate([np.zeros((0, 2), dtype=np.int64), *pairs])
    columns = np.concatenate([ends, place[ends]], axis=1)
    values = np.tile([1.0, -1.0, 1.0, -1.0], (len(ends), 1))
    row = np.repeat(np.arange(len(ends)), 4)
    use = columns.ravel() >= 0
    return csr_matrix((values.ravel()[use], (row[use], columns.ravel()[use])), shape=(len(ends), size + 2 * len(lost)))


def _of_one_assessment(stage: Stage, registry: Registry) -> list[Integers]:
    """The cells of each group of pupils in each assessment, one per measure of it."""
    assessment = stage.cells["family"].map({str(m["measure_id"]): _outcome(m, registry)[0] for m in registry.measures})
    by_pupils = stage.cells.assign(assessment=assessment).groupby(["assessment", *CELL], sort=True)
    return [np.sort(np.asarray(same, dtype=np.int64)) for same in by_pupils.indices.values()]


def _joined(stage: Stage, pairs: Integers) -> Integers:
    """Per decision of the stage its number among those that are left where both of each pair share one."""
    ends = stage.decision[pairs]
    graph = csr_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(stage.decisions, stage.decisions))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _pattern(rows: pd.DataFrame, marts: Marts, registry: Registry, hidden: Hidden, tier: str) -> pd.DataFrame:
    """The figures whose coverage goes, and whatever else says the same.

    rows: with secret, gone (as a whole) and hidden. hidden: table_name and row_key of what the tier hides already.
    """
    lost = rows[rows["hidden"]]
    alone = lost[~lost["gone"] & lost["numerator"].lt(lost["denominator"])]
    keys = set(lost["row_key"])
    gap = marts.gap
    sides = [row_key(gap.assign(group_value=gap[side]), MEASURE_VALUE_KEY) for side in ("group_value", "comparator")]
    gaps = row_key(gap[sides[0].isin(keys) | sides[1].isin(keys)], GAP_KEY)
    key_of = {
        str(code): str(s["school_key"])
        for s in marts.schools.to_dict("records")
        for code in (s["school_key"], s["urn"])
    }
    everybody = lost[lost["level"].eq("school") & lost["group_dimension"].eq("all")]
    everybody = everybody.assign(school_key=everybody["unit_code"].map(key_of))
    of_measure = {str(measure["measure_id"]): str(measure["source_model"]) for measure in registry.measures}
    source = everybody["measure_id"].map(of_measure)
    progress = everybody[source.eq("progress")].merge(
        marts.progress_school[["academic_year", "measure_id", "school_key"]]
    )
    sent = everybody[source.eq("attainment")].assign(feed="assessment_results")
    frames = [
        pd.DataFrame(
            {
                "table_name": "measure_value.coverage",
                "row_key": alone["row_key"],
                "reason": np.where(alone["secret"], "primary", "secondary"),
                "rule_id": np.where(alone["secret"], SMALL_NUMERATOR, COMPLEMENTARY),
            }
        )
    ]
    for table, derived in (
        ("gap.coverage", gaps),
        ("progress_school.coverage", row_key(progress, ["academic_year", "measure_id", "school_key"])),
        ("coverage", row_key(sent, ["academic_year", "period", "feed", "school_key"])),
    ):
        frames.append(
            pd.DataFrame({"row_key": derived.drop_duplicates()}).assign(
                table_name=table, reason="derived", rule_id=DERIVED
            )
        )
    pattern = pd.concat(frames, ignore_index=True).assign(tier=tier, status="c", block_id="", method="")
    known = {(f"{table}.coverage", name) for table, name in hidden}
    fresh = [key not in known for key in zip(pattern["table_name"], pattern["row_key"], strict=True)]
    return pattern.loc[fresh, PATTERN_COLUMNS]
