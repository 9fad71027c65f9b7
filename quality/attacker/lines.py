"""How cells add up: groups to everybody, crossings to their margins, schools to their units, periods to the year."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from quality.attacker.cells import CELL, YEAR_TO_DATE, Cells, Quantity, tables_of, urn_of_school

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

CROSSING = "×"
# The terms of the school year in order, as periods are named; those of them that a table has add up to its year.
TERMS = ("AUT", "SPR", "SUM", "SUM1", "SUM2")
CUMULATIVE = {"Y5": ("AUT", "SPR", "SUM1"), "Y6": TERMS}
HALVES = {"AUT": ("HT1", "HT2"), "SPR": ("HT3", "HT4"), "SUM1": ("HT5",), "SUM2": ("HT6",)}
# Two names of one span of time; six half-terms have figures once the year is over.
SAME_SPAN = ((YEAR_TO_DATE, "Y6"), ("SUM1", "HT5"), ("SUM2", "HT6"))


@dataclass(frozen=True)
class Lines:
    """Sums of cells: total = sum of parts. One entry per part; line numbers from 0.

    name: the sort of sum; by_definition: whether it must hold, rather than being found to hold in what is shown.
    """

    name: str
    line: Integers
    part: Integers
    total: Integers
    by_definition: bool = True


def group_lines(cells: Cells) -> list[Lines]:
    """Every group of a dimension within everybody, and crossed groups within the groups of each of their sides."""
    frame = cells.frame.assign(cell=np.arange(len(cells.frame)))
    unit = ["academic_year", "period", "level", "unit_code"]
    everybody = frame[frame["group_dimension"].eq("all")]
    groups = frame[frame["group_dimension"].ne("all")]
    found = [
        _lines(
            "the groups add up to everybody",
            groups.merge(everybody[[*unit, "cell"]], on=unit, suffixes=("", "_total")),
            ["group_definition", "group_dimension"],
        )
    ]
    crossed = groups[groups["group_dimension"].str.contains(CROSSING, regex=False)]
    for side in (0, 1):
        if len(crossed):
            margin = crossed.assign(
                group_dimension=crossed["group_dimension"].str.split(CROSSING).str[side],
                group_value=crossed["group_value"].str.split(CROSSING).str[side],
                crossing=crossed["group_dimension"],
            )
            on = [*unit, "group_dimension", "group_value"]
            found.append(
                _lines(
                    "the crossed groups add up to their margin",
                    margin.merge(groups[[*on, "cell"]], on=on, suffixes=("", "_total")),
                    ["crossing"],
                )
            )
    return [lines for lines in found if lines is not None]


def members(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Which school is in which unit: columns unit_code (URN or school key), parent_level, parent_code."""
    frames = []
    for _, schools in tables_of(tables, "dim_school"):
        for level, columns in (
            ("trust", ("trust_code", "trust_name", "trust")),
            ("la", ("la_code", "la")),
            ("region", ("region_code", "region_name")),
        ):
            for column in columns:
                if column in schools:
                    for code in ("urn", "school_key"):
                        one = schools.loc[schools[column].notna(), [code, column]].astype(str)
                        frames.append(one.set_axis(["unit_code", "parent_code"], axis=1).assign(parent_level=level))
    columns_of = ["unit_code", "parent_level", "parent_code"]
    return pd.concat(frames)[columns_of].drop_duplicates() if frames else pd.DataFrame(columns=columns_of)


def unit_lines(cells: Cells, membership: pd.DataFrame) -> list[Lines]:
    """Every trust, authority and region as the sum of its schools."""
    frame = cells.frame.assign(cell=np.arange(len(cells.frame)))
    schools = frame[frame["level"].eq("school")].merge(membership, on="unit_code")
    above = frame.rename(columns={"level": "parent_level", "unit_code": "parent_code"})
    on = [column for column in CELL if column not in ("level", "unit_code")] + ["parent_level", "parent_code"]
    # A school goes by one code in the figures: by both, where URN and school key are the same, it is one part still.
    joined = schools.merge(above[[*on, "cell"]], on=on, suffixes=("", "_total")).drop_duplicates(["cell", "cell_total"])
    lines = _lines("the schools add up to the unit they are in", joined, [])
    return [] if lines is None else [lines]


