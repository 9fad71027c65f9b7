"""A page that is timed is the page: one that is not there, or answers with an error, has no time."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.pages import opened, stream
from dashboard.serve import served
from tests.dashboard.release_fixture import build_release


async def _opened(address: str, page: str) -> float:
    async with stream(address) as connection:
        return await opened(connection, page)


def seconds(address: str, page: str) -> float:
    """In a thread of its own: the browser's fixture leaves a running event loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(_opened(address, page))).result()


def test_only_a_page_that_shows_its_figures_is_timed(tmp_path: Path) -> None:
    settings = build_release(tmp_path / "home")
    with served(settings, "leaders", tmp_path / "log.txt") as address:
        for page in ("", "attendance"):
            assert seconds(address, page) > 0
        with pytest.raises(LookupError, match="answered with an error"):
            seconds(address, "no-such-page")
        (settings.releases_dir / "CURRENT").unlink()
        with pytest.raises(LookupError, match="elements"):
            seconds(address, "gaps")
