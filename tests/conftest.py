"""Two lengths of test: `make test` runs the short form, `make soak` (EVERYPUPIL_SOAK=1) the long one.

With several processes, tests that share what a fixture built stay in one of them, the longest group first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import streamlit as st
from hypothesis import settings

from dashboard.access import ROLE_VARIABLE

SOAK = os.environ.get("EVERYPUPIL_SOAK") == "1"
# A folder is one group, but for these files, which build homes of their own.
FILES_APART = (
    "tests/chain/test_what_arrives_late_or_broken.py",
    "tests/chain/test_totals.py",
    "tests/chain/test_coverage.py",
    "tests/chain/test_london.py",
    "tests/chain/test_one_school.py",
)
LONGEST_FIRST = ("tests/chain", *FILES_APART, "tests/browser", "tests/dbt", "tests/quality", "tests/disclosure")

# No deadline: how long one example takes says more about the machine's other work than about the code.
settings.register_profile("everyday", deadline=None)
settings.register_profile("soak", deadline=None, max_examples=1000)
settings.load_profile("soak" if SOAK else "everyday")


def group_of(node_id: str) -> str:
    """The group of tests that one test belongs to: its folder, or its file where that stands apart."""
    file = node_id.partition("::")[0]
    return file if file in FILES_APART else file.rpartition("/")[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    groups = dict.fromkeys([*LONGEST_FIRST, *(group_of(item.nodeid) for item in items)])
    place = {group: number for number, group in enumerate(groups)}
    items.sort(key=lambda item: place[group_of(item.nodeid)])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deals out whole groups. The marks of `--dist loadgroup` get lost in pytest 9.2, whose test ids stand fast."""
    from xdist.scheduler import LoadScopeScheduling

    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = group_of
    return scheduler


@pytest.fixture(scope="session")
def soak_factor() -> int:
    """How many times its everyday size a simulation runs: 1, or 10 in the long form."""
    return 10 if SOAK else 1


@pytest.fixture
def fresh_pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pages that keep nothing of those shown before, for the role of their tier."""
    monkeypatch.delenv(ROLE_VARIABLE, raising=False)
    st.cache_data.clear()
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()
