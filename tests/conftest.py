"""Two lengths of test: `make test` runs the short form, `make soak` (EVERYPUPIL_SOAK=1) the long one.

With several processes (`--dist loadgroup`) tests that share what a fixture built stay in one, the longest first.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest
from hypothesis import settings

# Groups of tests in the order in which processes take them up, longest first; any other folder of tests is a group of
# its own after these.
LONGEST_FIRST = ("trust", "year-of-mishaps", "london", "browser", "dbt", "quality", "disclosure", "synth")
SOAK = os.environ.get("EVERYPUPIL_SOAK") == "1"

# No deadline: how long one example takes says more about the machine's other work than about the code.
settings.register_profile("everyday", deadline=None)
settings.register_profile("soak", deadline=None, max_examples=1000)
settings.load_profile("soak" if SOAK else "everyday")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Names each test's group (its mark `xdist_group`, else its folder) and puts the longest groups first."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.parent.name))
    order = _order([_group(item) for item in items])
    items.sort(key=lambda item: order[_group(item)])


def _group(item: pytest.Item) -> str:
    marker = item.get_closest_marker("xdist_group")
    return str(marker.args[0]) if marker else ""


def _order(groups: Sequence[str]) -> dict[str, int]:
    return {group: place for place, group in enumerate(dict.fromkeys([*LONGEST_FIRST, *groups]))}


@pytest.fixture(scope="session")
def soak_factor() -> int:
    """How many times its everyday size a simulation runs: 1, or 10 in the long form."""
    return 10 if SOAK else 1
