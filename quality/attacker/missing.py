"""Pupils without a result, as coverage tells them: n out of 100 expected says how many were expected beside n.

Every cell of every measure of results is read, in schools and in units, and whatever says the same: coverage of a gap,
of value added by school, of what each school sent. Those without a result add up over groups, schools and units; of two
measures of one assessment they differ by what their numbers of pupils differ by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd

from ingest.registry import Registry
from quality.attacker.breach import Bools, Breach, Floats, Rule
from quality.attacker.cells import CELL, TABLE_KEYS, Cells, Integers, numbers, row_keys, tables_of, urn_of_school
from quality.attacker.lines import Lines, group_lines, members, unit_lines
from quality.attacker.solver import ContradictionError, Ranges, solve
from quality.attacker.sound import SoundParts
from quality.attacker.system import System

_WHO = ("pupils without a result of ", "pupils with a result of ", "pupils expected of ")
_ROUNDING = 0.01  # of a pupil: what nine digits of coverage leave of a number expected


@dataclass(frozen=True)
class _Few(Rule):
    """Numbers that are few for certain, and narrower than 1 to T - 1; hidden: or known exactly, however many.

    That nobody lacks a result, or that many do, is no secret: so is nothing that may be nought or T and more. Numbers
    with a result are hidden as counts of pupils: that one of T or more is left T values is what hiding all coverage
    cannot always do, since a figure's status says that half of those expected came.
    """

    hidden: Bools

    def of(self, chosen: Integers) -> _Few:
        """The rule of some of the numbers."""
        return _Few(self.limit[chosen], self.sessions[chosen], self.hidden[chosen])

    def given_away(self, low: Floats, high: Floats) -> Bools:
        """Which ranges `low` to `high` of whole numbers leave too little."""
        few = (low >= 1) & (high < self.limit) & ((low > 1) | (high < self.limit - 1))
        return np.asarray(few | (self.hidden & (low == high)), dtype=bool)


@dataclass(frozen=True)
class _Presumed:
    """same_pupils: that two subjects of one assessment expect the same pupils, wherever what is shown does not say
    otherwise. too_little: that a status `u` means that too little came, and not that all pupils are alike.
    """

    same_pupils: bool
    too_little: bool


_PRESUMED = (_Presumed(True, True), _Presumed(True, False), _Presumed(False, False))


@dataclass(frozen=True)
class _Numbers:
    """Variables of those without a result and, as many places further on each, of those with one and of all expected.

    of[cell, measure]: the variable, or -1. n: known numbers with a result, NaN where not. low, high: those without one.
    short: how many of them at the least, presuming that a status `u` means that too little came. table, row_key: where
    a variable is read.
    """

    of: Integers
    measures: list[str]
    n: Floats
    low: Floats
    high: Floats
    short: Floats
    table: list[str]
    row_key: list[str]


def results_missing(
    cells: Cells, tables: Mapping[str, pd.DataFrame], registry: Registry, tier: str, sound: SoundParts | None = None
) -> list[Breach]:
    """Breaches by which one or two pupils without a result follow from coverage, or few of whom nobody has one.

    What follows with every share taken out too is not told by coverage: hidden numbers of pupils are judged with all
    measures beside them.
    Parameters: `cells`, as `read_cells` gives them of `tables`; `tier`, whose minimum of pupils is judged; `sound`, as
    `solve` takes it.
    """
    disclosure = registry.data["disclosure"]
    minimum, least = int(disclosure["minimum_pupils"][tier]), int(disclosure["minimum_numerator"])
    found = _read(cells, tables, registry)
    if found is None:
        return []
    size = len(found.n)
    breaches = [*_shown(found, tier, least), *_sent(tables, tier, least)]
    limit = np.concatenate([np.where(found.n == 0, minimum, least), np.full(2 * size, minimum)]).astype(np.float64)
    rule = _Few(limit, np.zeros(3 * size, dtype=bool), np.arange(3 * size) // size == 1)
    try:
        presumed, ranges, given = _given_away(found, cells, tables, registry, rule, sound, _PRESUMED)
        if given:
            given -= _without_shares(cells, tables, registry, rule, sound, presumed)
    except ContradictionError as error:
        return [*breaches, Breach("contradiction", tier, "measure_value", "", "coverage", None, None, 0, (str(error),))]
    for variable in sorted(given):
        low, high, place = float(ranges.low[variable]), float(ranges.high[variable]), variable % size
        breaches.append(
            Breach(
                "exact" if low == high else "primary",
                tier,
                found.table[place],
                found.row_key[place],
                ("pupils without a result", "pupils", "pupils expected")[variable // size],
                low,
                high,
                int(limit[variable]),
                ranges.why.get(variable, ("coverage",)),
            )
        )
    return breaches


def _given_away(
    found: _Numbers,
    cells: Cells,
    tables: Mapping[str, pd.DataFrame],
    registry: Registry,
    rule: _Few,
    sound: SoundParts | None,
    presumed: tuple[_Presumed, ...],
) -> tuple[tuple[_Presumed, ...], Ranges, set[int]]:
    """What of `presumed`, the most first, contradicts nothing; the ranges of all numbers; those that leave too little.

    What is presumed and contradicted is not so: who tries it is told by the contradiction, and no more. Raises
    `ContradictionError` where nothing is left to presume.
    """
    size = len(found.n)
    for tried, presuming in enumerate(presumed):
        system = _system(found, cells, tables, registry, presuming)
        # How many were expected is no secret beside a number with a result that is shown: those without one are.
        secret = (system.low < system.high) & ~np.append(np.zeros(2 * size, dtype=bool), np.isfinite(found.n))
        try:
            ranges = solve(system, secret, rule, sound)
        except ContradictionError:
            continue
        suspects = np.flatnonzero(secret)
        few = rule.of(suspects).given_away(ranges.low[suspects], ranges.high[suspects])
        return presumed[tried:], ranges, set(suspects[few].tolist())
    raise ContradictionError("The shown figures fit no counts, whatever is presumed of them.")


def _without_shares(
    cells: Cells,
    tables: Mapping[str, pd.DataFrame],
    registry: Registry,
    rule: _Few,
    sound: SoundParts | None,
    presumed: tuple[_Presumed, ...],
) -> set[int]:
    """The numbers that are given away where no coverage is shown at all.

    presumed: what the shares contradict must not be presumed here, where nothing contradicts it: by a presumption that
    is not so a number would seem given away anyhow.
    """
    bare = {name: frame.assign(coverage=np.nan) if "coverage" in frame else frame for name, frame in tables.items()}
    for name, sent in tables_of(tables, "coverage"):
        bare[name] = sent[~sent["feed"].eq("assessment_results")]
    bare_cells = replace(cells, values=cells.values.assign(coverage=np.nan))
    found = _read(bare_cells, bare, registry)
    return set() if found is None else _given_away(found, bare_cells, bare, registry, rule, sound, presumed)[2]


def _system(
    found: _Numbers,
    cells: Cells,
    tables: Mapping[str, pd.DataFrame],
    registry: Registry,
    presuming: _Presumed,
) -> System:
    """Every relation of those with and without a result, and what is presumed."""
    size, known = len(found.n), np.isfinite(found.n)
    system = System(
        np.concatenate(
            [
                np.maximum(found.low, found.short) if presuming.too_little else found.low,
                np.where(known, found.n, 1.0),
                np.zeros(size),
            ]
        ),
        np.concatenate([found.high, np.where(known, found.n, np.inf), np.full(size, np.inf)]),
        lambda variable: _WHO[variable // size] + found.row_key[variable % size],
    )
    row = np.arange(size)
    system.add(
        "those with and without a result are those expected",
        np.tile(row, 3),
        np.arange(3 * size),
        np.repeat([1.0, 1.0, -1.0], size),
        0.0,
        0.0,
    )
    _add_sums(system, found, cells, tables)
    _add_same_pupils(system, found, cells, registry, presuming=presuming.same_pupils)
    _add_gaps(system, found, cells, tables)
    _add_status_of_gaps(system, found, cells, tables, registry, too_little=presuming.too_little)
    _add_sent(system, found, cells, tables, registry)
    return system


def _outcomes(registry: Registry) -> dict[str, tuple[str, str]]:
    """Assessment and subject of each measure of results: of one outcome the same pupils were expected."""
    of_models = {model["measure_id"]: model["outcome"] for model in registry.data.get("value_added", [])}
    found = {str(m["measure_id"]): m.get("assessment", of_models.get(m["measure_id"])) for m in registry.measures}
    return {name: (str(o["assessment_id"]), str(o["subject"])) for name, o in found.items() if o}


def _read(cells: Cells, tables: Mapping[str, pd.DataFrame], registry: Registry) -> _Numbers | None:
    """The numbers of every measure of results and what each row shows of them."""
    rows = cells.values[cells.values["measure_id"].isin(set(_outcomes(registry)))]
    if rows.empty:
        return None
    rows = pd.concat([rows, _progress_coverage(rows, tables)], ignore_index=True)
    measures = sorted(set(rows["measure_id"]))
    at = rows["cell"].to_numpy(np.int64), rows["measure_id"].map(measures.index).to_numpy(np.int64)
    of = np.full((len(cells.frame), len(measures)), -1, dtype=np.int64)
    of[at] = 0
    of[of == 0] = np.arange(int((of == 0).sum()))
    variable = of[at]
    count = int(of.max()) + 1
    n, low, high = np.full(count, np.nan), np.zeros(count), np.full(count, np.inf)
    amounts, shares = rows["n"].to_numpy(np.float64), rows["coverage"].to_numpy(np.float64)
    # What its own tier shows stands before what another one does.
    shown = np.flatnonzero(np.isfinite(amounts))[::-1]
    n[variable[shown]] = amounts[shown]
    low[n == 0] = 1.0  # Of whom nobody has a result, somebody was expected: a group of nobody has no row.
    is_ok = np.flatnonzero(_has_status(rows, tables, "ok") & (n[variable] > 0))
    high[variable[is_ok]] = _most_without(n[variable[is_ok]], registry)
    is_short = np.flatnonzero(_has_status(rows, tables, "u") & (n[variable] >= _counted(rows, registry)))
    short = np.zeros(count)
    short[variable[is_short]] = _most_without(n[variable[is_short]], registry) + 1.0
    told = np.flatnonzero((shares > 0) & (n[variable] > 0))[::-1]
    without = n[variable[told]] * (100.0 / shares[told] - 1.0)
    low[variable[told]] = np.maximum(np.floor(without + _ROUNDING), 0.0)
    high[variable[told]] = np.maximum(np.ceil(without - _ROUNDING), 0.0)
    first = dict(reversed(list(zip(variable.tolist(), range(len(rows)), strict=True))))
    table, row_key = rows["table"].tolist(), rows["row_key"].tolist()
    return _Numbers(
        of,
        measures,
        n,
        low,
        high,
        short,
        [table[first[v]] for v in range(count)],
        [row_key[first[v]] for v in range(count)],
    )


def _most_without(scored: Floats, registry: Registry) -> Floats:
    """How many at the most lack a result beside so many who have one, where enough came of what was expected."""
    return np.floor(scored * (100.0 / float(registry.data["coverage"]["withhold_below_percent"]) - 1.0) + 1e-9)


def _counted(rows: pd.DataFrame, registry: Registry) -> Floats:
    """Per row the fewest with a result of whom `u` says that too little came: value added of fewer has it anyway."""
    progress = {str(measure["measure_id"]) for measure in registry.measures if measure["source_model"] == "progress"}
    few = float(registry.data["reliability"]["minimum_pupils_for_progress"])
    return np.where(rows["measure_id"].astype(str).isin(progress), few, 1.0)


def _has_status(rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame], status: str) -> Bools:
    """The rows with a status: `ok` says that enough came of what was expected."""
    having = {
        (name, key)
        for kind in ("measure_value", "progress_school")
        for name, frame in tables_of(tables, kind)
        for key in row_keys(frame[frame["status"].eq(status)], TABLE_KEYS[kind])
    }
    return np.array([pair in having for pair in zip(rows["table"], rows["row_key"], strict=True)], dtype=bool)


def _progress_coverage(rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The rows of progress_school again, with the coverage that they show."""
    shown = {
        (name, key): share
        for name, frame in tables_of(tables, "progress_school")
        for key, share in zip(row_keys(frame, TABLE_KEYS["progress_school"]), numbers(frame, "coverage"), strict=True)
    }
    place = list(zip(rows["table"], rows["row_key"], strict=True))
    own = rows[[pair in shown for pair in place]]
    return own.assign(coverage=[shown[pair] for pair in place if pair in shown])


