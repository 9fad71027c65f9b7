"""A lake of a few pupils: accepted files and the catalogue over them, with the columns of docs/architecture.md."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

Row = Mapping[str, Any]

COMMON = [("delivery_id", pa.string()), ("line", pa.int32()), ("flags", pa.string()), ("extra", pa.string())]
TEXT = pa.string()
DAY = pa.date32()
FLAG = pa.bool_()
COLUMNS: dict[str, list[tuple[str, pa.DataType]]] = {
    "schools": [
        *[(name, TEXT) for name in ("urn", "laestab", "la_code", "la_name", "region_name", "school_name", "phase")],
        *[(name, TEXT) for name in ("establishment_type", "establishment_status", "school_gender")],
        ("open_date", DAY),
        ("close_date", DAY),
        ("low_age", pa.int32()),
        ("high_age", pa.int32()),
        ("trust_code", TEXT),
        ("trust_name", TEXT),
    ],
    "school_links": [("urn", TEXT), ("link_urn", TEXT), ("link_type", TEXT), ("link_date", DAY)],
    "calendar": [("laestab", TEXT), ("session_date", DAY), ("session", TEXT), ("session_status", TEXT)],
    "pupils": [
        ("laestab", TEXT),
        ("as_at_date", DAY),
        *[(name, pa.int64()) for name in ("pupil_ref", "ref_upn", "ref_former_upn", "ref_mis")],
        *[(name, TEXT) for name in ("upn", "former_upn", "mis_id")],
        ("occurrence", pa.int32()),
        *[(name, TEXT) for name in ("surname", "forename")],
        ("dob", DAY),
        *[(name, TEXT) for name in ("sex", "nc_year", "reg_group")],
        ("entry_date", DAY),
        ("leaving_date", DAY),
        *[(name, TEXT) for name in ("enrol_status", "ethnicity", "language")],
        *[(name, FLAG) for name in ("is_fsm", "is_fsm6", "is_pupil_premium")],
        ("sen_provision", TEXT),
        ("is_looked_after", FLAG),
        ("is_post_looked_after", FLAG),
        ("idaci_decile", pa.int32()),
    ],
    "session_marks": [
        ("laestab", TEXT),
        ("pupil_ref", pa.int64()),
        ("session_date", DAY),
        ("session", TEXT),
        ("code", TEXT),
        ("minutes_late", pa.int16()),
    ],
    "attendance_totals": [
        ("laestab", TEXT),
        ("pupil_ref", pa.int64()),
        ("academic_year", TEXT),
        ("term", TEXT),
        *[(name, pa.int32()) for name in ("possible", "attended", "authorised", "unauthorised", "late")],
    ],
    "suspensions": [
        ("laestab", TEXT),
        ("pupil_ref", pa.int64()),
        ("kind", TEXT),
        ("start_date", DAY),
        ("sessions", pa.int32()),
        ("reason", TEXT),
    ],
    "interventions": [
        ("laestab", TEXT),
        ("pupil_ref", pa.int64()),
        ("intervention", TEXT),
        ("start_date", DAY),
        ("end_date", DAY),
        ("team", TEXT),
    ],
    "dfe_statistics": [
        *[(name, TEXT) for name in ("time_period", "time_identifier", "geographic_level", "location_code")],
        *[(name, TEXT) for name in ("location_name", "old_la_code", "filters")],
        ("cells", pa.list_(pa.struct([("indicator", TEXT), ("value", pa.float64()), ("status", TEXT)]))),
    ],
    "assessment_results": [
        ("laestab", TEXT),
        ("pupil_ref", pa.int64()),
        *[(name, TEXT) for name in ("assessment_id", "assessment_name", "subject", "component", "raw_result")],
        ("numeric_value", pa.decimal128(18, 9)),
        ("scale_id", TEXT),
        ("result_date", DAY),
    ],
}
QUARANTINE = [
    ("delivery_id", TEXT),
    ("line", pa.int32()),
    ("rule_ids", TEXT),
    ("raw", TEXT),
    ("laestab", TEXT),
    ("pupil_ref", pa.int64()),
    ("session_date", DAY),
    ("session", TEXT),
]
CATALOGUE = """
create schema if not exists lake;
create or replace table lake.delivery (
    delivery_id varchar, parse_id varchar, feed varchar, laestab varchar, file_name varchar, extracted_at timestamp,
    extracted_at_basis varchar, as_at_date date, window_from date, window_to date, extent varchar, publication varchar,
    academic_year varchar, rows_read bigint, rows_accepted bigint, rows_quarantined bigint, rows_flagged bigint,
    is_held boolean, held_reason varchar, accepted_path varchar, quarantine_path varchar, contract_version varchar,
    parser_version varchar, key_id varchar
);
create or replace table lake.delivery_rule (
    delivery_id varchar, rule_id varchar, severity varchar, sentence varchar, n_rows bigint
);
create or replace table lake.delivery_day (delivery_id varchar, session_date date, n_rows bigint, n_pupils bigint);
create or replace table lake.session_window (laestab varchar, session_date date, delivery_id varchar, layer integer);
create or replace table lake.identity (pupil_ref bigint, pupil_key bigint);
create or replace table lake.identity_conflict (pupil_ref_a bigint, pupil_ref_b bigint, reason varchar);
create or replace table lake.school_identity (urn varchar, school_key varchar);
create or replace table lake.refusal (refusal_id varchar, file_name varchar, feed varchar, sentence varchar);
"""


@dataclass
class Delivery:
    """One file of the lake: its rows, and what its manifest says."""

    feed: str
    rows: Sequence[Row]
    extracted_at: datetime
    laestab: str | None = None
    quarantined: Sequence[Row] = ()
    extent: str = "whole_school"
    is_held: bool = False
    rules: Sequence[tuple[str, str, str, int]] = ()
    publication: str | None = None

    @cached_property
    def delivery_id(self) -> str:
        text = repr((self.feed, self.laestab, self.extent, self.extracted_at, self.rows, self.quarantined))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass
class Lake:
    """Deliveries and identity links; `write` turns them into files and the catalogue."""

    deliveries: list[Delivery] = field(default_factory=list)
    links: dict[int, int] = field(default_factory=dict)
    school_keys: dict[str, str] = field(default_factory=dict)

    def add(self, delivery: Delivery) -> Delivery:
        self.deliveries.append(delivery)
        return delivery

    def write(self, folder: Path, warehouse: Path) -> None:
        """Writes `folder/<feed>/<delivery_id>/p/…parquet` and the schema `lake` of `warehouse`."""
        warehouse.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect(str(warehouse)) as connection:
            connection.execute(CATALOGUE)
            for delivery in self.deliveries:
                self._write_delivery(connection, folder, delivery)
            connection.executemany("insert into lake.identity values (?, ?)", sorted(self._identity().items()))
            if self.school_keys:
                connection.executemany(
                    "insert into lake.school_identity values (?, ?)", sorted(self.school_keys.items())
                )
            windows = sorted(self._windows())
            if windows:
                connection.executemany("insert into lake.session_window values (?, ?, ?, ?)", windows)

    def _identity(self) -> dict[int, int]:
        refs = {row["pupil_ref"] for d in self.deliveries if d.feed in ("pupils", "session_marks") for row in d.rows}
        return {ref: self.links.get(ref, ref) for ref in refs | set(self.links)}

    def _windows(self) -> Iterable[tuple[str, date, str, int]]:
        registers = sorted(
            (d for d in self.deliveries if d.feed == "session_marks" and not d.is_held),
            key=lambda d: (d.extracted_at, d.delivery_id),
        )
        stacks: dict[tuple[str, date], list[str]] = {}
        for register in registers:
            days = sorted({row["session_date"] for row in [*register.rows, *register.quarantined]})
            for offset in range((days[-1] - days[0]).days + 1):
                day = (str(register.laestab), days[0] + timedelta(days=offset))
                if register.extent == "whole_school":
                    stacks[day] = [register.delivery_id]
                else:
                    stacks.setdefault(day, []).append(register.delivery_id)
        for (laestab, day_), stack in stacks.items():
            for layer, delivery_id in enumerate(stack):
                yield laestab, day_, delivery_id, layer

    def _write_delivery(self, connection: duckdb.DuckDBPyConnection, folder: Path, delivery: Delivery) -> None:
        target = folder / delivery.feed / delivery.delivery_id / "p"
        target.mkdir(parents=True, exist_ok=True)
        accepted, quarantine = target / "accepted.parquet", target / "quarantine.parquet"
        pq.write_table(_table(delivery, delivery.rows, [*COMMON, *COLUMNS[delivery.feed]]), accepted)
        pq.write_table(_table(delivery, delivery.quarantined, QUARANTINE), quarantine)
        n_accepted, n_quarantined = len(delivery.rows), len(delivery.quarantined)
        dates = [row["as_at_date"] for row in delivery.rows if row.get("as_at_date")]
        connection.execute(
            f"insert into lake.delivery values ({', '.join('?' * 24)})",
            [
                delivery.delivery_id,
                f"p{delivery.delivery_id}",
                delivery.feed,
                delivery.laestab,
                f"{delivery.feed}.csv",
                delivery.extracted_at,
                "file_name",
                max(dates, default=None),
                None,
                None,
                delivery.extent,
                delivery.publication,
                None,
                n_accepted + n_quarantined,
                n_accepted,
                n_quarantined,
                0,
                delivery.is_held,
                None,
                str(accepted),
                str(quarantine),
                "1",
                "1",
                "test",
            ],
        )
        for rule in delivery.rules:
            connection.execute("insert into lake.delivery_rule values (?, ?, ?, ?, ?)", [delivery.delivery_id, *rule])
        if delivery.feed == "session_marks":
            days: dict[date, list[int]] = {}
            for row in delivery.rows:
                days.setdefault(row["session_date"], []).append(row["pupil_ref"])
            for day, refs in sorted(days.items()):
                connection.execute(
                    "insert into lake.delivery_day values (?, ?, ?, ?)",
                    [delivery.delivery_id, day, len(refs), len(set(refs))],
                )


def _table(delivery: Delivery, rows: Sequence[Row], columns: Sequence[tuple[str, pa.DataType]]) -> pa.Table:
    full = [{"delivery_id": delivery.delivery_id, "line": line, **row} for line, row in enumerate(rows, start=2)]
    return pa.table({name: pa.array([row.get(name) for row in full], type=kind) for name, kind in columns})
