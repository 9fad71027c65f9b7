"""Workbooks as the Government Analysis Function asks for them: cover, contents, notes, one marked-up table a sheet.

Text is never read as a formula or a link; the document carries its title and its language.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xlsxwriter  # type: ignore[import-untyped]  # the package ships no types

LANGUAGE = "en-GB"
MAXIMUM_ROWS = 1_048_000
_SHORTHAND = re.compile(r"\[(c|x|z|low|u)\]")
_LINE_HEIGHT = 16.0
SHORTHAND_LINE = (
    "Shorthand in cells: [c] hidden to protect pupils, [x] not available, [z] not applicable, "
    "[low] rounds to 0 but is not 0, [u] not reliable enough."
)


class WorkbookError(ValueError):
    """A workbook cannot be written; the message is one sentence."""


@dataclass(frozen=True)
class Sheet:
    """One sheet with one table.

    Parameters: `name`, unique, at most 31 characters; `title`, for cell A1; `information`, lines between title and
    table; `columns`, unique headings; `rows`, cells as text, numbers, dates or booleans, none of them None; `places`,
    per row and column the decimals to show (None: text or whole number); `widest`, characters in a line
    of text before it wraps.
    """

    name: str
    title: str
    information: Sequence[str]
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    places: Sequence[Sequence[int | None]] = field(default_factory=list)
    widest: int = 34


def write_workbook(
    path: Path,
    title: str,
    cover: Sequence[str],
    notes: Sequence[str],
    sheets: Sequence[Sheet],
    made: dt.datetime,
    summaries: Sequence[Sheet] = (),
) -> Path:
    """Writes a workbook, whole or not at all.

    Parameters: `title`, of the document and of the cover; `cover`, lines of the cover; `notes`, one note each;
    `sheets`, the tables; `made`, the moment stored as its creation, so that the same release gives the same bytes;
    `summaries`, tables that stand right after the cover.
    Raises: `WorkbookError` for a table without rows, with blanks, with repeated headings, or too long for a sheet.
    """
    note_sheet = Sheet(
        "Notes",
        "Notes",
        ["This sheet has one table."],
        ["Note", "Text"],
        [(f"note {number}", text) for number, text in enumerate(notes, 1)],
    )
    contents = Sheet(
        "Contents",
        "Contents",
        ["This sheet has one table. Each name leads to its sheet."],
        ["Sheet", "What it holds"],
        [(sheet.name, sheet.title) for sheet in [*summaries, note_sheet, *sheets]],
    )
    for sheet in [*summaries, *sheets, note_sheet]:
        _check(sheet)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft_name = tempfile.mkstemp(dir=path.parent, suffix=".xlsx.tmp")
    os.close(handle)
    draft = Path(draft_name)
    try:
        options = {
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
            "default_format_properties": {"font_name": "Arial", "font_size": 12},
        }
        with xlsxwriter.Workbook(str(draft), options) as book:
            book.set_properties({"title": title, "author": "Everypupil", "created": made})
            formats = _Formats(book)
            _write_cover(book, formats, title, cover)
            for number, sheet in enumerate([*summaries, contents, note_sheet, *sheets], 1):
                _write_sheet(book, formats, sheet, number, link=sheet is contents)
        _set_language(draft)
        draft.chmod(0o644)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return path


class _Formats:
    """The formats of one workbook, each made once."""

    def __init__(self, book: Any) -> None:
        self.book = book
        self.title = book.add_format({"bold": True, "font_size": 16})
        self.header = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1})
        self.header_right = book.add_format(
            {"bold": True, "text_wrap": True, "valign": "top", "bottom": 1, "align": "right"}
        )
        self.header_apart = book.add_format(
            {"bold": True, "text_wrap": True, "valign": "top", "bottom": 1, "align": "left", "indent": 1}
        )
        self.text_apart = book.add_format({"text_wrap": True, "valign": "top", "align": "left", "indent": 1})
        self.text = book.add_format({"text_wrap": True, "valign": "top"})
        self.date = book.add_format({"num_format": "d mmmm yyyy", "valign": "top", "align": "left"})
        self.link = book.add_format({"font_color": "#12436D", "underline": 1, "valign": "top"})
        self.right = book.add_format({"align": "right", "valign": "top"})
        self._numbers = {
            places: book.add_format({"num_format": mask, "valign": "top"}) for places, mask in _MASKS.items()
        }

    def number(self, places: int | None) -> Any:
        return self._numbers[places or 0]


_MASKS = {0: "#,##0", 1: "#,##0.0", 2: "#,##0.00", 3: "#,##0.000"}


def _check(sheet: Sheet) -> None:
    if not sheet.rows:
        raise WorkbookError(f"Sheet '{sheet.name}' would be empty; leave it out and say so on the cover.")
    if len(set(sheet.columns)) != len(sheet.columns):
        raise WorkbookError(f"Sheet '{sheet.name}' repeats a heading; give each column its own.")
    if len(sheet.rows) > MAXIMUM_ROWS:
        raise WorkbookError(
            f"Sheet '{sheet.name}' has more rows than a spreadsheet holds; export it as csv or parquet."
        )
    if any(cell is None or cell == "" for row in sheet.rows for cell in row):
        raise WorkbookError(f"Sheet '{sheet.name}' has a cell with neither a value nor the reason why there is none.")


def _write_cover(book: Any, formats: _Formats, title: str, cover: Sequence[str]) -> None:
    page = book.add_worksheet("Cover")
    page.set_column(0, 0, 110)
    page.write_string(0, 0, title, formats.title)
    for at, line in enumerate(cover, 1):
        page.write_string(at, 0, line, formats.text)
        page.set_row(at, _LINE_HEIGHT * _lines(line, 110))
    page.set_landscape()
    page.set_paper(9)
    page.fit_to_pages(1, 0)
    page.set_selection("A1")


def _write_sheet(book: Any, formats: _Formats, sheet: Sheet, number: int, *, link: bool) -> None:
    page = book.add_worksheet(sheet.name)
    page.write_string(0, 0, sheet.title, formats.title)
    for line_number, line in enumerate(sheet.information, 1):
        page.write_string(line_number, 0, line)
    top = 1 + len(sheet.information)
    columns = range(len(sheet.columns))
    numeric = [any(isinstance(row[column], int | float) for row in sheet.rows) for column in columns]
    # Text after a column of numbers stands a little apart from them.
    apart = [column > 0 and numeric[column - 1] and not numeric[column] for column in columns]
    headers = [
        formats.header_right if numeric[column] else formats.header_apart if apart[column] else formats.header
        for column in columns
    ]
    page.add_table(
        top,
        0,
        top + len(sheet.rows),
        len(sheet.columns) - 1,
        {
            "name": f"table_{number}_{re.sub(r'[^a-z0-9]+', '_', sheet.name.lower())}",
            "autofilter": False,
            "banded_rows": False,
            "style": None,
            "columns": [
                {"header": heading, "header_format": header}
                for heading, header in zip(sheet.columns, headers, strict=True)
            ],
        },
    )
    for offset, row in enumerate(sheet.rows):
        places = sheet.places[offset] if sheet.places else [None] * len(row)
        for column, cell in enumerate(row):
            at: tuple[int, int] = (top + 1 + offset, column)
            if link and column == 0:
                page.write_url(*at, f"internal:'{cell}'!A1", formats.link, string=cell)
            elif isinstance(cell, bool):
                page.write_string(*at, "Yes" if cell else "No", formats.text)
            elif isinstance(cell, int | float):
                page.write_number(*at, cell, formats.number(places[column]))
            elif isinstance(cell, dt.date):
                page.write_datetime(*at, cell, formats.date)
            else:
                text = str(cell)
                is_shorthand = numeric[column] and _SHORTHAND.fullmatch(text)
                words = formats.text_apart if apart[column] else formats.text
                page.write_string(*at, text, formats.right if is_shorthand else words)
    widths = [
        _width(heading, [row[column] for row in sheet.rows[:500]], sheet.places, column, sheet.widest)
        for column, heading in enumerate(sheet.columns)
    ]
    for column, width in enumerate(widths):
        page.set_column(column, column, width)
    # Wrapped rows get their height here, because not every program works it out when it opens the file.
    for offset, row in enumerate([sheet.columns, *sheet.rows]):
        lines = max(_lines(cell, width) for cell, width in zip(row, widths, strict=True))
        if lines > 1:
            page.set_row(top + offset, _LINE_HEIGHT * lines)
    page.set_landscape()
    page.set_paper(9)
    page.fit_to_pages(1, 0)
    page.repeat_rows(top)
    page.set_footer("&L&A&RPage &P of &N")
    page.set_selection("A1")


def _lines(cell: Any, width: float) -> int:
    """Lines that a cell of text takes when words wrap at a column's width."""
    if not isinstance(cell, str):
        return 1
    room, lines, used = max(int(width / 1.15), 1), 1, 0
    for word in cell.split():
        if used and used + 1 + len(word) > room:
            lines, used = lines + 1, len(word)
        else:
            used += len(word) + (1 if used else 0)
    return lines