def _shown(found: _Numbers, tier: str, least: int) -> list[Breach]:
    """Numbers of one or two that a row's own n and coverage show."""
    few = np.flatnonzero((found.low == found.high) & (found.low >= 1) & (found.low < least))
    return [
        Breach(
            "exact",
            tier,
            found.table[variable],
            found.row_key[variable],
            "pupils without a result",
            float(found.low[variable]),
            float(found.low[variable]),
            least,
            ("coverage is the number of pupils out of those expected",),
        )
        for variable in few.tolist()
    ]


def _sent(tables: Mapping[str, pd.DataFrame], tier: str, least: int) -> list[Breach]:
    """The same of the results that a school sent."""
    found = []
    for name, sent in tables_of(tables, "coverage"):
        lacking = numbers(sent, "expected") - numbers(sent, "received")
        few = sent["feed"].eq("assessment_results").to_numpy(bool) & (lacking >= 1) & (lacking < least)
        few &= numbers(sent, "received") > 0
        keys = row_keys(sent, TABLE_KEYS["coverage"]).to_numpy()
        found += [
            Breach(
                "exact", tier, name, str(key), "results that lack", float(lack), float(lack), least, ("the row itself",)
            )
            for key, lack in zip(keys[few], lacking[few], strict=True)
        ]
    return found


