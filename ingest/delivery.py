"""One landed file into the lake: read, judged, split by school where its feed is a school's, written as parses."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ingest.arrival import copy_arrival
from ingest.contracts import Contract
from ingest.decoding import content_sha256
from ingest.file_names import NameFacts, extent_of, read_file_name, undated
from ingest.judge import Context, Judged, ValueColumn, judge, raw_row
from ingest.keys import Pseudonymiser
from ingest.lake import Lake, Receipt, short_hash, write_json
from ingest.recognise import recognise
from ingest.refusal import FileRefused
from ingest.tabular import read_table

PARSER_VERSION = "2"

_COMMON = [("delivery_id", pa.string()), ("line", pa.int32()), ("flags", pa.string()), ("extra", pa.string())]
_TYPES = {
    "text": pa.string(),
    "date": pa.date32(),
    "ref": pa.int64(),
    "int": pa.int32(),
    "small": pa.int16(),
    "bool": pa.bool_(),
    "decimal": pa.decimal128(18, 9),
    "cells": pa.list_(pa.struct([("indicator", pa.string()), ("value", pa.float64()), ("status", pa.string())])),
}


def _schema(text: str) -> pa.Schema:
    pairs = (word.partition(":")[::2] for word in text.split())
    return pa.schema(_COMMON + [(name, _TYPES[kind or "text"]) for name, kind in pairs])


ACCEPTED = {
    "schools": _schema(
        "urn laestab la_code la_name region_name school_name phase establishment_type establishment_status"
        " school_gender open_date:date close_date:date low_age:int high_age:int trust_code trust_name"
    ),
    "school_links": _schema("urn link_urn link_type link_date:date"),
    "calendar": _schema("laestab session_date:date session session_status"),
    "pupils": _schema(
        "laestab as_at_date:date pupil_ref:ref ref_upn:ref ref_former_upn:ref ref_mis:ref upn former_upn mis_id"
        " occurrence:int surname forename dob:date sex nc_year reg_group entry_date:date leaving_date:date"
        " enrol_status ethnicity language"
        " is_fsm:bool is_fsm6:bool is_pupil_premium:bool sen_provision is_looked_after:bool is_post_looked_after:bool"
        " idaci_decile:int"
    ),
    "session_marks": _schema("laestab pupil_ref:ref session_date:date session code minutes_late:small"),
    "attendance_totals": _schema(
        "laestab pupil_ref:ref academic_year term possible:int attended:int authorised:int unauthorised:int late:int"
    ),
    "suspensions": _schema("laestab pupil_ref:ref kind start_date:date sessions:int reason"),
    "interventions": _schema("laestab pupil_ref:ref intervention start_date:date end_date:date team"),
    "dfe_statistics": _schema(
        "time_period time_identifier geographic_level location_code location_name country_code country_name"
        " region_code region_name new_la_code old_la_code la_name school_urn school_laestab school_name"
        " filters cells:cells"
    ),
    "assessment_results": _schema(
        "laestab pupil_ref:ref assessment_id assessment_name subject component raw_result numeric_value:decimal"
        " scale_id result_date:date"
    ),
}
QUARANTINE = pa.schema(
    [
        ("delivery_id", pa.string()),
        ("line", pa.int32()),
        ("rule_ids", pa.string()),
        ("raw", pa.string()),
        ("laestab", pa.string()),
        ("pupil_ref", pa.int64()),
        ("session_date", pa.date32()),
        ("session", pa.string()),
    ]
)


@dataclass(frozen=True)
class LandedFile:
    """A file in the landing folder: `path`, relative to it; `folder`, the feed folder or None; `laestab` of its
    sub-folder."""

    path: str
    size: int
    mtime_ns: int
    folder: str | None
    laestab: str | None


@dataclass(frozen=True)
class DeliverySummary:
    """One delivery out of a file: counts of rows, and rows by rule."""

    feed: str
    delivery_id: str
    laestab: str | None
    rows_read: int
    rows_accepted: int
    rows_quarantined: int
    rows_flagged: int
    rules: dict[str, int]
    extra_columns: tuple[str, ...]


@dataclass(frozen=True)
class Standing:
    """What judging needs beside the file: the pseudonymiser and what the registry knows of scales."""

    pseudonymiser: Pseudonymiser
    scales: dict[str, tuple[float, float]]
    non_scores: frozenset[str]

    @property
    def fingerprint(self) -> str:
        """Changes whenever the registry would judge a result differently."""
        return short_hash(sorted(self.scales.items()), sorted(self.non_scores))[:8]


@dataclass(frozen=True)
class Origin:
    """What the name, folder and modification time of a file say about its delivery."""

    extracted_at: datetime
    basis: str
    window: tuple[date, date] | None
    as_at: date | None
    extent: str | None


def origin_of(contract: Contract, name: str, mtime_ns: int) -> Origin:
    """When a file was extracted and what it covers, from where its contract allows.

    Raises: `FileRefused` where the contract takes no modification time and the name has no time.
    """
    facts: NameFacts = read_file_name(name)
    data = contract.data
    if facts.extracted_at is not None:
        extracted_at, basis = facts.extracted_at, "file_name"
    elif "mtime" in data["extracted_at_from"]:
        extracted_at, basis = datetime.fromtimestamp(mtime_ns // 1_000_000_000), "mtime"
    else:
        raise FileRefused(
            f"{name}: the name says no extraction time; add one such as 20250905T180000 and send it again."
        )
    as_at = (facts.day or extracted_at.date()) if "as_at_from" in data else None
    window = facts.window if "window_from" in data else None
    extent = extent_of(name, data["extent"]) if "extent" in data else None
    return Origin(extracted_at, basis, window, as_at, extent)


def context_for(standing: Standing, origin: Origin, laestab: str | None) -> Context:
    """What `judge` needs to know of a file."""
    return Context(laestab, origin.window, origin.as_at, standing.pseudonymiser, standing.scales, standing.non_scores)


def contract_version(contract: Contract, standing: Standing) -> str:
    """The contract's version, with the registry's scales where they take part in judging."""
    return f"{contract.version}-{standing.fingerprint}" if "result" in contract.checks else contract.version


def deliver(landing: Path, landed: LandedFile, lake: Lake, standing: Standing) -> list[DeliverySummary]:
    """Takes one landed file into the lake.

    Raises: `FileRefused` with one sentence where the file cannot be taken.
    """
    scratch = lake.scratch()
    try:
        path = copy_arrival(landing, landed.path, scratch)
        table = read_table(path, scratch)
        contract = recognise(table.header, path.name, landed.folder)
        origin = origin_of(contract, path.name, landed.mtime_ns)
        judged = judge(contract, table, context_for(standing, origin, landed.laestab), path.name)
        sha256 = content_sha256(path)
        lake.keep_original(path, sha256, scratch)
        summaries = []
        for laestab, rows, has_ragged in _scopes(judged, landed.laestab):
            part = _Part(judged, contract, origin, path.name, sha256, laestab, rows, has_ragged)
            summaries.append(_write_part(part, lake, standing, scratch))
            receipt = Receipt(
                summaries[-1].delivery_id,
                path.name,
                landed.path,
                landed.size,
                landed.mtime_ns,
                origin.extracted_at,
                origin.basis,
            )
            lake.write_receipt(receipt, scratch)
        return summaries
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@dataclass(frozen=True)
class _Part:
    """The rows of one delivery: `rows`, their positions; `has_ragged`, whether the rows that do not fit the header go
    here."""

    judged: Judged
    contract: Contract
    origin: Origin
    file_name: str
    sha256: str
    laestab: str | None
    rows: npt.NDArray[np.int64]
    has_ragged: bool


def _scopes(judged: Judged, folder_laestab: str | None) -> Iterator[tuple[str | None, npt.NDArray[np.int64], bool]]:
    """Splits the rows by school where the feed is a school's; a row of no readable school goes to the only one, else to
    none."""
    every = np.arange(judged.n_rows)
    if not judged.contract.is_school_scoped:
        yield folder_laestab, every, True
        return
    school = judged.columns["laestab"]
    if folder_laestab is not None or len(school.values) == 1:
        yield folder_laestab or school.values[0], every, True
        return
    for code, laestab in sorted(enumerate(school.values), key=lambda pair: str(pair[1])):
        yield laestab, np.flatnonzero(school.codes == code), False
    homeless = np.flatnonzero(school.is_null)
    if len(homeless) or judged.table.ragged or not school.values:
        yield None, homeless, True


def _write_part(part: _Part, lake: Lake, standing: Standing, scratch: Path) -> DeliverySummary:
    judged, contract, origin = part.judged, part.contract, part.origin
    feed = contract.feed
    scope = (part.laestab or "", origin.window or "", origin.as_at or "", origin.extent or "")
    delivery_id = short_hash(feed, *scope, part.sha256)
    version = contract_version(contract, standing)
    key_id = standing.pseudonymiser.key_id
    parse_id = short_hash(delivery_id, version, PARSER_VERSION, key_id)

    refused = judged.refused[part.rows]
    taken, sent_back = part.rows[~refused], part.rows[refused]
    flags = judged.rule_lists("flag")
    ragged = judged.table.ragged if part.has_ragged else ()
    rules = {rule_id: count for rule_id, mask in sorted(judged.caught.items()) if (count := int(mask[part.rows].sum()))}
    if ragged:
        fields_rule = contract.checks["fields"]
        rules[fields_rule] = rules.get(fields_rule, 0) + len(ragged)
    summary = DeliverySummary(
        feed,
        delivery_id,
        part.laestab,
        rows_read=len(part.rows) + len(ragged),
        rows_accepted=len(taken),
        rows_quarantined=len(sent_back) + len(ragged),
        rows_flagged=int((~flags.is_null[taken]).sum()),
        rules=rules,
        extra_columns=tuple(judged.extra_columns),
    )
    if lake.has_parse(feed, delivery_id, parse_id):
        return summary

    accepted = _accepted_table(part, delivery_id, taken, flags)
    quarantine = _quarantine_table(part, delivery_id, sent_back, ragged)
    if summary.rows_read != accepted.num_rows + quarantine.num_rows:
        raise AssertionError(
            f"{part.file_name}: {summary.rows_read} rows read are not {accepted.num_rows} accepted and "
            f"{quarantine.num_rows} quarantined; this is a fault of the program, please report it."
        )
    folder = scratch / parse_id
    folder.mkdir()
    _write_parquet(accepted, folder / "accepted.parquet")
    _write_parquet(quarantine, folder / "quarantine.parquet")
    manifest = {
        "feed": feed,
        "delivery_id": delivery_id,
        "parse_id": parse_id,
        "file_name": part.file_name,
        "content_sha256": part.sha256,
        "laestab": part.laestab,
        "contract_version": version,
        "parser_version": PARSER_VERSION,
        "key_id": key_id,
        **_coverage(part, taken),
        "rows_read": summary.rows_read,
        "rows_accepted": summary.rows_accepted,
        "rows_quarantined": summary.rows_quarantined,
        "rows_flagged": summary.rows_flagged,
        "rules": {
            rule_id: {
                "severity": contract.rules[rule_id].severity,
                "sentence": contract.rules[rule_id].sentence,
                "n_rows": n_rows,
            }
            for rule_id, n_rows in rules.items()
        },
        "extra_columns": list(summary.extra_columns),
        "parsed_at": datetime.now().isoformat("T", "microseconds"),
    }
    write_json(folder / "manifest.json", manifest, scratch)
    lake.commit_parse(feed, delivery_id, parse_id, folder)
    return summary


def _coverage(part: _Part, taken: npt.NDArray[np.int64]) -> dict[str, Any]:
    """The manifest's dates: as-at, window, academic year, and for registers the rows and pupils of each day."""
    columns, origin = part.judged.columns, part.origin
    facts: dict[str, Any] = {
        "as_at_date": None,
        "window_from": None,
        "window_to": None,
        "extent": origin.extent,
        "publication": publication_of(part.contract, part.file_name),
        "academic_year": None,
        "days": [],
    }
    if "as_at_date" in columns:
        dates = _values_in(columns["as_at_date"], taken)
        facts["as_at_date"] = max(dates) if dates else origin.as_at
    if "session_date" in columns:
        # Rows in quarantine whose day can be read count: the slice they name is superseded, and its mark becomes
        # unknown.
        dates = _values_in(columns["session_date"], taken if origin.window else part.rows)
        if origin.window:
            facts["window_from"], facts["window_to"] = origin.window
        elif dates:
            facts["window_from"], facts["window_to"] = min(dates), max(dates)
        years = {academic_year(day) for day in dates}
        facts["academic_year"] = years.pop() if len(years) == 1 else None
    if "time_period" in columns:
        periods = {academic_year_of_period(period) for period in _values_in(columns["time_period"], taken)}
        facts["academic_year"] = periods.pop() if len(periods) == 1 else None
    if "pupil_ref" in columns and "session_date" in columns:
        facts["days"] = _days(columns["session_date"], columns["pupil_ref"], part.rows, taken)
    return facts


