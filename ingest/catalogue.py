"""The lake as tables of the warehouse: deliveries, what is in force, who is who."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa

from ingest.identity import PupilRow, resolve_pupils, resolve_schools
from ingest.lake import Lake, Parse, Receipt
from ingest.registry import load_registry
from ingest.settings import Settings
from ingest.windows import RegisterDelivery, Resolution, resolve_windows

_TEXT, _DATE, _BIG, _INT, _BOOL, _TIME = (
    pa.string(),
    pa.date32(),
    pa.int64(),
    pa.int32(),
    pa.bool_(),
    pa.timestamp("us"),
)
TABLES: dict[str, list[tuple[str, pa.DataType]]] = {
    "delivery": [
        ("delivery_id", _TEXT),
        ("parse_id", _TEXT),
        ("feed", _TEXT),
        ("laestab", _TEXT),
        ("file_name", _TEXT),
        ("extracted_at", _TIME),
        ("extracted_at_basis", _TEXT),
        ("as_at_date", _DATE),
        ("window_from", _DATE),
        ("window_to", _DATE),
        ("extent", _TEXT),
        ("publication", _TEXT),
        ("academic_year", _TEXT),
        ("rows_read", _BIG),
        ("rows_accepted", _BIG),
        ("rows_quarantined", _BIG),
        ("rows_flagged", _BIG),
        ("is_held", _BOOL),
        ("held_reason", _TEXT),
        ("accepted_path", _TEXT),
        ("quarantine_path", _TEXT),
        ("contract_version", _TEXT),
        ("parser_version", _TEXT),
        ("key_id", _TEXT),
    ],
    "delivery_rule": [
        ("delivery_id", _TEXT),
        ("rule_id", _TEXT),
        ("severity", _TEXT),
        ("sentence", _TEXT),
        ("n_rows", _BIG),
    ],
    "delivery_day": [("delivery_id", _TEXT), ("session_date", _DATE), ("n_rows", _BIG), ("n_pupils", _BIG)],
    "session_window": [("laestab", _TEXT), ("session_date", _DATE), ("delivery_id", _TEXT), ("layer", _INT)],
    "identity": [("pupil_ref", _BIG), ("pupil_key", _BIG)],
    "identity_conflict": [("pupil_ref_a", _BIG), ("pupil_ref_b", _BIG), ("reason", _TEXT)],
    "school_identity": [("urn", _TEXT), ("school_key", _TEXT)],
    "refusal": [("refusal_id", _TEXT), ("file_name", _TEXT), ("feed", _TEXT), ("sentence", _TEXT)],
}


def write_catalogue(settings: Settings, connection: duckdb.DuckDBPyConnection) -> None:
    """Replaces schema `lake` of the warehouse, in one transaction, by what the lake now holds.

    Parameters: `connection`, open for writing on the warehouse, without a transaction under way.
    """
    lake = Lake(settings)
    receipts = lake.newest_receipts()
    parses = [parse for parse in lake.parses() if parse.delivery_id in receipts]
    windows = windows_of(settings, lake, parses, receipts)
    rows = {
        "delivery": _deliveries(parses, receipts, windows),
        "delivery_rule": [
            (parse.delivery_id, rule_id, rule["severity"], rule["sentence"], rule["n_rows"])
            for parse in parses
            for rule_id, rule in parse.manifest["rules"].items()
        ],
        "delivery_day": [
            (parse.delivery_id, date.fromisoformat(day), n_rows, n_pupils)
            for parse in parses
            for day, n_rows, n_pupils in parse.manifest["days"]
        ],
        "session_window": [(one.laestab, one.session_date, one.delivery_id, one.layer) for one in windows.in_force],
        "refusal": [(one.refusal_id, one.file_name, one.feed, one.sentence) for one in lake.refusals()],
        **_identities(parses, connection),
    }
    connection.execute("BEGIN")
    try:
        connection.execute("CREATE SCHEMA IF NOT EXISTS lake")
        for name, columns in TABLES.items():
            _replace_table(connection, name, columns, rows[name])
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def windows_of(settings: Settings, lake: Lake, parses: Sequence[Parse], receipts: dict[str, Receipt]) -> Resolution:
    """What is in force and what is held, by the registry's share."""
    accepted = lake.decisions()
    registers = []
    for parse in parses:
        manifest = parse.manifest
        if parse.feed != "session_marks" or manifest["window_from"] is None or manifest["laestab"] is None:
            continue
        registers.append(
            RegisterDelivery(
                parse.delivery_id,
                manifest["laestab"],
                receipts[parse.delivery_id].extracted_at,
                manifest["content_sha256"],
                date.fromisoformat(manifest["window_from"]),
                date.fromisoformat(manifest["window_to"]),
                manifest["extent"],
                {date.fromisoformat(day): n_pupils for day, _, n_pupils in manifest["days"]},
                parse.delivery_id in accepted,
            )
        )
    return resolve_windows(registers, load_registry(settings).data["partial"]["whole_school_share_percent"])


