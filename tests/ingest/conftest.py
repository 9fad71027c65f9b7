from pathlib import Path

import pytest

from tests.ingest.landing import Landing


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing.at(tmp_path / "home")