def publication_of(contract: Contract, file_name: str) -> str | None:
    """What a file is an edition of: what its contract says, else its name without dates; None where neither does."""
    if "publication_from" in contract.data:
        return undated(file_name)
    publication = contract.data.get("publication")
    return None if publication is None else str(publication)


def academic_year_of_period(period: str) -> str | None:
    """`2025/26` of the time period `202526`; None for a calendar year."""
    return f"{period[:4]}/{period[4:]}" if len(period) == 6 else None


def academic_year(day: date) -> str:
    """The academic year of a day, 1 August to 31 July, as `2025/26`."""
    first = day.year if day.month >= 8 else day.year - 1
    return f"{first}/{(first + 1) % 100:02d}"


def _values_in(column: ValueColumn, rows: npt.NDArray[np.int64]) -> list[Any]:
    used = np.unique(column.codes[rows])
    return [column.values[code] for code in used.tolist() if code >= 0]


def _days(
    day: ValueColumn, pupil: ValueColumn, rows: npt.NDArray[np.int64], taken: npt.NDArray[np.int64]
) -> list[list[Any]]:
    """For each day: rows accepted, and distinct pupils named in any row that can be read, accepted or not."""
    accepted = np.bincount(day.codes[taken] + 1, minlength=len(day.values) + 1)[1:]
    width = len(pupil.values) + 1
    named = rows[~day.is_null[rows] & ~pupil.is_null[rows]]
    pairs = day.codes[named].astype(np.int64) * width + pupil.codes[named]
    span = len(day.values) * width
    if span <= max(16 * len(pairs), 1_000_000):
        distinct = np.flatnonzero(np.bincount(pairs, minlength=span)) if len(pairs) else pairs
    else:
        distinct = np.unique(pairs)
    pupils = np.bincount(distinct // width, minlength=len(day.values))
    return sorted(
        [value.isoformat(), int(accepted[code]), int(pupils[code])]
        for code, value in enumerate(day.values)
        if accepted[code] or pupils[code]
    )


def _to_arrow(column: ValueColumn | None, rows: npt.NDArray[np.int64], kind: pa.DataType) -> pa.Array:
    if column is None:
        return pa.nulls(len(rows), kind)
    codes = column.codes if len(rows) == len(column.codes) else column.codes[rows]
    values = column.values
    if len(codes) < len(column.codes):
        # Only the values that these rows use: a school's file must not hold another school's pupils, even unused.
        used, places = np.unique(codes, return_inverse=True)
        codes = (places - (1 if len(used) and used[0] < 0 else 0)).astype(np.int32)
        values = [values[code] for code in used.tolist() if code >= 0]
    missing = codes < 0
    indices = _integers(codes, missing if missing.any() else None)
    if kind == pa.string():
        return pa.DictionaryArray.from_arrays(indices, pa.array(values, pa.string()))
    return pa.array(values, kind).take(indices)


def _integers(values: npt.NDArray[np.int32], missing: npt.NDArray[np.bool_] | None) -> pa.Array:
    """Integers as Arrow from their memory: `pyarrow.array` would import pandas, a second of every worker's time."""
    validity = None if missing is None else pa.py_buffer(np.packbits(~missing, bitorder="little"))
    memory = pa.py_buffer(np.ascontiguousarray(values, np.int32))
    return pa.Array.from_buffers(pa.int32(), len(values), [validity, memory])


def _accepted_table(part: _Part, delivery_id: str, rows: npt.NDArray[np.int64], flags: ValueColumn) -> pa.Table:
    judged = part.judged
    columns = dict(judged.columns)
    if part.contract.feed == "schools":
        columns["laestab"] = _school_laestab(columns)
    arrays = []
    for name, kind in zip(ACCEPTED[part.contract.feed].names, ACCEPTED[part.contract.feed].types, strict=True):
        if name == "delivery_id":
            arrays.append(_to_arrow(ValueColumn.constant(delivery_id, judged.n_rows), rows, kind))
        elif name == "line":
            arrays.append(_integers(judged.table.lines[rows], None))
        else:
            arrays.append(_to_arrow(flags if name == "flags" else columns.get(name), rows, kind))
    return pa.table(arrays, names=ACCEPTED[part.contract.feed].names)


def _school_laestab(columns: dict[str, ValueColumn]) -> ValueColumn:
    la_code, estab = columns["la_code"], columns["estab"]
    n_rows = len(la_code.codes)
    both = [
        None if la_code.codes[row] < 0 or estab.codes[row] < 0 else la_code.at(row) + estab.at(row)
        for row in range(n_rows)
    ]
    return ValueColumn.of(np.arange(n_rows, dtype=np.int32), both)


def _quarantine_table(
    part: _Part, delivery_id: str, rows: npt.NDArray[np.int64], ragged: tuple[tuple[int, str], ...]
) -> pa.Table:
    judged = part.judged
    rule_ids = judged.rule_lists() if len(rows) else None
    known = {name: judged.columns.get(name) for name in ("laestab", "pupil_ref", "session_date", "session")}
    records: list[dict[str, Any]] = [
        {
            "delivery_id": delivery_id,
            "line": int(judged.table.lines[row]),
            "rule_ids": rule_ids.at(row) if rule_ids else None,
            "raw": raw_row(judged.table, row),
            **{name: column.at(row) if column is not None else None for name, column in known.items()},
        }
        for row in rows.tolist()
    ]
    records += [
        {
            "delivery_id": delivery_id,
            "line": line,
            "rule_ids": part.contract.checks["fields"],
            "raw": raw,
            "laestab": part.laestab,
        }
        for line, raw in ragged
    ]
    return pa.Table.from_pylist(sorted(records, key=lambda record: record["line"]), schema=QUARANTINE)


def _write_parquet(table: pa.Table, path: Path) -> None:
    """Parquet that any reader takes: plain types, no Arrow schema; identifiers and dates by dictionary, line numbers
    as deltas."""
    with path.open("wb") as handle:
        pq.write_table(
            table,
            handle,
            compression="zstd",
            compression_level=1,
            store_schema=False,
            use_dictionary=[name for name in table.schema.names if name != "line"],
            column_encoding={"line": "DELTA_BINARY_PACKED"},
            row_group_size=1_000_000,
        )
        handle.flush()
        os.fsync(handle.fileno())
