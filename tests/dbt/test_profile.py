"""dbt's connection goes on after DuckDB has spilled to disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from tests.dbt.conftest import PROJECT

SMALL = "60MB"


def output() -> dict[str, Any]:
    profiles = yaml.safe_load((PROJECT / "profiles.yml").read_text(encoding="utf-8"))
    return dict(profiles["everypupil"]["outputs"]["warehouse"])


def test_a_cursor_opens_after_the_memory_was_too_small(tmp_path: Path) -> None:
    """dbt-duckdb sets `settings` for every cursor that it opens: each must be one that may be set at any time.

    Five years of a trust of ten schools spill; a temporary directory among the settings stopped the run there.
    """
    given = output()
    assert set(given["config_options"]) == {"temp_directory"}
    settings = {name: value for name, value in given["settings"].items() if "{{" not in str(value)}
    settings |= {"memory_limit": SMALL, "TimeZone": "Europe/London"}
    assert settings.keys() == given["settings"].keys()
    with duckdb.connect(str(tmp_path / "w.duckdb"), config={"temp_directory": str(tmp_path / "spill")}) as connection:

        def cursor() -> duckdb.DuckDBPyConnection:
            found = connection.cursor()
            for name, value in settings.items():
                found.execute(f"set {name} = '{value}'")
            return found

        cursor().execute(
            "create table t as select range as i, md5(range::varchar) as h from range(2_000_000) order by h"
        )
        with pytest.raises(duckdb.NotImplementedException, match="temporary directory"):
            connection.execute(f"set temp_directory = '{tmp_path / 'spill'}'")
        assert cursor().execute("select count(*) from t").fetchone() == (2_000_000,)
