"""A trust whose hidden figures can be recognised wherever they turn up, exported by dbt's own models and published."""

from __future__ import annotations

import json
import os
import struct
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from ingest.settings import Settings
from orchestration.dbt_runner import dbt_environment, dbt_executable, dbt_vars
from orchestration.publish import publish
from orchestration.release_tables import GRAIN
from orchestration.warehouse import open_warehouse
from tests.dashboard.release_fixture import SCHOOLS, deliveries, figures_of, issues
from tests.orchestration.small_warehouse import GATE, add_lake, inputs_on, settings_for

DAY = date(2026, 7, 31)
# Hidden from both tiers, and hidden from the public alone: no other number of the trust is near to either.
# A count is the first four digits and five more, a decimal the four digits and a fraction.
FROM_BOTH, FROM_PUBLIC = 7919, 6841
LIMITS = {"public": 10, "leaders": 6}
_COUNTS = ("n", "n_group", "n_comparator")
_PLAIN = {"status", "phase", "urn", "school_key", "feed", "rule_id", "severity", "definition_version"}
_TEXTS = {"interval_method", "coefficients", "dfe_band"}
Row = dict[str, Any]


def publish_hidden(home: Path) -> tuple[Settings, list[float | int]]:
    """Publishes the trust; returns its home's settings and every figure planted in a row hidden from both tiers."""
    settings = settings_for(home)
    planted: list[float | int] = []
    with open_warehouse(settings) as connection:
        for schema in ("lake", "marts", "public_basis", "disclosure"):
            connection.execute(f"CREATE SCHEMA {schema}")
        pattern: list[tuple[str, str, str]] = []
        marts = figures_of(settings, SCHOOLS, 0.0, True) | {"data_quality_issue": issues(), "delivery": deliveries()}
        marts["unit_coverage"] = [_exact(row, planted) for row in marts["unit_coverage"]]
        for table, rows in marts.items():
            types = _contract(settings, table)
            known = [{name: value for name, value in row.items() if name in types} for row in rows]
            spoiled = [_plant(table, number, row, types, pattern, planted) for number, row in enumerate(known)]
            content = pa.table({name: _array([row.get(name) for row in spoiled]) for name in types})
            connection.register("content", content)
            columns = ", ".join(f'CAST("{name}" AS {kind}) AS "{name}"' for name, kind in types.items())
            connection.execute(f"CREATE TABLE marts.{table} AS SELECT {columns} FROM content")
            # What the public tier is exported from, where nothing was published before: the same rows.
            connection.execute(f"CREATE TABLE public_basis.{table} AS FROM marts.{table}")
            connection.unregister("content")
        connection.execute(
            "CREATE TABLE disclosure.pattern (tier VARCHAR, table_name VARCHAR, row_key VARCHAR, status VARCHAR, "
            "reason VARCHAR, rule_id VARCHAR)"
        )
        connection.execute(
            "CREATE TABLE disclosure.loss (tier VARCHAR, academic_year VARCHAR, table_name VARCHAR, level VARCHAR, "
            "reason VARCHAR, cells BIGINT, hidden BIGINT, percent_hidden DOUBLE, is_over_limit BOOLEAN)"
        )
        connection.executemany("INSERT INTO disclosure.pattern VALUES (?, ?, ?, 'c', 'primary', 'DC-001')", pattern)
        add_lake(connection)
    _run_exports(settings)
    with open_warehouse(settings) as connection:
        publish(settings, connection, inputs_on(DAY), GATE)
    return settings, planted


def _plant(
    table: str,
    number: int,
    row: Row,
    types: dict[str, str],
    pattern: list[tuple[str, str, str]],
    planted: list[float | int],
) -> Row:
    """The row as the mart has it; where a tier hides it, with figures that can be told from all others."""
    tiers = _hidden_from(table, number, row)
    if not tiers:
        return row
    key = "|".join("" if row[name] is None else str(row[name]) for name in GRAIN[table])
    pattern.extend((tier, table, key) for tier in sorted(tiers))
    base = FROM_BOTH if "leaders" in tiers else FROM_PUBLIC
    spoiled = dict(row)
    for name, value in row.items():
        if name in GRAIN[table] or name in _PLAIN:
            continue
        mark = len(planted) + 1
        if name in _TEXTS:
            spoiled[name] = f"{base}.{mark} text"
        elif value is not None and types[name].upper() in ("BIGINT", "INTEGER"):
            spoiled[name] = base * 100_000 + mark
        elif isinstance(value, float):
            spoiled[name] = base + (mark + 0.5) / 65_536
        else:
            continue
        if base == FROM_BOTH and not isinstance(spoiled[name], str):
            planted.append(spoiled[name])
    return spoiled


def _hidden_from(table: str, number: int, row: Row) -> set[str]:
    if table in ("dim_school", "measure", "published_comparator", "unit_coverage"):
        return set()
    forced: dict[int, set[str]] = {0: {"public", "leaders"}, 1: {"public"}}
    counts = [row[name] for name in _COUNTS if row.get(name) is not None]
    if counts and table in ("measure_value", "gap"):
        return {tier for tier, limit in LIMITS.items() if min(counts) < limit} | forced.get(number, set())
    return forced.get(number, set())


def _exact(row: Row, planted: list[float | int]) -> Row:
    """A unit's coverage as its mart has it: with its pupils where a school is lacking, which neither tier is told."""
    names = ("pupils", "pupils_received")
    if row["schools_received"] == row["schools"]:
        return row | dict.fromkeys(names) | {"status": "ok"}
    counts = [FROM_BOTH * 100_000 + len(planted) + at for at in range(1, len(names) + 1)]
    planted.extend(counts)
    return row | dict(zip(names, counts, strict=True)) | {"status": "ok"}


def _array(values: list[Any]) -> pa.Array:
    found = pa.array(values)
    return found.cast(pa.string()) if pa.types.is_null(found.type) else found


def _contract(settings: Settings, table: str) -> dict[str, str]:
    """The columns and types that a mart has towards its exports, as their contract says; they tell less of a unit's
    coverage, so its own contract says them.
    """
    models = settings.dbt_project_dir / "models"
    path, name = models / "exports" / "leaders" / "_exports_leaders.yml", f"leaders_{table}"
    if table == "unit_coverage":
        path, name = models / "marts" / "quality" / "_marts_quality.yml", table
    found = yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
    (model,) = [model for model in found if model["name"] == name]
    return {column["name"]: column["data_type"] for column in model["columns"]}


def _run_exports(settings: Settings) -> None:
    scratch = settings.state_dir / "exports"
    command = [
        dbt_executable(),
        "run",
        "--select",
        "path:models/exports",
        "--vars",
        json.dumps(dbt_vars(settings, DAY)),
    ]
    environment = os.environ | dbt_environment(settings)
    environment |= {"DBT_TARGET_PATH": str(scratch / "target"), "DBT_LOG_PATH": str(scratch / "logs")}
    folder = settings.dbt_project_dir
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def encodings(figure: float | int) -> Iterator[bytes]:
    """The eight bytes in which a file format may write a figure: whole, double, or the lower half of a decimal."""
    scaled = figure if isinstance(figure, int) else round(figure * 10**9)
    for number in {figure, scaled}:
        if isinstance(number, int):
            yield struct.pack("<q", number)
            yield struct.pack(">q", number)
    yield struct.pack("<d", figure)
    yield struct.pack(">d", figure)
