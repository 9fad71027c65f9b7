"""The published figures as cells and quantities: which counts there are, and what a reader sees of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ingest.registry import Registry
from quality.suites.marts import FIGURE_KEY
from quality.suites.marts import GAP_KEY as GAP_FIGURE_KEY

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

VALUE_KEY = list(FIGURE_KEY)
GAP_KEY = list(GAP_FIGURE_KEY)
CELL = ["academic_year", "period", "level", "unit_code", "group_definition", "group_dimension", "group_value"]
TABLE_KEYS = {
    "measure_value": VALUE_KEY,
    "gap": GAP_KEY,
    "progress_school": ["academic_year", "measure_id", "school_key"],
    "progress_model": ["academic_year", "measure_id", "method"],
    "coverage": ["academic_year", "period", "feed", "school_key"],
    "delivery": ["delivery_id"],
}
ATTENDANCE = "attendance"
YEAR_TO_DATE = "YTD"


@dataclass(frozen=True)
class Quantity:
    """One sort of count that cells have. role: pupils, enrolments, with, without (a trait) or sum (of sessions).

    family: measures that count the same pupils; measure: of with and without; column: the source column of a sum.
    """

    role: str
    family: str
    measure: str = ""
    column: str = ""

    @property
    def text(self) -> str:
        if self.role in ("with", "without"):
            return f"{self.measure}: pupils {self.role}"
        if self.role == "sum":
            return f"sessions {self.column}"
        return self.role if self.family == ATTENDANCE else f"{self.family}: {self.role}"


def kind_of_table(name: str) -> str:
    """`measure_value` of `public/measure_value`: a reader may hold the same table of two tiers."""
    return name.rpartition("/")[2]


def tables_of(tables: Mapping[str, pd.DataFrame], kind: str) -> list[tuple[str, pd.DataFrame]]:
    """Name and rows of every table of one kind that is not empty."""
    return [(name, frame) for name, frame in tables.items() if kind_of_table(name) == kind and len(frame)]


def urn_of_school(tables: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """The URN of each school key, where the school has one: a school's figures go by it, and else by the key."""
    return {
        str(school["school_key"]): str(school["urn"])
        for _, frame in tables_of(tables, "dim_school")
        for school in frame.to_dict("records")
        if isinstance(school.get("urn"), str)
    }


def row_keys(frame: pd.DataFrame, key: list[str]) -> pd.Series[str]:
    """The key columns of each row joined by `|`, as the pattern of disclosure control names a row."""
    joined = frame[key[0]].astype(str)
    for column in key[1:]:
        joined = joined + "|" + frame[column].astype(str)
    return joined


def numbers(frame: pd.DataFrame, column: str) -> Floats:
    """A column as floats, with NaN where it is hidden or the table has no such column."""
    if column not in frame:
        return np.full(len(frame), np.nan)
    return np.asarray(pd.to_numeric(frame[column]).to_numpy(np.float64, na_value=np.nan))