def _add_sums(system: System, found: _Numbers, cells: Cells, tables: Mapping[str, pd.DataFrame]) -> None:
    """Groups add up to everybody and schools to their units: those with a result, and so those without one."""
    size = len(found.n)
    for lines in (*group_lines(cells), *unit_lines(cells, members(tables))):
        for measure in range(len(found.measures)):
            _add_lines(system, found, lines, measure, size)


def _add_lines(system: System, found: _Numbers, lines: Lines, measure: int, size: int) -> None:
    part, total = found.of[lines.part, measure], found.of[lines.total, measure]
    use = (part >= 0) & (total >= 0)
    if not use.any():
        return
    _, first, row = np.unique(lines.line[use], return_index=True, return_inverse=True)
    row, part, total = row.astype(np.int64), part[use], total[use][first]
    # Where those with a result do not add up, a part has no row: then nothing is known of those without one.
    lack = found.n[total] - np.bincount(row, np.nan_to_num(found.n[part]), len(first))
    is_open = np.bincount(row, np.isnan(found.n[part]), len(first)) > 0
    holds = np.isnan(found.n[total]) | (np.abs(lack) < 0.5) | (is_open & (lack > 0))
    kept = holds[row]
    number = np.cumsum(holds) - 1
    rows = np.concatenate([number[row[kept]], np.arange(int(holds.sum()))])
    for offset, who in ((0, "without"), (size, "with")):
        system.add(
            f"{lines.name}: pupils {who} a result",
            rows,
            np.concatenate([part[kept], total[holds]]) + offset,
            np.concatenate([-np.ones(int(kept.sum())), np.ones(int(holds.sum()))]),
            0.0,
            0.0,
        )


