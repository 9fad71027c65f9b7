"""The lake's files against its manifests and its catalogue."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import pytest

from quality.reconciliation import CataloguedDelivery, lake_findings
from tests.quality.warehouse_fixture import Home


def catalogue(home: Home) -> list[CataloguedDelivery]:
    columns = ", ".join(CataloguedDelivery.__dataclass_fields__)
    with duckdb.connect(str(home.warehouse), read_only=True) as connection:
        return [
            CataloguedDelivery(*row) for row in connection.execute(f"select {columns} from lake.delivery").fetchall()
        ]


def failing(home: Home) -> dict[str, tuple[str, ...]]:
    return {
        finding.rule_id: finding.failing
        for finding in lake_findings(home.settings.lake_dir, catalogue(home))
        if finding.failing
    }


def pupils(home: Home) -> Path:
    return home.settings.lake_dir / "pupils" / "dpupils" / "p1"


def test_a_lake_that_agrees_with_itself_has_no_finding(good_home: Home) -> None:
    assert failing(good_home) == {}


def test_a_parquet_file_with_a_row_too_few_is_found(home: Home) -> None:
    accepted = pupils(home) / "accepted.parquet"
    duckdb.sql(f"copy (from '{accepted}' limit 23) to '{accepted}.short' (format parquet)")
    shutil.move(f"{accepted}.short", accepted)
    assert failing(home) == {"RC-040": ("dpupils",)}


@pytest.mark.parametrize("name", ["accepted.parquet", "quarantine.parquet"])
def test_a_missing_or_truncated_file_is_found(home: Home, name: str) -> None:
    path = pupils(home) / name
    path.write_bytes(path.read_bytes()[:100])
    assert failing(home) == {"RC-040": ("dpupils",)}
    path.unlink()
    assert failing(home) == {"RC-040": ("dpupils",)}


def test_a_manifest_that_says_other_counts_or_another_parse_is_found(home: Home) -> None:
    path = pupils(home) / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    for change in ({"rows_quarantined": 0}, {"parse_id": "p2"}):
        path.write_text(json.dumps({**manifest, **change}), encoding="utf-8")
        assert failing(home) == {"RC-040": ("dpupils",)}


def test_a_delivery_that_only_one_of_lake_and_catalogue_knows_is_found(home: Home) -> None:
    shutil.copytree(pupils(home), home.settings.lake_dir / "pupils" / "dextra" / "p1")
    assert failing(home) == {"RC-041": ("dextra",)}
    home.spoil("update lake.delivery set accepted_path = 'pupils/dpupils/p1/accepted.parquet' where feed = 'pupils'")
    shutil.rmtree(home.settings.lake_dir / "pupils" / "dextra")
    assert failing(home) == {}
    home.spoil("delete from lake.delivery where feed = 'calendar'")
    assert failing(home) == {"RC-041": ("dcalendar",)}
