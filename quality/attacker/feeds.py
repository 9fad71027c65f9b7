"""What registers and what totals brought of one school and period, and what the two tell of each other over the terms.

Where totals stand in place of registers, coverage has a row for either feed. What came of a school is the sum of both;
a year is the sum of its terms, feed by feed; and the coverage of the school's own figure is the share of what was
expected of registers that came by both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from ingest.registry import Registry
from quality.attacker.breach import Breach
from quality.attacker.cells import (
    ATTENDANCE,
    TABLE_KEYS,
    YEAR_TO_DATE,
    family_of,
    is_hidden,
    numbers,
    row_keys,
    tables_of,
    urn_of_school,
)
from quality.attacker.lines import CUMULATIVE, HALVES, SAME_SPAN, TERMS

REGISTERS, TOTALS = "session_marks", "attendance_totals"
_LEAST = 0.5  # of a session: less is what rounding leaves
# A figure of a feed in a period, of one school and year: feed, period, `expected` or `received`.
_Cell = tuple[str, str, str]
_Sum = tuple[dict[_Cell, float], float, str]


def by_both_feeds(coverage: pd.DataFrame) -> pd.DataFrame:
    """Coverage with what totals brought among what came of registers.

    It is unknown where a row of either is hidden, and where nothing says what was expected.
    """
    place = ["academic_year", "period", "school_key"]
    totals = coverage.loc[coverage["feed"].eq(TOTALS), place].assign(
        of_totals=numbers(coverage, "received")[coverage["feed"].eq(TOTALS)],
        due=numbers(coverage, "expected")[coverage["feed"].eq(TOTALS)],
    )
    if totals.empty:
        return coverage
    joined = coverage.merge(totals.drop_duplicates(place), on=place, how="left", indicator="told")
    both = joined["feed"].eq(REGISTERS) & joined["told"].eq("both")
    received = numbers(joined, "received")
    of_totals = np.where(np.isfinite(joined["due"].to_numpy(np.float64)), joined["of_totals"], np.nan)
    joined["received"] = np.where(both, received + of_totals, received)
    return joined[list(coverage.columns)]


def feeds_told(tables: Mapping[str, pd.DataFrame], registry: Registry, tier: str) -> list[Breach]:
    """Breaches by which a hidden row of a feed follows from its other terms, or from the other feed and the coverage of
    the school's figure, of the schools and years of which totals count.
    """
    limit = int(registry.data["disclosure"]["minimum_pupils"][tier])
    urns, breaches = urn_of_school(tables), []
    shares = _shares(tables, registry)
    for name, table in tables_of(tables, "coverage"):
        rows = table[table["feed"].isin([REGISTERS, TOTALS])]
        rows = rows.assign(
            row_key=row_keys(rows, TABLE_KEYS["coverage"]),
            hidden=is_hidden(rows),
            expected=numbers(rows, "expected"),
            received=numbers(rows, "received"),
        )
        told = rows.loc[rows["feed"].eq(TOTALS), ["academic_year", "school_key"]].drop_duplicates()
        for (year, school), mine in rows.merge(told).groupby(["academic_year", "school_key"], sort=True):
            known: dict[_Cell, float] = {}
            key_of: dict[_Cell, str] = {}
            for row in mine.to_dict("records"):
                for column in ("expected", "received"):
                    cell = (str(row["feed"]), str(row["period"]), column)
                    if np.isfinite(row[column]):
                        known[cell] = float(row[column])
                    if row["hidden"]:
                        key_of[cell] = str(row["row_key"])
            unit = urns.get(str(school), str(school))
            of_school = {period: share for (y, code, period), share in shares.items() if (y, code) == (str(year), unit)}
            for cell, (value, why) in _solved(known, key_of, of_school).items():
                if cell in key_of and value > _LEAST:
                    quantity = f"sessions {cell[2]} by {cell[0]}"
                    value = round(value, 3)
                    breaches.append(Breach("exact", tier, name, key_of[cell], quantity, value, value, limit, (why,)))
    return breaches


def _shares(tables: Mapping[str, pd.DataFrame], registry: Registry) -> dict[tuple[str, str, str], float]:
    """The coverage shown of each school's attendance, by year, unit code and period."""
    attendance = {str(measure["measure_id"]) for measure in registry.measures if family_of(measure) == ATTENDANCE}
    found: dict[tuple[str, str, str], float] = {}
    for _, values in tables_of(tables, "measure_value"):
        own = values[
            values["level"].eq("school")
            & values["group_dimension"].eq("all")
            & values["measure_id"].astype(str).isin(attendance)
        ]
        for row, share in zip(own.to_dict("records"), numbers(own, "coverage"), strict=True):
            if np.isfinite(share):
                found[(str(row["academic_year"]), str(row["unit_code"]), str(row["period"]))] = float(share)
    return found


def _sums(cells: set[_Cell], shares: Mapping[str, float], known: Mapping[_Cell, float]) -> Iterator[_Sum]:
    """Sums that hold: coefficients of cells, what they come to, and why."""
    for feed in (REGISTERS, TOTALS):
        for column in ("expected", "received"):
            here = {period for of_feed, period, of_column in cells if (of_feed, of_column) == (feed, column)}
            for whole, parts in {YEAR_TO_DATE: TERMS, **CUMULATIVE}.items():
                within = [term for term in parts if term in here]
                if whole in here and within:
                    entries = {(feed, whole, column): -1.0, **{(feed, term, column): 1.0 for term in within}}
                    yield entries, 0.0, f"{feed}: the terms add up to {whole}"
            for one, other in SAME_SPAN:
                if {one, other} <= here:
                    yield {(feed, one, column): 1.0, (feed, other, column): -1.0}, 0.0, f"{feed}: {one} is {other}"
            for term, halves in HALVES.items():
                if feed == REGISTERS and len(halves) > 1 and term in here and {*halves} & here:
                    parts_of = {(feed, half, column): 1.0 for half in halves if half in here}
                    yield {(feed, term, column): -1.0, **parts_of}, 0.0, f"{feed}: the half-terms add up to {term}"
    for period, share in shares.items():
        due = known.get((REGISTERS, period, "expected"))
        if due is not None:
            came = {
                (feed, period, "received"): 1.0 for feed in (REGISTERS, TOTALS) if (feed, period, "received") in cells
            }
            yield came, share * due / 100.0, f"coverage of {period} is what came by both feeds of what was expected"


def _solved(
    known: Mapping[_Cell, float], hidden: Mapping[_Cell, str], shares: Mapping[str, float]
) -> dict[_Cell, tuple[float, str]]:
    """Hidden cells that sums with one unknown leave, one after the other, with the reason of each."""
    found: dict[_Cell, tuple[float, str]] = {}
    values, cells = dict(known), {*known, *hidden}
    while True:
        before = len(values)
        for entries, total, why in _sums(cells, shares, values):
            unknown = [cell for cell in entries if cell not in values]
            if len(unknown) == 1:
                rest = sum(by * values[cell] for cell, by in entries.items() if cell != unknown[0])
                values[unknown[0]] = (total - rest) / entries[unknown[0]]
                found[unknown[0]] = (values[unknown[0]], why)
        if len(values) == before:
            return found
