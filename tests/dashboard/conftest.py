from __future__ import annotations

from pathlib import Path

import pytest

from ingest.settings import Settings
from tests.dashboard.release_fixture import build_release


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with one release, which tests only read."""
    return build_release(tmp_path_factory.mktemp("home"))


@pytest.fixture
def own_home(tmp_path: Path) -> Settings:
    """A home with one release that a test may damage."""
    return build_release(tmp_path / "home")
