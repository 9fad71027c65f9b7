"""The open columns of a table of published statistics: which are filters and which are indicators, and each row's
figures."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.contracts import normalise_header
from ingest.tabular import TextColumn

Cell = tuple[str, float | None, str]
"""Indicator, value, status: `ok` beside a value; `c`, `z`, `x`, `low` or `u` beside none."""
Coded = tuple[npt.NDArray[np.int32], list[Any]]
"""The code of each row and what each code means."""

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?")
_BLANK = "x"


@dataclass(frozen=True)
class OpenColumns:
    """`filters`, JSON of each row's groups with the names in order; `cells`, each row's figures as a tuple of `Cell`;
    the rows with a figure that is none, and those with a blank or an obsolete marker."""

    filters: Coded
    cells: Coded
    has_bad_cell: npt.NDArray[np.bool_]
    has_obsolete_cell: npt.NDArray[np.bool_]


def unfold(sources: Sequence[tuple[str, TextColumn]], settings: Mapping[str, Any], n_rows: int) -> OpenColumns:
    """Parts columns into filters and indicators, and reads the figures.

    Parameters: `sources`, heading and texts of every column that the contract does not name; `settings`, the contract's
    `statistics`: `filters` (headings), `indicator_share_percent`, `markers` and `obsolete` (symbol to status).
    """
    markers, obsolete = settings["markers"], settings["obsolete"]
    named = {normalise_header(name) for name in settings["filters"]}
    groups: list[tuple[str, TextColumn]] = []
    figures: list[tuple[str, TextColumn]] = []
    for heading, column in sources:
        is_named = normalise_header(heading) in named
        is_figure = not is_named and _is_indicator(column, {*markers, *obsolete}, settings["indicator_share_percent"])
        (figures if is_figure else groups).append((heading, column))
    bad, old = np.zeros(n_rows, np.bool_), np.zeros(n_rows, np.bool_)
    meanings: list[list[Cell]] = []
    for heading, column in figures:
        read = [_cell(heading, text.strip(), markers, obsolete) for text in column.values]
        meanings.append([cell for cell, _, _ in read])
        bad |= np.array([*(is_bad for _, is_bad, _ in read), False])[column.codes]
        old |= np.array([*(is_old for _, _, is_old in read), False])[column.codes]
    matrix = np.stack([column.codes for _, column in figures], axis=1) if figures else np.zeros((n_rows, 0), np.int32)
    cells = [tuple(meanings[at][code] for at, code in enumerate(row)) for row in matrix.tolist()]
    return OpenColumns(_filters(groups, n_rows), (np.arange(n_rows, dtype=np.int32), cells), bad, old)


def _is_indicator(column: TextColumn, symbols: set[str], share_percent: int) -> bool:
    """Whether enough of the filled cells of a column are numbers or markers."""
    counts = np.bincount(column.codes, minlength=len(column.values)).tolist()
    filled = [(text.strip(), n) for text, n in zip(column.values, counts, strict=True) if text.strip()]
    n_figures = sum(n for text, n in filled if _NUMBER.fullmatch(text) or text in symbols)
    return bool(filled) and n_figures * 100 >= share_percent * sum(n for _, n in filled)


def _cell(
    indicator: str, text: str, markers: Mapping[str, str], obsolete: Mapping[str, str]
) -> tuple[Cell, bool, bool]:
    """A figure, whether it is none, and whether it was blank or an obsolete marker."""
    if _NUMBER.fullmatch(text):
        return (indicator, float(text), "ok"), False, False
    if text in markers:
        return (indicator, None, markers[text]), False, False
    if not text or text in obsolete:
        return (indicator, None, obsolete.get(text, _BLANK)), False, True
    return (indicator, None, _BLANK), True, False


def _filters(groups: Sequence[tuple[str, TextColumn]], n_rows: int) -> Coded:
    if not groups:
        return np.zeros(n_rows, np.int32), ["{}"]
    ordered = sorted(groups, key=lambda group: group[0])
    matrix = np.stack([column.codes for _, column in ordered], axis=1)
    distinct, codes = np.unique(matrix, axis=0, return_inverse=True)
    texts = [
        json.dumps(
            {
                heading: column.values[code].strip()
                for (heading, column), code in zip(ordered, row, strict=True)
                if column.values[code].strip()
            },
            ensure_ascii=False,
        )
        for row in distinct.tolist()
    ]
    return codes.reshape(-1).astype(np.int32), texts