def _add_same_pupils(system: System, found: _Numbers, cells: Cells, registry: Registry, *, presuming: bool) -> None:
    """Of two measures of one outcome the same pupils were expected: with and without a result they are as many.

    Of two subjects of one assessment it is presumed, but of a unit of which any two shown figures differ.
    """
    outcomes, size = _outcomes(registry), len(found.n)
    of_models = {str(model["measure_id"]) for model in registry.data.get("value_added", [])}
    unit = cells.frame.groupby(["academic_year", "level", "unit_code"], sort=False).ngroup().to_numpy(np.int64)
    expected = np.where(found.low == found.high, found.n + found.low, np.nan)
    for one, other in combinations(range(len(found.measures)), 2):
        names = found.measures[one], found.measures[other]
        subjects = [outcomes[name] for name in names]
        both = (found.of[:, one] >= 0) & (found.of[:, other] >= 0)
        if subjects[0] != subjects[1]:
            differ = both & (np.abs(expected[found.of[:, one]] - expected[found.of[:, other]]) > 0.5)
            both &= ~np.isin(unit, unit[differ])
            why = "the same pupils are presumed to be expected of two subjects of one assessment"
            if not presuming or subjects[0][0] != subjects[1][0]:
                continue
        else:
            why = "the same pupils were expected of two measures of one assessment"
        if not both.any():
            continue
        first, second = found.of[both, one], found.of[both, other]
        row, count = np.arange(len(first)), len(first)
        system.add(
            why,
            np.tile(row, 4),
            np.concatenate([first, first + size, second, second + size]),
            np.repeat([1.0, 1.0, -1.0, -1.0], count),
            0.0,
            0.0,
        )
        if subjects[0] == subjects[1] and (names[0] in of_models) != (names[1] in of_models):
            inner, outer = (first, second) if names[0] in of_models else (second, first)
            system.add(
                "who has value added has a score",
                np.tile(row, 2),
                np.concatenate([outer + size, inner + size]),
                np.repeat([1.0, -1.0], count),
                0.0,
                np.inf,
            )


