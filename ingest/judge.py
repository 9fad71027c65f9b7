"""Judges a table of texts against its feed's contract: which rows are taken, which go to quarantine, and why.

Every question is asked once of each distinct text of a column; only the answers are spread over the rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.cells import Fault, parse_number, parser_for, slug
from ingest.contracts import Column, Contract, normalise_header
from ingest.keys import Pseudonymiser
from ingest.refusal import FileRefused
from ingest.statistics_table import unfold
from ingest.tabular import TextColumn, TextTable
from ingest.upn import UpnStatus, upn_status

Mask = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Context:
    """What is known of a file beside its rows.

    `laestab` from the folder; `declared_window` from the name; `as_at`, the date a list without an
    as-at column holds for; `scales`, scale id to (minimum, maximum); `non_scores`, results that are known not to be
    scores.
    """

    laestab: str | None
    declared_window: tuple[date, date] | None
    as_at: date | None
    pseudonymiser: Pseudonymiser
    scales: dict[str, tuple[float, float]]
    non_scores: frozenset[str]


@dataclass(frozen=True)
class ValueColumn:
    """A judged column: `values`, distinct and never None; `codes`, each row's position in `values`, or -1 for none."""

    codes: Codes
    values: list[Any]

    @classmethod
    def of(cls, codes: Codes, meaning: Sequence[Any]) -> ValueColumn:
        """Spreads `meaning` (one for each code, None for none, repeats allowed) over the rows."""
        index: dict[Any, int] = {}
        place = np.fromiter(
            (-1 if value is None else index.setdefault(value, len(index)) for value in meaning), np.int32, len(meaning)
        )
        return cls(place[codes] if len(place) else np.full(len(codes), -1, np.int32), list(index))

    @classmethod
    def constant(cls, value: Any, n_rows: int) -> ValueColumn:
        """One value, or none, in every row."""
        return cls(np.full(n_rows, -1 if value is None else 0, np.int32), [] if value is None else [value])

    @property
    def is_null(self) -> Mask:
        return self.codes < 0

    def at(self, row: int) -> Any:
        """The value of one row, or None."""
        code = int(self.codes[row])
        return None if code < 0 else self.values[code]

    def lookup(self, answers: Sequence[Any], otherwise: Any, dtype: Any) -> npt.NDArray[Any]:
        """For each row the answer that belongs to its value, or `otherwise` where it has none."""
        return np.array([*answers, otherwise], dtype=dtype)[self.codes]


@dataclass
class Judged:
    """Columns by lake name, the rows each rule caught (rule id to mask), unknown columns, and the school of each
    row."""

    table: TextTable
    contract: Contract
    columns: dict[str, ValueColumn]
    caught: dict[str, Mask] = field(default_factory=dict)
    extra_columns: list[str] = field(default_factory=list)

    @property
    def n_rows(self) -> int:
        return self.table.n_rows

    def catch(self, rule_id: str | None, mask: Mask) -> None:
        """Notes that a rule caught these rows."""
        if rule_id is None or not mask.any():
            return
        self.caught[rule_id] = self.caught[rule_id] | mask if rule_id in self.caught else mask

    @property
    def refused(self) -> Mask:
        """Rows that at least one refusing rule caught."""
        return self._any("refuse")

    def _any(self, severity: str) -> Mask:
        found = np.zeros(self.n_rows, np.bool_)
        for rule_id, mask in self.caught.items():
            if self.contract.rules[rule_id].severity == severity:
                found |= mask
        return found

    def rule_lists(self, severity: str | None = None) -> ValueColumn:
        """For each row the ids of the rules that caught it, joined by commas; `severity` keeps the rules of one."""
        rule_ids = sorted(
            rule_id for rule_id in self.caught if severity in (None, self.contract.rules[rule_id].severity)
        )
        if not rule_ids:
            return ValueColumn.constant(None, self.n_rows)
        bits = np.zeros(self.n_rows, np.int64)
        for position, rule_id in enumerate(rule_ids):
            bits |= self.caught[rule_id].astype(np.int64) << position
        distinct, codes = np.unique(bits, return_inverse=True)
        lists = [
            ",".join(rule_id for position, rule_id in enumerate(rule_ids) if bit >> position & 1) or None
            for bit in distinct.tolist()
        ]
        return ValueColumn.of(codes.astype(np.int32), lists)