def is_hidden(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """The rows that a table itself says are hidden."""
    return frame["status"].eq("c").to_numpy(bool)


def family_of(measure: Mapping[str, Any]) -> str:
    """Measures of attendance count the same enrolments; each other measure has pupils of its own."""
    return ATTENDANCE if measure["source_model"] == ATTENDANCE else str(measure["measure_id"])


@dataclass
class Cells:
    """All cells of the figures of a tier.

    frame: a row per cell, columns CELL. values: the rows of measure_value, with `cell`, `table`, `row_key`, `hidden`.
    quantities: the sorts of count; variable[cell, quantity]: the number of a count, or -1.
    """

    frame: pd.DataFrame
    values: pd.DataFrame
    quantities: list[Quantity]
    number: dict[Quantity, int]
    variable: Integers

    @property
    def n_variables(self) -> int:
        return int(self.variable.max()) + 1

    def find(self, keys: pd.DataFrame) -> Integers:
        """The cell of each row of a frame with columns CELL, or -1."""
        index = pd.MultiIndex.from_frame(self.frame[CELL].astype(str))
        return np.asarray(index.get_indexer(pd.MultiIndex.from_frame(keys[CELL].astype(str))), dtype=np.int64)

    def variables_of(self, cell: Integers, quantity: Quantity) -> Integers:
        """The variable of each cell, -1 where there is none."""
        if quantity not in self.number:
            return np.full(len(cell), -1, dtype=np.int64)
        return np.where(cell >= 0, self.variable[cell, self.number[quantity]], -1)

    def label(self, variable: int) -> str:
        """A name for a variable, for sentences."""
        cell, number = (int(place[0]) for place in np.nonzero(self.variable == variable))
        row = self.frame.iloc[cell]
        group = "all" if row["group_dimension"] == "all" else f"{row['group_dimension']} {row['group_value']}"
        where = f"{row['academic_year']} {row['period']} {row['level']} {row['unit_code']} {group}"
        return f"{self.quantities[number].text} of {where}"

    def quantity_of(self, variable: int) -> Quantity:
        return self.quantities[int(np.nonzero(self.variable == variable)[1][0])]


def read_cells(tables: Mapping[str, pd.DataFrame], registry: Registry) -> Cells | None:
    """The cells of every measure_value table, None where there is none.

    Raises `ValueError` for a measure that the registry lacks.
    """
    found = tables_of(tables, "measure_value")
    if not found:
        return None
    frames = []
    for name, frame in found:
        text = {column: frame[column].astype(str) for column in VALUE_KEY}
        figures = {
            column: numbers(frame, column) for column in ("n", "numerator", "denominator", "value", "ci_low", "ci_high")
        }
        share = {"coverage": numbers(frame, "coverage")}
        frames.append(
            pd.DataFrame({**text, **figures, **share, "hidden": is_hidden(frame)}).assign(
                table=name, row_key=lambda rows: row_keys(rows, VALUE_KEY)
            )
        )
    values = pd.concat([*frames, *_progress_rows(tables)], ignore_index=True)
    measures = {str(measure["measure_id"]): measure for measure in registry.measures}
    unknown = sorted(set(values["measure_id"]) - measures.keys())
    if unknown:
        raise ValueError(f"measure_value holds measures that the registry lacks: {', '.join(unknown)}; rebuild it.")
    grouped = values.groupby(CELL, sort=True)
    values["cell"] = grouped.ngroup().to_numpy(np.int64)
    frame = grouped.size().reset_index()[CELL]

    quantities: list[Quantity] = []
    cells_of: list[Integers] = []
    for measure_id, of_measure in values.groupby("measure_id", sort=True)["cell"]:
        measure = measures[str(measure_id)]
        family = family_of(measure)
        sorts = [Quantity("enrolments", family), Quantity("pupils", family)]
        if measure["kind"] == "proportion":
            sorts += [Quantity(role, family, str(measure_id)) for role in ("with", "without")]
        elif measure["kind"] == "ratio":
            sorts += [Quantity("sum", family, column=str(measure[end])) for end in ("numerator", "denominator")]
        quantities += sorts
        cells_of += [np.unique(of_measure.to_numpy(np.int64))] * len(sorts)
    names = sorted(set(quantities), key=lambda quantity: quantities.index(quantity))
    number = {quantity: position for position, quantity in enumerate(names)}
    present = np.zeros((len(frame), len(names)), dtype=bool)
    for quantity, cells in zip(quantities, cells_of, strict=True):
        present[cells, number[quantity]] = True
    variable = np.full(present.shape, -1, dtype=np.int64)
    counted_twice = frame["level"].ne("school").to_numpy(bool)
    for quantity, position in number.items():
        # A pupil who moved between two schools is one pupil and two enrolments of their trust; else both are one count.
        if quantity.role == "pupils":
            own = counted_twice if quantity.family == ATTENDANCE else np.zeros(len(frame), dtype=bool)
            present[:, position] &= own
    variable[present] = np.arange(int(present.sum()))
    for quantity, position in number.items():
        if quantity.role == "pupils":
            enrolments = variable[:, number[Quantity("enrolments", quantity.family)]]
            variable[:, position] = np.where(variable[:, position] >= 0, variable[:, position], enrolments)
    return Cells(frame, values, names, number, variable)


def _progress_rows(tables: Mapping[str, pd.DataFrame]) -> list[pd.DataFrame]:
    """The rows of progress_school as rows of everybody at the school: the same pupils under another table's name."""
    return [
        pd.DataFrame(
            {
                "academic_year": frame["academic_year"].astype(str),
                "period": YEAR_TO_DATE,
                "level": "school",
                "unit_code": frame["urn"].fillna(frame["school_key"]).astype(str),
                "measure_id": frame["measure_id"].astype(str),
                "definition_version": "",
                "group_definition": "all",
                "group_dimension": "all",
                "group_value": "all",
                "n": numbers(frame, "n"),
                "hidden": is_hidden(frame),
                "table": name,
                "row_key": row_keys(frame, TABLE_KEYS["progress_school"]),
            }
        )
        for name, frame in tables_of(tables, "progress_school")
    ]