def _width(
    heading: str, cells: Sequence[Any], places: Sequence[Sequence[int | None]], column: int, widest: int
) -> float:
    """Characters wide: the longest word of the heading, most of the content, at most `widest` (60 for notes).
    Type of 12 points is wider than the unit of width.
    """
    words = max(len(word) for word in heading.split()) + 2
    content = 0
    for row, cell in enumerate(cells):
        if isinstance(cell, float):
            content = max(content, len(f"{cell:,.{(places[row][column] if places else None) or 0}f}"))
        elif isinstance(cell, dt.date):
            content = max(content, 18)
        else:
            content = max(content, len(str(cell)))
    return 1.25 * min(max(words, content + 1, 9), 60 if heading in ("Text", "What it holds") else widest)


def _set_language(path: Path) -> None:
    """Puts dc:language into the document's properties, which the writer has no option for."""
    draft = path.with_suffix(".language")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as target:
        for item in source.infolist():
            content = source.read(item)
            if item.filename == "docProps/core.xml":
                content = content.replace(
                    b"</cp:coreProperties>", f"<dc:language>{LANGUAGE}</dc:language></cp:coreProperties>".encode()
                )
                if LANGUAGE.encode() not in content:
                    raise WorkbookError(
                        "The workbook's properties could not take its language; the writer has changed its format."
                    )
            target.writestr(item, content)
    os.replace(draft, path)
