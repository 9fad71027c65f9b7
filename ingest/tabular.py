"""Tables as they come, every cell a text: CSV, TSV and XLSX, behind one interface.

Columns are held as their distinct texts and an index a row, because registers repeat a few thousand texts over
millions of rows: whatever is asked of a cell is asked once of each distinct text.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv

from ingest.contracts import normalise_header
from ingest.decoding import CHUNK_BYTES, DecodedText, decode_file, is_workbook
from ingest.refusal import FileRefused

Codes = npt.NDArray[np.int32]
BLOCK_BYTES = 32 * 1024 * 1024
LARGEST_FIELD = 1_000_000
_FEW_COLUMNS = 3
LARGEST_WORKBOOK_BYTES = 1024**3
LARGEST_SHEET_CELLS = 20_000_000


@dataclass(frozen=True)
class TextColumn:
    """A column of texts: `values`, the distinct ones; `codes`, for each row the position of its text in `values`."""

    codes: Codes
    values: list[str]


@dataclass(frozen=True)
class TextTable:
    """A table of texts.

    `lines` holds each row's first physical line (1 = the first of the file); `ragged`, rows that do not fit the header,
    as (line, raw text). `rows_read` counts both.
    """

    header: tuple[str, ...]
    columns: tuple[TextColumn, ...]
    lines: Codes
    ragged: tuple[tuple[int, str], ...]

    @property
    def n_rows(self) -> int:
        return len(self.lines)

    @property
    def rows_read(self) -> int:
        return len(self.lines) + len(self.ragged)


def read_table(path: Path, scratch: Path) -> TextTable:
    """Reads a file as a table of texts.

    Parameters: `path`, CSV, TSV or XLSX, the text ones also gzipped; `scratch`, a folder for what does not fit in
    memory.
    Raises: `FileRefused` for a file that is empty, binary, damaged, cut off inside a row, or has a header naming a
    column twice.
    """
    if is_workbook(path):
        return _read_workbook(path)
    text = decode_file(path, scratch)
    delimiter = delimiter_of(text.first_line())
    return _read_fast(text, delimiter, path.name) or _read_carefully(text, delimiter, path.name)


def delimiter_of(header: str) -> str:
    """Tab where the header has more tabs than commas, else comma."""
    return "\t" if header.count("\t") > header.count(",") else ","


def read_header(head: str, name: str) -> tuple[int, tuple[str, ...]]:
    """The header of a text: its line number (blank lines may stand before it) and its fields. Raises `FileRefused`
    without one."""
    records = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter_of(head.partition("\n")[0]))
    try:
        for record in records:
            if any(field.strip() for field in record):
                return records.line_num, _checked_header(record, name, records.line_num)
    except csv.Error as error:
        raise FileRefused(
            f"{name}, line {records.line_num}: this is not a table ({error}); export it again as CSV."
        ) from error
    raise FileRefused(f"{name}: the file is empty; export it again.")


def _checked_header(fields: Iterable[str], name: str, line: int) -> tuple[str, ...]:
    header = [field.strip().strip("\ufeff") for field in fields]
    while header and not header[-1]:
        header.pop()
    seen: dict[str, str] = {}
    for field in header:
        key = normalise_header(field)
        if key in seen:
            raise FileRefused(
                f"{name}, line {line}: the header names '{field}' twice; leave one of the columns out and export again."
            )
        seen[key] = field
    return tuple(header)


def _read_fast(text: DecodedText, delimiter: str, name: str) -> TextTable | None:
    """The whole text through Arrow, if every physical line is one row of the header's width; else None."""
    first = text.first_line()
    if text.has_lone_returns or not first.strip() or first.count('"') % 2 or first.endswith(delimiter):
        return None
    _, header = read_header(first, name)
    if len(next(csv.reader([first], delimiter=delimiter))) != len(header):
        return None
    if text.n_lines == 1:
        return TextTable(
            header, tuple(TextColumn(np.empty(0, np.int32), []) for _ in header), np.empty(0, np.int32), ()
        )
    names = [f"c{position}" for position in range(len(header))]
    try:
        reader = pacsv.open_csv(
            pa.BufferReader(pa.py_buffer(text.buffer)),
            read_options=pacsv.ReadOptions(
                use_threads=False,
                column_names=names,
                skip_rows=1,
                block_size=min(len(text.buffer) + 1, BLOCK_BYTES),
            ),
            parse_options=pacsv.ParseOptions(delimiter=delimiter, ignore_empty_lines=True),
            convert_options=pacsv.ConvertOptions(
                column_types={column: pa.dictionary(pa.int32(), pa.string()) for column in names},
                strings_can_be_null=False,
            ),
        )
        merged = [_ColumnBuilder() for _ in names]
        n_rows = 0
        for batch in reader:
            n_rows += batch.num_rows
            for builder, column in zip(merged, batch.columns, strict=True):
                builder.add(column)
    except pa.ArrowInvalid:
        return None
    if n_rows != text.n_lines - 1:
        return None
    lines = np.arange(2, n_rows + 2, dtype=np.int32)
    return TextTable(header, tuple(builder.finish() for builder in merged), lines, ())