def _deliveries(parses: Sequence[Parse], receipts: dict[str, Receipt], windows: Resolution) -> list[tuple[Any, ...]]:
    held = {hold.delivery_id: hold.sentence for hold in windows.held}

    def day(parse: Parse, name: str) -> date | None:
        return date.fromisoformat(parse.manifest[name]) if parse.manifest[name] else None

    rows = []
    for parse in parses:
        manifest, receipt = parse.manifest, receipts[parse.delivery_id]
        rows.append(
            (
                parse.delivery_id,
                parse.parse_id,
                parse.feed,
                manifest["laestab"],
                receipt.file_name,
                receipt.extracted_at,
                receipt.extracted_at_basis,
                day(parse, "as_at_date"),
                day(parse, "window_from"),
                day(parse, "window_to"),
                manifest["extent"],
                manifest["publication"],
                manifest["academic_year"],
                manifest["rows_read"],
                manifest["rows_accepted"],
                manifest["rows_quarantined"],
                manifest["rows_flagged"],
                parse.delivery_id in held,
                held.get(parse.delivery_id),
                str(parse.accepted_path),
                str(parse.quarantine_path),
                manifest["contract_version"],
                manifest["parser_version"],
                manifest["key_id"],
            )
        )
    return rows


def _identities(parses: Sequence[Parse], connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[Any, ...]]]:
    def query(feed: str, sql: str) -> list[tuple[Any, ...]]:
        paths = [str(parse.accepted_path) for parse in parses if parse.feed == feed and parse.manifest["rows_accepted"]]
        return connection.execute(sql, [paths]).fetchall() if paths else []

    pupils = query(
        "pupils",
        "SELECT ref_upn, ref_former_upn, ref_mis, dob, sex, max(as_at_date) FROM read_parquet(?) GROUP BY ALL",
    )
    identity = resolve_pupils(PupilRow(*row) for row in pupils)
    urns = query("schools", "SELECT DISTINCT urn FROM read_parquet(?)")
    links = query("school_links", "SELECT DISTINCT urn, link_urn, link_type FROM read_parquet(?)")
    schools = resolve_schools((urn for (urn,) in urns), links)
    return {
        "identity": list(identity.keys.items()),
        "identity_conflict": [(one.pupil_ref_a, one.pupil_ref_b, one.reason) for one in identity.conflicts],
        "school_identity": list(schools.items()),
    }


def _replace_table(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    columns: list[tuple[str, pa.DataType]],
    rows: list[tuple[Any, ...]],
) -> None:
    values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    incoming = pa.table(
        [pa.array(value, kind) for value, (_, kind) in zip(values, columns, strict=True)], schema=pa.schema(columns)
    )
    connection.register("incoming_catalogue_table", incoming)
    try:
        connection.execute(f'CREATE OR REPLACE TABLE lake."{name}" AS SELECT * FROM incoming_catalogue_table')
    finally:
        connection.unregister("incoming_catalogue_table")
