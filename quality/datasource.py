"""DuckDB as a data source of Great Expectations, which brings none: every rule runs as SQL inside the warehouse.

Great Expectations takes a pooled connection for each query and reads the result after giving it back; a DuckDB cursor
has lost its result by then. So one connection is opened and kept. A failed query leaves its transaction aborted, which
would make every later query fail too; it is rolled back at once, so that a broken rule is the only one that breaks.
"""

from __future__ import annotations

import builtins
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import sqlalchemy

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

from great_expectations import get_context
from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.datasource.fluent.sql_datasource import SQLDatasource
from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine


class DuckDBExecutionEngine(SqlAlchemyExecutionEngine):
    """Runs every metric on one connection that stays open."""

    @contextmanager
    def get_connection(self) -> Generator[sqlalchemy.Connection, None, None]:
        """Yields the one connection; after an error its transaction is rolled back."""
        if self._connection is None:
            self._connection = self.engine.connect()
        try:
            yield self._connection
        except Exception:
            self._connection.rollback()
            raise


class DuckDBDatasource(SQLDatasource):
    """`context.data_sources.add_duckdb(name, connection_string=…)`."""

    type: Literal["duckdb"] = "duckdb"  # type: ignore[assignment]  # the library tells data sources apart by this literal

    @property
    def execution_engine_type(self) -> builtins.type[SqlAlchemyExecutionEngine]:
        """The engine above."""
        return DuckDBExecutionEngine


def add_warehouse(context: EphemeralDataContext, path: Path, config: Mapping[str, Any]) -> DuckDBDatasource:
    """The warehouse, read-only, as a data source of a context.

    Parameters: `config`, the DuckDB configuration of this process (`Settings.duckdb_config()`).
    """
    source: DuckDBDatasource = context.data_sources.add_duckdb(
        "warehouse",
        connection_string=f"duckdb:///{path}",
        kwargs={"connect_args": {"read_only": True, "config": dict(config)}},
    )
    return source


def ephemeral_context() -> EphemeralDataContext:
    """A context that lives in memory: nothing on disk, no analytics, no progress bars, no documents."""
    return get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            analytics_enabled=False,
            progress_bars=ProgressBarsConfig(globally=False),
            store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        ),
    )