@dataclass(frozen=True)
class HeaderMatch:
    """Which position of a header holds which contract column; `missing` says what was looked for, a sentence part
    each."""

    positions: dict[str, int]
    missing: tuple[str, ...]
    extra: tuple[int, ...]


def match_header(contract: Contract, header: Sequence[str], file_name: str) -> HeaderMatch:
    """Finds each column of a contract in a header. Raises `FileRefused` where two headers mean one column."""
    wanted = {
        normalise_header(alias): column.name for column in contract.columns for alias in (column.name, *column.aliases)
    }
    positions: dict[str, int] = {}
    extra = []
    for position, text in enumerate(header):
        name = wanted.get(normalise_header(text))
        if name is None:
            extra.append(position)
        elif name in positions:
            raise FileRefused(
                f"{file_name}, line 1: '{header[positions[name]]}' and '{text}' both mean {name}; leave one out."
            )
        else:
            positions[name] = position
    missing = [_looked_for([column]) for column in contract.required if column.name not in positions]
    for group in contract.needs_one_of:
        if not any(name in positions for name in group):
            missing.append(_looked_for([column for column in contract.columns if column.name in group]))
    return HeaderMatch(positions, tuple(missing), tuple(extra))


def _looked_for(columns: Sequence[Column]) -> str:
    names = [alias for column in columns for alias in dict.fromkeys((*column.aliases, column.name))]
    return " or ".join(f"'{name}'" for name in names)


_OTHER_DELIMITERS = (";", "|")


def lone_heading_sentence(file_name: str, header: Sequence[str]) -> str | None:
    """One sentence on a first line of a single cell: another delimiter, or a title above the headings; else None."""
    cells = [cell for cell in header if cell.strip()]
    if len(cells) != 1:
        return None
    for delimiter in _OTHER_DELIMITERS:
        if delimiter in cells[0]:
            return (
                f"{file_name}, line 1: its cells are parted by '{delimiter}'; save it with commas (CSV) or tabs (TSV) "
                "between them."
            )
    return (
        f"{file_name}, line 1 has one cell only; the headings must stand in line 1, so delete the title or whatever "
        "else is above them."
    )


def missing_columns_sentence(file_name: str, contract: Contract, header: Sequence[str], missing: Sequence[str]) -> str:
    """One sentence: which columns a file lacks, by every name that was looked for, or why its headings are none."""
    return lone_heading_sentence(file_name, header) or (
        f"{file_name}, line 1: the {contract.feed} feed needs {'; and '.join(missing)}, which the header lacks; "
        "add the column or correct its heading."
    )


def judge(contract: Contract, table: TextTable, context: Context, file_name: str) -> Judged:
    """Judges every row of a file.

    Raises: `FileRefused` where a required column is missing, the school cannot be known at all, or a feed that says
    something whole says nothing: of a pupil list without a row everybody would have left.
    """
    match = match_header(contract, table.header, file_name)
    if match.missing:
        raise FileRefused(missing_columns_sentence(file_name, contract, table.header, match.missing))
    if "missing" in contract.checks.get("school", {}) and "laestab" not in match.positions and context.laestab is None:
        raise FileRefused(
            f"{file_name}: the school is not known; put the file in a folder named by its LAESTAB "
            f"(landing/{contract.feed}/1234567/) or add a LAESTAB column."
        )
    if contract.data.get("needs_rows") and not table.rows_read:
        raise FileRefused(f"{file_name}: the file has headings and no row; export it again.")
    judged = Judged(table, contract, {}, extra_columns=[table.header[position] for position in match.extra])
    for column in contract.columns:
        if column.type != "discard":
            judged.columns[column.name] = _judge_column(judged, column, match.positions.get(column.name))
    _judge_school(judged, context)
    _judge_as_at(judged, context)
    for name, check in _CHECKS:
        if name in contract.checks:
            check(judged, contract.checks[name], context, match)
    if "statistics" in contract.data:
        judged.extra_columns = []
    else:
        judged.columns["extra"] = _extra(table, match.extra)
    _judge_repeats(judged, match)
    return judged


def _judge_column(judged: Judged, column: Column, position: int | None) -> ValueColumn:
    if position is None:
        return ValueColumn.constant(None, judged.n_rows)
    source = judged.table.columns[position]
    parse = parser_for(column, judged.contract.codes, judged.contract.data.get("missing_marks", []))
    parsed = [parse(text) for text in source.values]
    for fault, rule_id in (
        (Fault.MISSING, column.on_missing),
        (Fault.INVALID, column.on_invalid),
        (Fault.LEGACY, column.options.get("on_legacy")),
    ):
        if rule_id is not None and any(found is fault for _, found in parsed):
            judged.catch(rule_id, np.array([found is fault for _, found in parsed])[source.codes])
    return ValueColumn.of(source.codes, [value for value, _ in parsed])


