"""Two lengths of test: `make test` runs the short form, `make soak` (EVERYPUPIL_SOAK=1) the long one."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

SOAK = os.environ.get("EVERYPUPIL_SOAK") == "1"

# No deadline: how long one example takes says more about the machine's other work than about the code.
settings.register_profile("everyday", deadline=None)
settings.register_profile("soak", deadline=None, max_examples=1000)
settings.load_profile("soak" if SOAK else "everyday")


@pytest.fixture(scope="session")
def soak_factor() -> int:
    """How many times its everyday size a simulation runs: 1, or 10 in the long form."""
    return 10 if SOAK else 1