class _ColumnBuilder:
    """Joins the dictionaries of a column's chunks into one."""

    def __init__(self) -> None:
        self._index: dict[str, int] = {}
        self._chunks: list[Codes] = []

    def add(self, chunk: Any) -> None:
        index = self._index
        # Straight from the buffer: Arrow's own conversion imports pandas first.
        indices = chunk.indices
        codes = np.frombuffer(indices.buffers()[1], np.int32, len(indices), indices.offset * 4)
        values = chunk.dictionary.to_pylist()
        if not self._chunks:
            self._index = {value: position for position, value in enumerate(values)}
            self._chunks.append(codes)
            return
        place = np.fromiter((index.setdefault(value, len(index)) for value in values), np.int32, len(values))
        self._chunks.append(place[codes])

    def finish(self) -> TextColumn:
        codes = self._chunks[0] if len(self._chunks) == 1 else np.concatenate(self._chunks)
        return TextColumn(codes, list(self._index))


def _read_carefully(text: DecodedText, delimiter: str, name: str) -> TextTable:
    """Row by row through the csv module: right about quoted line ends, blank lines and rows that do not fit."""
    csv.field_size_limit(LARGEST_FIELD)
    records = _records(text, delimiter, name)
    header: tuple[str, ...] | None = None
    rows: list[tuple[int, list[str]]] = []
    last: tuple[int, list[str]] = (0, [])
    for line, record in records:
        if header is None:
            header = _checked_header(record, name, line)
        elif _swallows_rows(record, delimiter, len(header)):
            raise FileRefused(
                f"{name}, line {line}: a quotation mark begins a cell here and does not end it, so that the lines "
                "below were read as part of it; take the mark away, or double it, and send the file again."
            )
        else:
            rows.append((line, record))
        last = (line, record)
    if header is None:
        raise FileRefused(f"{name}: the file is empty; export it again.")
    if rows and not text.ends_with_newline and len(last[1]) < len(header):
        raise FileRefused(
            f"{name}, line {last[0]}: the file is cut off inside this row; export it again and send the whole file."
        )
    return _from_rows(header, rows, delimiter)


def _swallows_rows(record: list[str], delimiter: str, width: int) -> bool:
    """Whether a cell goes on over whole rows, or over a line's end in a record that has not its number of cells.

    A cell with lines of its own is allowed. One stray quotation mark made a list of 390 pupils a list of two: the rest
    was a single row that did not fit.
    """
    inner = [line for cell in record if "\n" in cell for line in cell.split("\n")[1:]]
    if not inner:
        return False
    fits = len(record) >= width and not any(cell.strip() for cell in record[width:])
    # In a table of few columns a line of a note may look like a row.
    return not fits or (width > _FEW_COLUMNS and any(line.count(delimiter) == width - 1 for line in inner))