def _judge_school(judged: Judged, context: Context) -> None:
    """The school of a row is its LAESTAB cell, else the folder's; the two must agree."""
    rules = judged.contract.checks.get("school")
    if rules is None:
        return
    school = judged.columns["laestab"]
    if context.laestab is not None:
        differs = school.lookup([value != context.laestab for value in school.values], False, np.bool_)
        judged.catch(rules["differs"], differs)
        filled = ValueColumn.constant(context.laestab, judged.n_rows)
        bad = differs | judged.caught.get(rules["differs"], np.zeros(judged.n_rows, np.bool_))
        judged.columns["laestab"] = (
            filled if not bad.any() else ValueColumn(np.where(bad, -1, 0).astype(np.int32), filled.values)
        )
    elif "missing" in rules:
        judged.catch(rules["missing"], school.is_null)


def _judge_identity(judged: Judged, rules: dict[str, str], context: Context, match: HeaderMatch) -> None:
    """Adds the references of each row's pupil, and notes rows without one."""
    columns = judged.columns
    upn, mis_id, laestab = columns["upn"], columns["mis_id"], columns["laestab"]
    given = _is_filled(judged.table, match.positions.get("upn"))
    bad_upn = given & upn.is_null
    occurrence = columns["occurrence"]
    if "occurrence" not in match.positions:
        occurrence = ValueColumn.constant(1, judged.n_rows)
    else:
        occurrence = ValueColumn.of(occurrence.codes, [*occurrence.values, 1])
    pseudonymiser = context.pseudonymiser
    ref_upn = ValueColumn.of(upn.codes, [*(pseudonymiser.upn(value) for value in upn.values), None])
    triple, combinations = _combine([laestab, mis_id, occurrence])
    ref_mis = ValueColumn.of(
        triple,
        [
            None if school is None or mis is None else pseudonymiser.mis(school, mis, number)
            for school, mis, number in combinations
        ],
    )
    pupil_ref = _coalesce(ref_upn, ref_mis)
    columns.update(occurrence=occurrence, ref_upn=ref_upn, ref_mis=ref_mis, pupil_ref=pupil_ref)
    judged.catch(rules["bad_upn"], bad_upn & mis_id.is_null)
    judged.catch(rules["bad_upn_with_mis_id"], bad_upn & ~mis_id.is_null)
    judged.catch(rules["none"], ~given & mis_id.is_null)
    missing_school = judged.contract.checks["school"].get("missing_for_mis_id")
    judged.catch(missing_school, pupil_ref.is_null & ~mis_id.is_null)
    if "temporary" in rules:
        temporary = [upn_status(value) is UpnStatus.TEMPORARY for value in upn.values]
        judged.catch(rules["temporary"], upn.lookup(temporary, False, np.bool_))
    if "bad_former" in rules:
        former = columns["former_upn"]
        judged.catch(rules["bad_former"], _is_filled(judged.table, match.positions.get("former_upn")) & former.is_null)
        columns["ref_former_upn"] = ValueColumn.of(
            former.codes, [*(pseudonymiser.upn(value) for value in former.values), None]
        )
    if "shared" in rules and "occurrence" in match.positions:
        judged.catch(rules["shared"], _shared_ids(laestab, mis_id, occurrence))


def _shared_ids(laestab: ValueColumn, mis_id: ValueColumn, occurrence: ValueColumn) -> Mask:
    """Rows whose MIS id stands with several occurrences in one school."""
    owner, _ = _combine([laestab, mis_id])
    pair, _ = _combine([laestab, mis_id, occurrence])
    first_pair = np.full(int(owner.max(initial=-1)) + 1, -1, np.int32)
    first_pair[owner] = pair
    several = np.zeros(len(first_pair), np.bool_)
    several[owner[first_pair[owner] != pair]] = True
    return several[owner] & ~mis_id.is_null