def _add_gaps(system: System, found: _Numbers, cells: Cells, tables: Mapping[str, pd.DataFrame]) -> None:
    """The coverage of a gap is that of both its sides together."""
    for name, gaps in tables_of(tables, "gap"):
        share = numbers(gaps, "coverage")
        counted = numbers(gaps, "n_group") + numbers(gaps, "n_comparator")
        chosen = (share > 0) & (counted > 0)
        without = counted[chosen] * (100.0 / share[chosen] - 1.0)
        low = np.maximum(np.floor(without + _ROUNDING), 0.0)
        high = np.maximum(np.ceil(without - _ROUNDING), 0.0)
        _add_both_sides(
            system, f"{name}: coverage of both sides together", gaps[chosen], found, cells, low=low, high=high
        )


def _add_status_of_gaps(
    system: System,
    found: _Numbers,
    cells: Cells,
    tables: Mapping[str, pd.DataFrame],
    registry: Registry,
    *,
    too_little: bool,
) -> None:
    """The status of a gap says whether enough came of both its sides together, whatever of its coverage is hidden."""
    for name, gaps in tables_of(tables, "gap"):
        sides = numbers(gaps, "n_group"), numbers(gaps, "n_comparator")
        fewer = np.minimum(*sides)
        is_short = gaps["status"].eq("u").to_numpy(bool) & (fewer >= _counted(gaps, registry)) & too_little
        chosen = (fewer > 0) & (gaps["status"].eq("ok").to_numpy(bool) | is_short)
        most = _most_without((sides[0] + sides[1])[chosen], registry)
        low, high = np.where(is_short[chosen], most + 1.0, 0.0), np.where(is_short[chosen], np.inf, most)
        why = f"{name}: the status says whether enough came of both sides together"
        _add_both_sides(system, why, gaps[chosen], found, cells, low=low, high=high)


def _add_both_sides(
    system: System, why: str, gaps: pd.DataFrame, found: _Numbers, cells: Cells, *, low: Floats, high: Floats
) -> None:
    """How many lack a result at both sides of each gap of results together: `low` to `high`, one per gap."""
    chosen = gaps["measure_id"].astype(str).isin(found.measures).to_numpy(bool)
    rows = gaps[chosen]
    if rows.empty:
        return
    measure = rows["measure_id"].astype(str).map(found.measures.index).to_numpy(np.int64)
    sides = [cells.find(rows[CELL]), cells.find(rows.assign(group_value=rows["comparator"])[CELL])]
    variables = [np.where(side >= 0, found.of[side, measure], -1) for side in sides]
    size = len(rows)
    system.add(
        why, np.tile(np.arange(size), 2), np.concatenate(variables), np.ones(2 * size), low[chosen], high[chosen]
    )


def _add_sent(
    system: System, found: _Numbers, cells: Cells, tables: Mapping[str, pd.DataFrame], registry: Registry
) -> None:
    """What a school did not send of the results expected are its pupils without one, over the measures."""
    urns = urn_of_school(tables)
    attainment = [
        found.measures.index(str(m["measure_id"]))
        for m in registry.measures
        if m["source_model"] == "attainment" and m["measure_id"] in found.measures
    ]
    for name, sent in tables_of(tables, "coverage"):
        lacking = numbers(sent, "expected") - numbers(sent, "received")
        chosen = sent["feed"].eq("assessment_results").to_numpy(bool) & np.isfinite(lacking)
        rows = sent[chosen]
        if rows.empty or not attainment:
            continue
        everybody = dict.fromkeys(("group_definition", "group_dimension", "group_value"), "all")
        cell = cells.find(
            rows[["academic_year", "period"]].assign(
                level="school", unit_code=[urns.get(str(key), str(key)) for key in rows["school_key"]], **everybody
            )
        )
        variables = np.where(cell[:, None] >= 0, found.of[cell][:, attainment], -1)
        present = variables >= 0
        came = np.where(present, found.n[np.maximum(variables, 0)], 0.0).sum(axis=1)
        whole = present.any(axis=1) & (np.isnan(came) | (np.abs(came - numbers(rows, "received")) < 0.5))
        variables = np.where(whole[:, None], variables, -1)
        system.add(
            f"{name}: results expected and not received",
            np.repeat(np.arange(len(rows)), len(attainment)),
            variables.ravel(),
            np.ones(variables.size),
            lacking[chosen],
            lacking[chosen],
        )
