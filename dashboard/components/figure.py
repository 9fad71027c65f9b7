"""A figure: heading that says the finding, chart, caption, table and download. There is no other way to show a
number.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from dashboard import wording
from dashboard.export import csv_text

MAXIMUM_TITLE_WORDS = 10
_OPEN_TABLE_ROWS = 16


class FigureError(ValueError):
    """A figure lacks what every figure must have; the message says what."""


@dataclass(frozen=True)
class Caption:
    """What makes a figure stand alone: every field is demanded."""

    measure: str
    population: str
    place: str
    period: str
    source: str
    coverage: str
    release_id: str
    definition_version: str

    def text(self) -> str:
        return (
            f"Measure: {self.measure}. Population: {self.population}. Place: {self.place}. Period: {self.period}. "
            f"Source: {self.source}. Coverage: {self.coverage} Release {self.release_id}, "
            f"definition version {self.definition_version}."
        )


@dataclass(frozen=True)
class Table:
    """The rows of a figure.

    Parameters: `frame`, the rows as the release has them (they are what is downloaded); `columns`, the ones shown, in
    order; `headings`, words for a column where the usual ones do not do; `unit`, the measure's unit;
    `intervals`, shown columns that are made of two (from, to); `difference`, whether those are of a difference,
    which has no % sign; `not_applicable`, columns in which a missing value means that there is none to have.
    """

    frame: pd.DataFrame
    columns: tuple[str, ...]
    unit: str | None = None
    headings: dict[str, str] | None = None
    intervals: dict[str, tuple[str, str]] | None = None
    difference: bool = False
    not_applicable: frozenset[str] = frozenset()

    def cells(self) -> list[list[str]]:
        """The table as text: status words in the place of figures that are not shown, never a blank."""
        rows = []
        for record in self.frame.to_dict("records"):
            status = record.get("status")
            text = None if wording.missing(status) else str(status)
            row = [self._cell(column, record, text) for column in self.columns]
            rows.append([cell if cell.strip() else wording.STATUS_WORDS["x"] for cell in row])
        return rows

    def _cell(self, column: str, record: Mapping[Any, Any], status: str | None) -> str:
        ends = (self.intervals or {}).get(column)
        if ends is None:
            return wording.cell_text(
                column, wording.plain(_python(record[column])), status, self.unit, self.not_applicable
            )
        low, high = (_python(record[end]) for end in ends)
        letters = [
            wording.status_of(end, value, status, self.not_applicable)
            for end, value in zip(ends, (low, high), strict=True)
        ]
        letter = letters[0] or letters[1]
        if letter is not None:
            return wording.STATUS_WORDS[letter]
        unit = None if self.difference else self.unit
        places = wording.decimals(ends[0], self.unit)
        sign = "%" if unit == "percent" and places == 1 else ""
        return f"{wording.number(float(str(low)), places)}{sign} to {wording.number(float(str(high)), places)}{sign}"

    def is_number(self, column: str) -> bool:
        """Whether a column is set to the right, as numbers are."""
        return column in (self.intervals or {}) or pd.api.types.is_numeric_dtype(self.frame[column])

    def heading(self, column: str) -> str:
        return (self.headings or {}).get(column) or wording.label(column)


def figure(
    *,
    key: str,
    title: str,
    takeaway: str,
    alt_text: str,
    caption: Caption,
    table: Table,
    chart: alt.Chart | alt.LayerChart | None = None,
    level: int = 2,
    taken: Callable[[], None] | None = None,
) -> None:
    """Shows one figure whole.

    Parameters: `key`, unique on the page, and the name of the download; `title`, the finding in at most ten words;
    `takeaway`, one or two sentences with figure, n and interval; `alt_text`, what the chart shows, for those who do
    not see it; `caption`; `table`; `chart`, None where a table says it better; `level`, of the heading (2 or 3);
    `taken`, called before the table is given out as a download.
    Raises: `FigureError` for a figure without title, takeaway, alternative text, caption or rows.
    """
    check_figure(title, takeaway, alt_text, caption, table)
    (st.header if level == 2 else st.subheader)(wording.literal(title), anchor=False)
    paragraph(takeaway)
    if chart is not None:
        st.altair_chart(chart, width="stretch", theme=None, alt=alt_text, key=f"{key}_chart")
    name = f"Table: {title}"
    if len(table.frame) > _OPEN_TABLE_ROWS and chart is not None:
        with st.expander(f"Table of {len(table.frame)} rows"):
            st.html(html_table(table, name))
    else:
        st.html(html_table(table, name))
    release_id = caption.release_id

    def noted() -> bytes:
        if taken is not None:
            taken()
        return _csv(table, release_id)

    st.download_button(
        wording.literal(f"Download these figures as CSV: {title}"),
        data=_csv(table, release_id) if taken is None else noted,
        file_name=f"{key.replace('_', '-')}-{release_id}.csv",
        mime="text/csv",
        key=f"{key}_csv",
        on_click="ignore",
    )
    st.html(f'<p class="ep-caption">{html.escape(caption.text())}</p>')


def check_figure(title: str, takeaway: str, alt_text: str, caption: Caption, table: Table) -> None:
    """Raises `FigureError` for what a figure lacks."""
    if not title.strip() or len(title.split()) > MAXIMUM_TITLE_WORDS:
        raise FigureError(
            f"A title says the finding in one to {MAXIMUM_TITLE_WORDS} words; this one does not: '{title}'."
        )
    for name, text in (("takeaway", takeaway), ("alternative text", alt_text)):
        if not text.strip():
            raise FigureError(f"The figure '{title}' has no {name}.")
    empty = [name for name, value in vars(caption).items() if not str(value).strip()]
    if empty:
        raise FigureError(f"The caption of '{title}' lacks {', '.join(empty)}.")
    if table.frame.empty or not table.columns:
        raise FigureError(f"The figure '{title}' has no rows; say in words that there are none.")


def html_table(table: Table, caption: str) -> str:
    """The table as HTML with a caption, column headings and a row heading, in a box that scrolls by keyboard too."""
    # The first column heads its rows, so it is set to the left whatever stands in it.
    numeric = {column for column in table.columns[1:] if table.is_number(column)}
    head = "".join(f'<th scope="col"{_right(c in numeric)}>{html.escape(table.heading(c))}</th>' for c in table.columns)
    body = []
    for cells in table.cells():
        first = f'<th scope="row">{html.escape(cells[0])}</th>'
        rest = "".join(
            f"<td{_right(c in numeric)}>{html.escape(cell)}</td>"
            for c, cell in zip(table.columns[1:], cells[1:], strict=True)
        )
        body.append(f"<tr>{first}{rest}</tr>")
    name = html.escape(caption)
    return (
        f'<div class="ep-table" role="region" aria-label="{name}" tabindex="0"><table><caption>{name}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def paragraph(text: str) -> None:
    """Plain text as a paragraph; nothing in it is read as markup."""
    st.html(f"<p>{html.escape(text)}</p>")


def title_of(*candidates: str) -> str:
    """The first candidate that is short enough to be a title. Raises `FigureError` where none is."""
    for candidate in candidates:
        text = re.sub(r"\s+", " ", candidate).strip()
        if text and len(text.split()) <= MAXIMUM_TITLE_WORDS:
            return text
    raise FigureError(f"None of the titles offered has at most {MAXIMUM_TITLE_WORDS} words.")


def _right(numeric: bool) -> str:
    return ' class="ep-number"' if numeric else ""


def _python(value: object) -> object:
    item: Callable[[], object] | None = getattr(value, "item", None)
    return item() if item is not None else value


def _csv(table: Table, release_id: str) -> bytes:
    return csv_text(table.frame, release_id, table.not_applicable).encode("utf-8")