def _judge_code_dates(judged: Judged, rules: dict[str, str], context: Context, match: HeaderMatch) -> None:
    """Flags codes used after their end, or before their beginning, in the nation of the school."""
    nations = judged.contract.data["nations"]

    def nation_of(laestab: str) -> str:
        for nation, (low, high) in nations.get("by_la_code", {}).items():
            if low <= int(laestab[:3]) <= high:
                return str(nation)
        return str(nations["default"])

    code, day, school = judged.columns["code"], judged.columns["session_date"], judged.columns["laestab"]
    ordinal = day.lookup([value.toordinal() for value in day.values], 0, np.int64)
    row_nation = [nation_of(value) for value in school.values]
    for nation in sorted(set(row_nation)):
        here = school.lookup([one == nation for one in row_nation], False, np.bool_) & ~code.is_null & ~day.is_null
        begins, ends = [], []
        for value in code.values:
            periods = [one for one in judged.contract.codes if one.code == value and one.nation == nation]
            # A code that only another nation knows is used outside its period at every date.
            begins.append(min((one.valid_from.toordinal() for one in periods), default=date.max.toordinal()))
            last = [one.valid_to.toordinal() if one.valid_to else date.max.toordinal() for one in periods]
            ends.append(max(last, default=date.max.toordinal()))
        judged.catch(rules["ended"], here & (ordinal > code.lookup(ends, 0, np.int64)))
        judged.catch(rules["not_begun"], here & (ordinal < code.lookup(begins, 0, np.int64)))


def _judge_window(judged: Judged, rules: dict[str, str], context: Context, match: HeaderMatch) -> None:
    if context.declared_window is None:
        return
    first, last = context.declared_window
    day = judged.columns["session_date"]
    judged.catch(rules["outside"], day.lookup([not first <= value <= last for value in day.values], False, np.bool_))


def _judge_as_at(judged: Judged, context: Context) -> None:
    """Fills the as-at date of a list's rows where no column gives it."""
    column = judged.columns.get("as_at_date")
    if column is not None and context.as_at is not None:
        judged.columns["as_at_date"] = ValueColumn.of(column.codes, [*column.values, context.as_at])


def _judge_birth(judged: Judged, rule_id: str, context: Context, match: HeaderMatch) -> None:
    born, as_at = judged.columns["dob"], judged.columns["as_at_date"]
    birth = born.lookup([value.toordinal() for value in born.values], 0, np.int64)
    judged.catch(
        rule_id, birth > as_at.lookup([value.toordinal() for value in as_at.values], date.max.toordinal(), np.int64)
    )


def _judge_weekend(judged: Judged, rules: dict[str, Any], context: Context, match: HeaderMatch) -> None:
    day = judged.columns[rules["date"]]
    caught = day.lookup([value.weekday() >= 5 for value in day.values], False, np.bool_)
    for name, wanted in rules.get("only", {}).items():
        column = judged.columns[name]
        caught = caught & column.lookup([value == wanted for value in column.values], False, np.bool_)
    judged.catch(rules["rule"], caught)


def _judge_leaving(judged: Judged, rule_id: str, context: Context, match: HeaderMatch) -> None:
    entry, leaving = judged.columns["entry_date"], judged.columns["leaving_date"]
    begins = entry.lookup([value.toordinal() for value in entry.values], 0, np.int64)
    ends = leaving.lookup([value.toordinal() for value in leaving.values], date.max.toordinal(), np.int64)
    judged.catch(rule_id, ends < begins)


def _judge_result(judged: Judged, rules: dict[str, str], context: Context, match: HeaderMatch) -> None:
    """Reads results as numbers, within their scale's range where the registry has the scale."""
    columns = judged.columns
    name = columns["assessment_name"]
    columns["assessment_id"] = ValueColumn.of(name.codes, [*(slug(value) for value in name.values), None])
    result, scale = columns["raw_result"], columns["scale_id"]
    numbers = [parse_number(value) for value in result.values]
    judged.catch(rules["too_precise"], result.lookup([rounded for _, rounded in numbers], False, np.bool_))
    no_score = [
        number is None and value.upper() not in context.non_scores
        for value, (number, _) in zip(result.values, numbers, strict=True)
    ]
    judged.catch(rules["not_a_score"], result.lookup(no_score, False, np.bool_))
    judged.catch(
        rules["unknown_scale"], scale.lookup([value not in context.scales for value in scale.values], False, np.bool_)
    )
    value = result.lookup(
        [float(number) if number is not None else np.nan for number, _ in numbers], np.nan, np.float64
    )
    ranges = [context.scales.get(one, (-np.inf, np.inf)) for one in scale.values]
    low = scale.lookup([minimum for minimum, _ in ranges], -np.inf, np.float64)
    high = scale.lookup([maximum for _, maximum in ranges], np.inf, np.float64)
    judged.catch(rules["off_scale"], (value < low) | (value > high))
    columns["numeric_value"] = ValueColumn.of(result.codes, [*(number for number, _ in numbers), None])


