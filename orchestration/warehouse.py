"""The warehouse, opened for one step and closed again: its file lock is held by whoever works, never in between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from ingest.settings import Settings
from orchestration.errors import ChainError, first_line


@contextmanager
def open_warehouse(settings: Settings, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the warehouse, closed at the end of the block whatever happens in it.

    Raises: `ChainError` where the file is locked by another process or is no warehouse.
    """
    settings.warehouse_path.parent.mkdir(parents=True, exist_ok=True)
    (settings.state_dir / "duckdb_temp").mkdir(parents=True, exist_ok=True)
    try:
        connection = duckdb.connect(str(settings.warehouse_path), read_only=read_only, config=settings.duckdb_config())
    except duckdb.Error as error:
        raise ChainError(
            f"The warehouse {settings.warehouse_path} cannot be opened ({first_line(error)}); close what holds it, "
            "or delete the file: the next run builds it again."
        ) from error
    try:
        yield connection
    finally:
        connection.close()
