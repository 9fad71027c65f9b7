"""What a tier's reader has in hand: the tables of its folder of a release, and those of every less trusted tier."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet as parquet

from ingest.registry import Registry
from quality.attacker.cells import TABLE_KEYS

SCHEMA = "exports_"
# Tables that say nothing of counts are not read, whatever their size.
READ = (*TABLE_KEYS, "dim_school")


def folders_of(tier: str, registry: Registry) -> list[str]:
    """The tier itself and every tier that hides at least as much: their folders its reader may open too.

    Raises `ValueError` for a tier that the registry lacks.
    """
    minimums: dict[str, int] = registry.data["disclosure"]["minimum_pupils"]
    if tier not in minimums:
        raise ValueError(f"The registry has no tier '{tier}'; it knows {', '.join(minimums)}.")
    return [tier, *sorted(name for name in minimums if minimums[name] > minimums[tier])]


def read_release(release: Path, tier: str, registry: Registry) -> dict[str, pd.DataFrame]:
    """The tables that a tier's reader may open, by `tier/table`. Raises `ValueError` where the tier has no folder."""
    tables: dict[str, pd.DataFrame] = {}
    for folder in folders_of(tier, registry):
        if not (release / folder).is_dir():
            raise ValueError(f"There is no folder {release / folder}; name a release of everypupil releases.")
        for path in sorted((release / folder).glob("*.parquet")):
            if path.stem in READ:
                tables[f"{folder}/{path.stem}"] = parquet.read_table(path).to_pandas()
    return tables


def read_warehouse(connection: duckdb.DuckDBPyConnection, tier: str, registry: Registry) -> dict[str, pd.DataFrame]:
    """The same tables as they stand in the warehouse's exports, before they are published."""
    tables: dict[str, pd.DataFrame] = {}
    for folder in folders_of(tier, registry):
        found = connection.execute(
            "select table_name from information_schema.tables where table_schema = ? order by all", [SCHEMA + folder]
        ).fetchall()
        for (name,) in found:
            if name in READ:
                tables[f"{folder}/{name}"] = connection.table(f"{SCHEMA}{folder}.{name}").df()
    return tables
