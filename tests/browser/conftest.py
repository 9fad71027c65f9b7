"""A served dashboard over a fixture release, and a real browser to look at it with."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from dashboard.serve import served as dashboard_served
from ingest.settings import Settings, load_settings
from tests.dashboard.pupil_rows import add_pupils
from tests.dashboard.release_fixture import build_release


@dataclass
class Served:
    """One dashboard process and the pages opened on it."""

    settings: Settings
    url: str
    requests: list[str] = field(default_factory=list)


@contextlib.contextmanager
def serve(settings: Settings, role: str, log: Path) -> Iterator[Served]:
    """Serves one home to one role until the block ends."""
    with dashboard_served(settings, role, log) as address:
        yield Served(settings, address)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.fail("The browser tests need chromium on the path; install the package chromium and run them again.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The leaders' tier of the fixture release."""
    folder = tmp_path_factory.mktemp("served")
    with serve(build_release(folder / "home"), "leaders", folder / "log.txt") as dashboard:
        yield dashboard


@pytest.fixture(scope="session")
def served_pupils(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The pupils' tier of the fixture release, with rows of pupils in it."""
    folder = tmp_path_factory.mktemp("served_pupils")
    settings = build_release(folder / "home")
    add_pupils(settings)
    with serve(settings, "operator", folder / "log.txt") as dashboard:
        yield dashboard


@pytest.fixture(scope="session")
def pictured(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """What pictures are taken of: the leaders' tier of the home in EVERYPUPIL_SCREENSHOTS, else the fixture's."""
    with _pictured(served, "leaders", tmp_path_factory.mktemp("pictured")) as dashboard:
        yield dashboard


@pytest.fixture(scope="session")
def pictured_pupils(served_pupils: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """As `pictured`, of the pupils' tier."""
    with _pictured(served_pupils, "operator", tmp_path_factory.mktemp("pictured_pupils")) as dashboard:
        yield dashboard


@contextlib.contextmanager
def _pictured(fallback: Served, role: str, folder: Path) -> Iterator[Served]:
    home = Path(os.environ.get("EVERYPUPIL_SCREENSHOTS", ""))
    if not (home / "releases").is_dir():
        yield fallback
        return
    with serve(load_settings(home), role, folder / "log.txt") as dashboard:
        yield dashboard


@pytest.fixture
def open_page(chromium: Browser, served: Served) -> Iterator[Callable[..., Page]]:
    """Opens a page by its path and waits until its charts are painted; every request is kept in `served.requests`."""
    contexts = []

    def opened(path: str, width: int = 1280, dashboard: Served = served) -> Page:
        context = chromium.new_context(viewport={"width": width, "height": 900}, accept_downloads=True)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: dashboard.requests.append(request.url))
        page.goto(f"{dashboard.url}/{path}")
        settle(page)
        return page

    yield opened
    for context in contexts:
        context.close()


def settle(page: Page) -> None:
    """Waits until the page has run to its end and every chart on it is painted."""
    page.wait_for_selector("h1, [data-testid=stAlert]", timeout=60_000)
    page.wait_for_function(
        """() => {
            const app = document.querySelector('[data-testid=stApp]');
            const charts = [...document.querySelectorAll('[data-testid=stVegaLiteChart]')];
            return app && app.getAttribute('data-test-script-state') === 'notRunning'
                && charts.every(chart => chart.querySelector('canvas, svg'))
                && document.querySelectorAll('[data-testid=stSkeleton]').length === 0;
        }""",
        timeout=60_000,
    )
    page.wait_for_timeout(700)