def _records(text: DecodedText, delimiter: str, name: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(text.lines(), delimiter=delimiter)
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise FileRefused(
                f"{name}, line {line}: the row cannot be read ({error}); mend the quotes and send it again."
            ) from error
        if record and not (len(record) == 1 and not record[0].strip()):
            yield line, record


def _from_rows(header: tuple[str, ...], rows: Iterable[tuple[int, list[str]]], delimiter: str) -> TextTable:
    width = len(header)
    lines: list[int] = []
    ragged: list[tuple[int, str]] = []
    indexes: list[dict[str, int]] = [{} for _ in header]
    codes: list[list[int]] = [[] for _ in header]
    for line, record in rows:
        if len(record) > width and not any(field.strip() for field in record[width:]):
            record = record[:width]
        if len(record) != width:
            ragged.append((line, _as_line(record, delimiter)))
            continue
        lines.append(line)
        for field, index, column in zip(record, indexes, codes, strict=True):
            column.append(index.setdefault(field, len(index)))
    columns = tuple(
        TextColumn(np.array(column, np.int32), list(index)) for column, index in zip(codes, indexes, strict=True)
    )
    return TextTable(header, columns, np.array(lines, np.int32), tuple(ragged))


def _as_line(record: list[str], delimiter: str) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="").writerow(record)
    return out.getvalue()


def _read_workbook(path: Path) -> TextTable:
    header, rows = _workbook_rows(path)
    return _from_rows(header, rows, ",")


def read_workbook_header(path: Path) -> tuple[str, ...]:
    """The header of a workbook's first sheet that has one. Raises `FileRefused` for a damaged or empty workbook."""
    return _workbook_rows(path)[0]


def _check_workbook(path: Path) -> None:
    """Refuses a workbook that would unfold into more than this process can hold, without unfolding it.

    The reader lays a sheet out from its first to its last cell, so two cells far apart are enough to end the process.
    """
    reach = re.compile(rb"<(?:\w+:)?c\s[^>]*?\br\s*=\s*[\"']\$?([A-Za-z]{1,3})\$?(\d{1,7})[\"']")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > LARGEST_WORKBOOK_BYTES:
                raise FileRefused(f"{path.name}: the workbook unfolds into more than 1 GiB; send it as CSV.")
            # Other kinds of workbook than this one repeat cells by a number; none of the vendors sends them.
            if b"spreadsheetml.sheet" not in archive.read("[Content_Types].xml"):
                raise FileRefused(f"{path.name}: the workbook is damaged or is none; save it again as XLSX or CSV.")
            for entry in entries:
                width = height = 0
                with archive.open(entry) as handle:
                    rest = b""
                    while chunk := handle.read(CHUNK_BYTES):
                        text = rest + chunk
                        for column, row in reach.findall(text):
                            width = max(width, _column_number(column))
                            height = max(height, int(row))
                        rest = text[-256:]
                if width * height > LARGEST_SHEET_CELLS:
                    raise FileRefused(
                        f"{path.name}: a sheet reaches over {width} columns and {height} rows; delete the stray cells "
                        "beyond the table, or send it as CSV."
                    )
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
        raise FileRefused(f"{path.name}: the workbook is damaged or is none; save it again as XLSX or CSV.") from error


def _column_number(letters: bytes) -> int:
    """`A` is 1, `Z` 26, `AA` 27."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - ord("A") + 1
    return number


def _workbook_rows(path: Path) -> tuple[tuple[str, ...], list[tuple[int, list[str]]]]:
    import python_calamine

    _check_workbook(path)
    try:
        workbook = python_calamine.load_workbook(str(path))
        sheets = [workbook.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in workbook.sheet_names]
    except (python_calamine.CalamineError, OSError, ValueError) as error:
        raise FileRefused(f"{path.name}: the workbook is damaged or is none; save it again as XLSX or CSV.") from error
    for sheet in sheets:
        texts = [(line, [_cell_text(cell) for cell in row]) for line, row in enumerate(sheet, start=1)]
        texts = [(line, row) for line, row in texts if any(cell.strip() for cell in row)]
        if texts:
            line, first = texts[0]
            return _checked_header(first, path.name, line), texts[1:]
    raise FileRefused(f"{path.name}: the workbook is empty; export it again.")


def _cell_text(cell: object) -> str:
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(sep=" ")
    return cell.isoformat() if isinstance(cell, (date, time)) else str(cell)