def _judge_totals(judged: Judged, rules: dict[str, str], context: Context, match: HeaderMatch) -> None:
    """Sessions missed cannot exceed the possible ones, and attended ones are what is left of them.

    Late ones that exceed them are left out: nothing else of the row is in doubt.
    """

    def sessions(name: str) -> npt.NDArray[np.int64]:
        column = judged.columns[name]
        counted: npt.NDArray[np.int64] = column.lookup(column.values, -1, np.int64)
        return counted

    possible, authorised, unauthorised = (sessions(name) for name in ("possible", "authorised", "unauthorised"))
    known = (possible >= 0) & (authorised >= 0) & (unauthorised >= 0)
    left, attended = possible - authorised - unauthorised, sessions("attended")
    judged.catch(rules["absent_exceeds_possible"], known & (left < 0))
    judged.catch(rules["attended_differs"], known & (left >= 0) & (attended >= 0) & (attended != left))
    too_late = known & (sessions("late") > possible)
    judged.catch(rules["late_exceeds_possible"], too_late)
    judged.columns["late"] = _where(too_late, ValueColumn.constant(None, judged.n_rows), judged.columns["late"])


def _judge_end(judged: Judged, rule_id: str, context: Context, match: HeaderMatch) -> None:
    start, end = judged.columns["start_date"], judged.columns["end_date"]
    begins = start.lookup([value.toordinal() for value in start.values], 0, np.int64)
    judged.catch(
        rule_id, end.lookup([value.toordinal() for value in end.values], date.max.toordinal(), np.int64) < begins
    )


def _judge_statistics(judged: Judged, rules: dict[str, str], context: Context, match: HeaderMatch) -> None:
    """Adds the place of each row, its group and its figures: whatever stands in columns that the contract leaves
    open."""
    table, settings = judged.table, judged.contract.data["statistics"]
    columns = judged.columns
    level = columns["geographic_level"]
    code, name = ValueColumn.constant(None, judged.n_rows), ValueColumn.constant(None, judged.n_rows)
    for value, (code_column, name_column) in settings["places"].items():
        here = level.lookup([one == value for one in level.values], False, np.bool_)
        code, name = _where(here, columns[code_column], code), _where(here, columns[name_column], name)
    columns["location_code"], columns["location_name"] = code, name
    judged.catch(rules["no_place"], ~level.is_null & code.is_null)
    sources = [(table.header[position], table.columns[position]) for position in match.extra]
    found = unfold(sources, settings, judged.n_rows)
    columns["filters"], columns["cells"] = (ValueColumn.of(*part) for part in (found.filters, found.cells))
    judged.catch(rules["no_figure"], found.has_bad_cell)
    judged.catch(rules["obsolete"], found.has_obsolete_cell & ~found.has_bad_cell)


def _where(here: Mask, chosen: ValueColumn, otherwise: ValueColumn) -> ValueColumn:
    codes = np.where(here, chosen.codes, np.where(otherwise.is_null, -1, otherwise.codes + len(chosen.values)))
    return ValueColumn.of(codes.astype(np.int32), [*chosen.values, *otherwise.values, None])


_CHECKS: tuple[tuple[str, Callable[[Judged, Any, Context, HeaderMatch], None]], ...] = (
    ("pupil_identity", _judge_identity),
    ("code_dates", _judge_code_dates),
    ("window", _judge_window),
    ("born_after_as_at", _judge_birth),
    ("weekend", _judge_weekend),
    ("leaves_before_entry", _judge_leaving),
    ("result", _judge_result),
    ("totals", _judge_totals),
    ("ends_before_start", _judge_end),
    ("statistics", _judge_statistics),
)


