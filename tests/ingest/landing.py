"""A small landing folder to write into, and the lake that comes of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from ingest.catalogue import write_catalogue
from ingest.lake import Lake, Parse
from ingest.pipeline import FeedReport, ingest_all
from ingest.settings import Settings, load_settings
from ingest.upn import check_letter

SCHOOL = "8014001"
OTHER_SCHOOL = "8014002"


def upn(number: int) -> str:
    """A valid UPN, one for each number."""
    body = f"801{4000 + number // 1000:04d}20{number % 1000:03d}"
    return check_letter(body) + body


@dataclass
class Landing:
    """One home under test."""

    settings: Settings

    @classmethod
    def at(cls, home: Path) -> Landing:
        return cls(load_settings(home, ingest_workers=1))

    def put(self, path: str, text: str | bytes, encoding: str = "utf-8") -> Path:
        target = self.settings.landing_dir / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
        return target

    def ingest(self) -> dict[str, FeedReport]:
        return ingest_all(self.settings)

    def parses(self, feed: str) -> list[Parse]:
        return [parse for parse in Lake(self.settings).parses() if parse.feed == feed]

    def accepted(self, feed: str) -> list[dict[str, Any]]:
        return [row for parse in self.parses(feed) for row in pq.read_table(parse.accepted_path).to_pylist()]

    def quarantine(self, feed: str) -> list[dict[str, Any]]:
        return [row for parse in self.parses(feed) for row in pq.read_table(parse.quarantine_path).to_pylist()]

    def catalogue(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect()
        write_catalogue(self.settings, connection)
        return connection

    def content(self) -> str:
        """All that a release may depend on, as one text: the catalogue without paths, and every row."""
        connection = self.catalogue()
        tables = {}
        for table in (
            "delivery_rule",
            "delivery_day",
            "session_window",
            "identity",
            "identity_conflict",
            "school_identity",
        ):
            tables[table] = sorted(connection.execute(f"SELECT * FROM lake.{table}").fetchall(), key=str)
        tables["delivery"] = sorted(
            connection.execute("SELECT * EXCLUDE (accepted_path, quarantine_path) FROM lake.delivery").fetchall(),
            key=str,
        )
        for parse in Lake(self.settings).parses():
            tables[parse.delivery_id] = [
                pq.read_table(parse.accepted_path).to_pylist(),
                pq.read_table(parse.quarantine_path).to_pylist(),
            ]
        return json.dumps(tables, default=str, sort_keys=True)
