"""Every sum among cells: groups within all pupils, crossings' margins, schools within units, periods, tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

GROUPS, MARGIN, SCHOOLS, PERIODS, SAME, MODEL = "groups", "margin", "schools", "periods", "same", "model"
RENAMED = "renamed"
_CROSSING = "×"
_UNIT = ["family", "table_name", "period", "level", "unit_code"]
_GROUP = ["group_definition", "group_dimension", "group_value"]


@dataclass(frozen=True)
class Lines:
    """Additive lines: 0 = sum of sign x amount over the entries of a line; the total has sign 1, a part -1.

    line, cell, sign: one entry each per cell of a line. kind: of each line.
    """

    line: Integers
    cell: Integers
    sign: Floats
    kind: NDArray[np.object_]

    @property
    def count(self) -> int:
        return len(self.kind)


def unit_parents(cells: pd.DataFrame, schools: pd.DataFrame) -> pd.DataFrame:
    """unit_code of a school, level and code of a trust or authority it is in; a school goes by URN or by school key.

    Raises `ValueError` for a trust or authority none of whose schools is known: its sum could not be protected.
    """
    by_code = pd.concat(
        [
            schools.assign(unit_code=schools["urn"].astype(str)),
            schools.assign(unit_code=schools["school_key"].astype(str)),
        ]
    ).drop_duplicates(["unit_code"])
    parents = pd.concat(
        [
            by_code.loc[by_code[level].notna(), ["unit_code", level]]
            .rename(columns={level: "parent_code"})
            .assign(parent_level=level)
            for level in ("trust", "la")
        ]
    ).astype(str)
    units = cells.loc[cells["level"].isin(["trust", "la"]), ["level", "unit_code"]].drop_duplicates()
    known = set(zip(parents["parent_level"], parents["parent_code"], strict=True))
    orphans = sorted(set(zip(units["level"], units["unit_code"], strict=True)) - known)
    if orphans:
        level, code = orphans[0]
        raise ValueError(
            f"marts.dim_school has no school of {level} {code}, so its figures cannot be protected; rebuild it."
        )
    return parents


def sort_of_period(period: str) -> str:
    """The sort of a part of a longer period: the weeks of a term add up to it, and so do its half-terms."""
    return "week" if period.startswith("W") else "half-term" if period.startswith("HT") else "term"


def broken_sums(by_totals: pd.DataFrame) -> set[tuple[str, str, str, str]]:
    """Whole, sort of part, level and unit code of the periods that parts of the sort do not add up to."""
    columns = by_totals[["whole", "level", "unit_code", "breaks_halves"]].itertuples(index=False, name=None)
    return {
        (whole, sort, level, code)
        for whole, level, code, breaks_halves in columns
        for sort in (("week", "half-term") if breaks_halves else ("week",))
    }


def additive_lines(
    cells: pd.DataFrame,
    schools: pd.DataFrame,
    periods: pd.DataFrame,
    renamed: pd.DataFrame | None = None,
    by_totals: pd.DataFrame | None = None,
) -> Lines:
    """Every sum among the cells of one year, along each of its families by itself.

    cells: family and the columns of CELL, one row per cell. periods: family, whole, part, for families that add up over
    time. renamed: period, also: two names of one span of time, whose figures are one. by_totals: as in `Marts`, of the
    year: no line is drawn from weeks or half-terms of a unit to a period of which totals tell. What such a line would
    say follows from the schools that have registers, whose lines stand, and from the sums over schools.
    Raises `ValueError` as `unit_parents` does.
    """
    cells = cells.assign(cell=np.arange(len(cells)))
    everybody = cells[cells["group_dimension"].eq("all")]
    groups = cells[cells["group_dimension"].ne("all")]
    tables = cells[cells["table_name"].ne("measure_value")]
    values = cells[cells["table_name"].eq("measure_value")]

    kinds: list[tuple[str, list[str], pd.DataFrame]] = []
    within_all = groups.merge(everybody[[*_UNIT, "cell"]], on=_UNIT, suffixes=("", "_total"))
    kinds.append((GROUPS, ["group_definition", "group_dimension"], within_all))
    crossed = groups[groups["group_dimension"].str.contains(_CROSSING, regex=False)]
    for side in (0, 1):
        if len(crossed):
            margin = crossed.assign(
                group_dimension=crossed["group_dimension"].str.split(_CROSSING).str[side],
                group_value=crossed["group_value"].str.split(_CROSSING).str[side],
                crossing=crossed["group_dimension"],
            )
            on = [*_UNIT, "group_dimension", "group_value"]
            kinds.append((MARGIN, ["crossing"], margin.merge(groups[[*on, "cell"]], on=on, suffixes=("", "_total"))))
    members = values[values["level"].eq("school")].merge(unit_parents(cells, schools), on="unit_code")
    above = values.rename(columns={"level": "parent_level", "unit_code": "parent_code"})
    on = ["family", "period", *_GROUP, "parent_level", "parent_code"]
    kinds.append((SCHOOLS, [], members.merge(above[[*on, "cell"]], on=on, suffixes=("", "_total"))))
    parts = values.merge(periods, left_on=["family", "period"], right_on=["family", "part"])
    on = ["family", "level", "unit_code", *_GROUP]
    wholes = values[[*on, "period", "cell"]].rename(columns={"period": "whole"})
    # A year is the sum of its terms, of its half-terms and also of its weeks: three lines, not one.
    parts = parts.assign(sort=[sort_of_period(str(period)) for period in parts["period"]])
    parts = parts.merge(wholes, on=[*on, "whole"], suffixes=("", "_total"))
    if by_totals is not None and len(by_totals):
        broken = broken_sums(by_totals)
        places = zip(parts["whole"], parts["sort"], parts["level"], parts["unit_code"], strict=True)
        parts = parts[[place not in broken for place in places]]
    kinds.append((PERIODS, ["sort"], parts))
    if renamed is not None:
        again = values.rename(columns={"period": "also"}).merge(renamed, on="also")
        one = values[[*on, "period", "cell"]]
        kinds.append((RENAMED, ["also"], again.merge(one, on=[*on, "period"], suffixes=("", "_total"))))
    # A school's row in progress_school is the school's cell itself; the model's number of pupils is their sum.
    progress = tables[tables["level"].eq("school")]
    of_schools = values.loc[values["level"].eq("school"), ["family", "unit_code", *_GROUP, "cell"]]
    same = progress.merge(of_schools, on=["family", "unit_code", *_GROUP], suffixes=("", "_total"))
    kinds.append((SAME, ["cell"], same))
    model = tables[tables["level"].eq("model")]
    kinds.append((MODEL, [], progress.merge(model[["family", "cell"]], on="family", suffixes=("", "_total"))))

    line_parts: list[Integers] = [np.zeros(0, dtype=np.int64)]
    cell_parts: list[Integers] = [np.zeros(0, dtype=np.int64)]
    sign_parts: list[Floats] = [np.zeros(0)]
    kind_of_line: list[str] = []
    for kind, by, entries in kinds:
        if entries.empty:
            continue
        number = entries.groupby(["cell_total", *by], sort=True).ngroup().to_numpy(np.int64)
        totals = entries["cell_total"].groupby(number).first().to_numpy(np.int64)
        first = len(kind_of_line)
        line_parts += [np.asarray(number + first, dtype=np.int64), np.arange(len(totals), dtype=np.int64) + first]
        cell_parts += [entries["cell"].to_numpy(np.int64), totals]
        sign_parts += [np.full(len(entries), -1.0), np.full(len(totals), 1.0)]
        kind_of_line += [kind] * len(totals)
    line, cell, sign = np.concatenate(line_parts), np.concatenate(cell_parts), np.concatenate(sign_parts)
    order = np.lexsort((cell, line))
    return Lines(line[order], cell[order], sign[order], np.array(kind_of_line, dtype=object))


def refuse_contradictions(cells: pd.DataFrame, amount: Floats, exact: Bools, lines: Lines) -> None:
    """Raises `ValueError` naming the table whose parts come to more than their total.

    exact: cells whose amount is an exact sum (a count of distinct pupils is not, over schools). Less than the total is
    no contradiction: a part may have no row.
    """
    sums = np.bincount(lines.line, lines.sign * amount[lines.cell], lines.count)
    is_exact = np.bincount(lines.line, ~exact[lines.cell], lines.count) == 0
    checked = np.isin(lines.kind, [GROUPS, MARGIN, MODEL]) | (np.isin(lines.kind, [SCHOOLS]) & is_exact)
    wrong = np.flatnonzero(checked & (sums < -0.5))
    unequal = np.flatnonzero(np.isin(lines.kind, [SAME, RENAMED]) & (np.abs(sums) > 0.5))
    if len(wrong) or len(unequal):
        line = (wrong if len(wrong) else unequal)[0]
        total = lines.cell[(lines.line == line) & (lines.sign > 0)][0]
        cell = cells.iloc[total]
        raise ValueError(
            f"marts.{cell['table_name']} contradicts itself: {cell['family']}, {cell['period']}, {cell['level']} "
            f"{cell['unit_code']} is not what its {lines.kind[line]} add up to; rebuild the marts before publishing."
        )
