"""One home that passes, built once; tests that spoil it work on a copy or roll back."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from ingest.registry import load_registry
from ingest.settings import load_settings
from quality.gate import all_suites
from quality.rules import Rule
from tests.quality.warehouse_fixture import Home, build_home


@pytest.fixture(scope="session")
def good_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home that passes the gate; no test may change it."""
    return build_home(tmp_path_factory.mktemp("gate") / "home")


@pytest.fixture
def home(good_home: Home, tmp_path: Path) -> Home:
    """A copy of it, to spoil; the lake's paths in its catalogue point into the copy."""
    shutil.copytree(good_home.settings.home, tmp_path / "home")
    copied = Home(load_settings(tmp_path / "home", memory_limit="500MB", threads=2))
    before, after = f"{good_home.settings.home}/", f"{copied.settings.home}/"
    copied.spoil(
        f"update lake.delivery set accepted_path = replace(accepted_path, '{before}', '{after}'), quarantine_path = "
        f"replace(quarantine_path, '{before}', '{after}')"
    )
    return copied


@pytest.fixture(scope="session")
def rules(good_home: Home) -> list[Rule]:
    """Every rule of every suite."""
    return [rule for suite in all_suites(load_registry(good_home.settings)) for rule in suite.rules]


@pytest.fixture(scope="session")
def scratch(good_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A writable copy of the warehouse, for faults that are rolled back."""
    path = tmp_path_factory.mktemp("scratch") / "warehouse.duckdb"
    shutil.copy(good_home.warehouse, path)
    with duckdb.connect(str(path)) as connection:
        yield connection


CountFailing = Callable[[duckdb.DuckDBPyConnection, Rule], int]