def told_by_totals(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Units' periods of which totals tell a term: columns academic_year, whole, level, unit_code, breaks_halves.

    Coverage has a row for them by feed, hidden or not. A half of the summer is told whole; of autumn and spring a total
    does not say which half its sessions lie in.
    """
    urns = urn_of_school(tables)
    found = [
        rows[rows["feed"].eq("attendance_totals")][["academic_year", "period", "school_key"]].astype(str)
        for _, rows in tables_of(tables, "coverage")
    ]
    columns = ["academic_year", "whole", "level", "unit_code", "breaks_halves"]
    if not sum(map(len, found)):
        return pd.DataFrame(columns=columns)
    own = pd.concat(found).drop_duplicates()
    own = own.assign(level="school", unit_code=[urns.get(key, key) for key in own["school_key"]], whole=own["period"])
    above = own.drop(columns="level").merge(members(tables), on="unit_code")
    above = above.assign(unit_code=above["parent_code"], level=above["parent_level"])
    every = pd.concat([own, above])
    divided = every[every["period"].isin(term for term, halves in HALVES.items() if len(halves) > 1)]
    place = ["academic_year", "level", "unit_code"]
    terms = divided.groupby(place, sort=True)["period"].agg(frozenset).to_dict()
    within = {YEAR_TO_DATE: set(HALVES), "Y6": set(HALVES), "Y5": set(CUMULATIVE["Y5"])}
    breaks = [
        bool(within.get(row["whole"], {row["whole"]}) & terms.get(tuple(row[name] for name in place), frozenset()))
        for row in every.to_dict("records")
    ]
    return every.assign(breaks_halves=breaks)[columns].drop_duplicates().reset_index(drop=True)


def period_lines(cells: Cells, nested: pd.DataFrame, by_totals: pd.DataFrame) -> list[Lines]:
    """Every longer period as the sum of what lies within it; one sort of sum per year, whole and sort of part.

    by_totals: as `told_by_totals` gives it; weeks and half-terms do not add up to what totals tell.
    """
    broken = {
        (str(row["academic_year"]), str(row["whole"]), sort, str(row["level"]), str(row["unit_code"]))
        for row in by_totals.to_dict("records")
        for sort in (("weeks", "half-terms") if row["breaks_halves"] else ("weeks",))
    }
    frame = cells.frame.assign(cell=np.arange(len(cells.frame)))
    found = []
    on = [column for column in CELL if column != "period"]
    for (year, whole, sort), pairs in nested.groupby(["academic_year", "whole", "sort"], sort=True):
        parts = frame[frame["academic_year"].eq(str(year)) & frame["period"].isin(pairs["part"])]
        wholes = frame[frame["academic_year"].eq(str(year)) & frame["period"].eq(str(whole))]
        places = zip(wholes["level"], wholes["unit_code"], strict=True)
        wholes = wholes[[(str(year), str(whole), str(sort), *map(str, place)) not in broken for place in places]]
        lines = _lines(
            f"the {sort} of {year} add up to {whole}",
            parts.merge(wholes[[*on, "cell"]], on=on, suffixes=("", "_total")),
            [],
            by_definition=False,
        )
        if lines is not None:
            found.append(lines)
    return found


def renamed_lines(cells: Cells, by_totals: pd.DataFrame) -> list[Lines]:
    """Every figure of a period that has two names: the one is the other."""
    frame = cells.frame.assign(cell=np.arange(len(cells.frame)))
    on = [column for column in CELL if column != "period"]
    pairs = [
        frame[frame["academic_year"].eq(year) & frame["period"].eq(also)].merge(
            frame.loc[frame["period"].eq(period), [*on, "cell"]], on=on, suffixes=("", "_total")
        )
        for year, period, also in _same_spans(cells, by_totals)
    ]
    lines = _lines("two names of one period", pd.concat(pairs), ["period"]) if pairs else None
    return [] if lines is None else [lines]


def _same_spans(cells: Cells, by_totals: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Year and two names of one span: those that are always, and those of which the same half-terms are told so far.

    Totals must tell the same terms of both.
    """
    values = cells.values
    is_told = values["period"].str.startswith("HT") & (values["hidden"].astype(bool) | values["n"].gt(0))
    every = tuple(half for halves in HALVES.values() for half in halves)
    held = {YEAR_TO_DATE: every, "Y6": every, "Y5": every[:-1], **HALVES, **{half: (half,) for half in every}}
    found = []
    for year, periods in cells.frame.groupby("academic_year", sort=True)["period"]:
        there, told = set(periods), set(values.loc[is_told & values["academic_year"].eq(year), "period"])
        so_far: dict[str, set[str]] = {
            name: told.intersection(halves) for name, halves in held.items() if name in there
        }
        terms = set(by_totals.loc[by_totals["academic_year"].eq(year), "whole"]).intersection(HALVES)
        for name, halves in so_far.items():
            halves |= {term for term in terms if set(HALVES[term]).issubset(held[name])}
        same = {pair for pair in SAME_SPAN if there.issuperset(pair)}
        same |= {
            (one, other)
            for one, other in combinations(sorted(so_far), 2)
            if so_far[one] and so_far[one] == so_far[other] and (other, one) not in same
        }
        found += [(str(year), one, other) for one, other in sorted(same)]
    return found


def nested_periods(cells: Cells, known: Floats, sessions: Quantity | None, by_totals: pd.DataFrame) -> pd.DataFrame:
    """Which periods lie within which: columns academic_year, whole, part, sort (terms, half-terms, weeks).

    The public tables do not date the terms: a term's weeks are those in a row whose shown sessions add up to its own.
    known: the count of each variable, NaN where it is not shown.
    """
    rows: list[tuple[str, str, str, str]] = []
    for year, frame in cells.frame.groupby("academic_year", sort=True):
        periods = set(frame["period"])
        weeks = sorted(period for period in periods if period.startswith("W"))
        terms = [term for term in TERMS if term in periods]
        wholes = {
            YEAR_TO_DATE: terms,
            **{whole: [t for t in parts if t in terms] for whole, parts in CUMULATIVE.items()},
        }
        for whole, parts in wholes.items():
            if whole in periods:
                rows += [(str(year), whole, part, "terms") for part in parts]
                halves = [half for part in parts for half in HALVES.get(part, ()) if half in periods]
                rows += [(str(year), whole, half, "half-terms") for half in halves]
        for term in terms:
            rows += [(str(year), term, half, "half-terms") for half in HALVES.get(term, ()) if half in periods]
        if YEAR_TO_DATE in periods:
            rows += [(str(year), YEAR_TO_DATE, week, "weeks") for week in weeks]
        if sessions is None or not weeks:
            continue
        everybody = frame[frame["group_dimension"].eq("all")]
        variables = cells.variables_of(everybody.index.to_numpy(np.int64), sessions)
        amounts = everybody.assign(amount=np.where(variables >= 0, known[variables], np.nan))
        # To what totals tell no weeks add up.
        amounts = amounts.merge(
            by_totals.rename(columns={"whole": "period"}).drop(columns="breaks_halves"),
            on=["academic_year", "period", "level", "unit_code"],
            how="left",
            indicator="told",
        )
        amounts.loc[amounts["told"].eq("both"), "amount"] = np.nan
        table = amounts.pivot_table(index=["level", "unit_code"], columns="period", values="amount", aggfunc="first")
        halves = sorted(period for period in periods if period.startswith("HT"))
        # A period of which every amount is hidden is a column that pandas leaves out.
        table = table.reindex(columns=sorted({*table.columns, *weeks, *terms, *halves}))
        for shorter in (terms, halves):
            rows += [(str(year), period, week, "weeks") for period, week in weeks_in(table, weeks, shorter)]
    return pd.DataFrame(rows, columns=["academic_year", "whole", "part", "sort"])


def weeks_in(table: pd.DataFrame, weeks: list[str], periods: list[str]) -> Iterator[tuple[str, str]]:
    """Each period with its weeks: those in a row whose sessions come to the period's wherever both are shown.

    Where weeks are alike several rows of them fit. The periods follow one another, so a period's is the first that
    begins after the one before; where that is not known, the only one.
    table: sessions by place, a column per week and period. periods: in their order.
    """
    after: int | None = 0
    for period in periods:
        complete = table.dropna(subset=[*weeks, period])
        sums = np.cumsum(complete[weeks].to_numpy(np.float64), axis=1)
        sums = np.concatenate([np.zeros((len(sums), 1)), sums], axis=1)
        fits = np.all(
            np.abs(sums[:, None, :] - sums[:, :, None] - complete[period].to_numpy()[:, None, None]) < 0.5, axis=0
        )
        starts, ends = np.nonzero(fits) if len(complete) else (np.zeros(0, dtype=np.int64),) * 2
        chosen = np.arange(len(starts))[: int(len(starts) == 1)] if after is None else np.flatnonzero(starts >= after)
        if not len(chosen):
            after = None
            continue
        yield from ((period, week) for week in weeks[starts[chosen[0]] : ends[chosen[0]]])
        after = int(ends[chosen[0]])


def _lines(name: str, entries: pd.DataFrame, by: list[str], by_definition: bool = True) -> Lines | None:
    if entries.empty:
        return None
    line = np.asarray(entries.groupby(["cell_total", *by], sort=True).ngroup(), dtype=np.int64)
    return Lines(
        name, line, entries["cell"].to_numpy(np.int64), entries["cell_total"].to_numpy(np.int64), by_definition
    )