def _judge_repeats(judged: Judged, match: HeaderMatch) -> None:
    """Of rows with one key: identical ones are kept once; where they differ, none is kept."""
    rules = judged.contract.checks["repeats"]
    candidates = np.flatnonzero(~judged.refused)
    if len(candidates) < 2:
        return
    key = _key(
        [judged.columns[name].codes[candidates] for name in judged.contract.data["key"] if name in judged.columns]
    )
    repeated = candidates[_is_repeated(key)]
    if not len(repeated):
        return
    wanted = judged.contract.data["values"]
    names = [column.name for column in judged.contract.columns if column.type != "discard"] if wanted == "*" else wanted
    groups: dict[tuple[int, ...], list[int]] = {}
    keys = [judged.columns[name].codes for name in judged.contract.data["key"] if name in judged.columns]
    for row in repeated.tolist():
        groups.setdefault(tuple(int(codes[row]) for codes in keys), []).append(row)
    identical, conflicting = np.zeros(judged.n_rows, np.bool_), np.zeros(judged.n_rows, np.bool_)
    values = [judged.columns[name].codes for name in names]
    for rows in groups.values():
        if len({tuple(int(codes[row]) for codes in values) for row in rows}) == 1:
            identical[rows[1:]] = True
        else:
            conflicting[rows] = True
    judged.catch(rules["identical"], identical)
    judged.catch(rules["conflicting"], conflicting)


def _is_repeated(key: npt.NDArray[np.int64]) -> Mask:
    """Which entries of a key occur more than once."""
    span = int(key.max()) + 1
    if span <= max(16 * len(key), 1_000_000):
        return np.asarray(np.bincount(key, minlength=span)[key] > 1)
    order = np.argsort(key, kind="stable")
    same = key[order][1:] == key[order][:-1]
    repeated = np.zeros(len(key), np.bool_)
    repeated[order[1:][same]] = True
    repeated[order[:-1][same]] = True
    return repeated


def _key(columns: Sequence[Codes]) -> npt.NDArray[np.int64]:
    """One number a row that is equal where all columns are; refolded to small numbers before it could overflow."""
    key = np.zeros(len(columns[0]), np.int64)
    span = 1
    for codes in columns:
        width = int(codes.max(initial=-1)) + 2
        if span * width >= 2**62:
            _, key = np.unique(key, return_inverse=True)
            span = int(key.max(initial=0)) + 1
        key = key * width + (codes + 1)
        span *= width
    return key


def _combine(columns: Sequence[ValueColumn]) -> tuple[Codes, list[tuple[Any, ...]]]:
    """Codes for the distinct combinations of several columns, and the combinations."""
    varying = [column for column in columns if len(column.values) > 1 or column.is_null.any()]
    if len(varying) == 1 and len(columns[0].codes):
        column = varying[0]
        positions = np.arange(-1, len(column.values), dtype=np.int32)
        meanings = [
            tuple((None if code < 0 else one.values[code]) if one is column else one.at(0) for one in columns)
            for code in positions.tolist()
        ]
        return column.codes + np.int32(1), meanings
    _, first, codes = np.unique(_key([column.codes for column in columns]), return_index=True, return_inverse=True)
    meanings = [tuple(column.at(row) for column in columns) for row in first.tolist()]
    return codes.astype(np.int32), meanings


def _coalesce(first: ValueColumn, second: ValueColumn) -> ValueColumn:
    if not first.is_null.any():
        return first
    codes = np.where(first.is_null, np.where(second.is_null, -1, second.codes + len(first.values)), first.codes)
    return ValueColumn.of(codes.astype(np.int32), [*first.values, *second.values, None])


def _is_filled(table: TextTable, position: int | None) -> Mask:
    if position is None:
        return np.zeros(table.n_rows, np.bool_)
    column = table.columns[position]
    return (
        np.array([bool(text.strip()) for text in column.values], np.bool_)[column.codes]
        if column.values
        else np.zeros(0, np.bool_)
    )


def _extra(table: TextTable, positions: Sequence[int]) -> ValueColumn:
    """JSON of the unknown columns that a row fills, or none."""
    sources = [(table.header[position], table.columns[position]) for position in positions]
    if not sources or not table.n_rows:
        return ValueColumn.constant(None, table.n_rows)
    _, first, codes = np.unique(_key([column.codes for _, column in sources]), return_index=True, return_inverse=True)
    meanings = []
    for row in first.tolist():
        filled = {name: _text_at(column, row) for name, column in sources}
        filled = {name: text for name, text in filled.items() if text.strip()}
        meanings.append(json.dumps(filled, ensure_ascii=False) if filled else None)
    return ValueColumn.of(codes.astype(np.int32), meanings)


def _text_at(column: TextColumn, row: int) -> str:
    return column.values[int(column.codes[row])]


def raw_row(table: TextTable, row: int) -> str:
    """A row as it came, as JSON from header to text."""
    return json.dumps(
        {name: _text_at(column, row) for name, column in zip(table.header, table.columns, strict=True)},
        ensure_ascii=False,
    )
