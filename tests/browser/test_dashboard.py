"""The dashboard in a real browser: figures equal the release, nothing leaves the machine, everyone can read it."""

from __future__ import annotations

import csv
import io
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlparse

import openpyxl
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # ships no types
from PIL import Image
from playwright.sync_api import Browser, Page

from dashboard.reader import open_release
from tests.browser.conftest import Served, serve, settle
from tests.dashboard.release_fixture import RELEASE_ID, build_release, refused_run

pytestmark = pytest.mark.browser

PAGES = {
    "overview": "",
    "attendance": "attendance",
    "progress": "progress",
    "gaps": "gaps",
    "data-quality": "data-quality",
    "definitions": "definitions",
    "accessibility": "accessibility",
}
# Pages that the pupils' tier alone has, or alone has in this form.
PAGES_OF_PUPILS = {"early-response": "early-response", "attendance-of-pupils": "attendance"}
EVERY_PAGE = (*PAGES, *PAGES_OF_PUPILS)
SCREENSHOTS = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
Open = Callable[..., Page]


@pytest.fixture
def open_named(open_page: Open, served: Served, served_pupils: Served) -> Open:
    """Opens a page by its name, on a dashboard of a tier that has it."""

    def opened(name: str, width: int = 1280) -> Page:
        dashboard = served_pupils if name in PAGES_OF_PUPILS else served
        return open_page((PAGES | PAGES_OF_PUPILS)[name], width=width, dashboard=dashboard)

    return opened


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_every_page_opens_without_an_error_and_with_its_landmarks(open_named: Open, name: str) -> None:
    page = open_named(name)
    assert page.locator("h1").count() == 1
    assert page.locator("[data-testid=stException], [data-testid=stAlertContentError]").count() == 0
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.get_by_text("Skip to main content").count() == 1
    levels = page.eval_on_selector_all("main h1, main h2, main h3", "found => found.map(h => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels)), "no heading level is skipped"


def test_the_first_page_has_its_own_address_too(open_page: Open) -> None:
    page = open_page("overview")
    assert page.locator("h1").inner_text() == open_page("").locator("h1").inner_text()
    assert page.get_by_text("Page not found").count() == 0
    assert page.locator("[data-testid=stSidebarNav]").get_by_text("Overview", exact=True).count() == 1


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_axe_finds_nothing_critical_in_any_page(open_named: Open, name: str) -> None:
    page = open_named(name)
    violations = Axe().run(page).response["violations"]
    critical = [f"{v['id']}: {node['target']}" for v in violations for node in v["nodes"] if v["impact"] == "critical"]
    assert critical == []
    ours = [
        f"{v['id']}: {node['target']}"
        for v in violations
        for node in v["nodes"]
        if v["impact"] == "serious" and any(".ep-" in str(target) for target in node["target"])
    ]
    assert ours == []


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_text_fits_a_screen_320_pixels_wide(open_named: Open, name: str) -> None:
    page = open_named(name, width=320)
    wide = page.evaluate(
        """() => [...document.querySelectorAll('[data-testid=stMain] :is(p, h1, h2, h3, li, label, button)')]
            .filter(e => e.offsetParent && !e.closest('.ep-table') && !e.closest('[data-testid=stVegaLiteChart]'))
            .filter(e => e.getBoundingClientRect().right > 321).map(e => e.innerText.slice(0, 60))"""
    )
    assert wide == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert page.evaluate("(m => m.scrollWidth - m.clientWidth)(document.querySelector('[data-testid=stMain]'))") <= 0


def test_figures_on_the_page_are_those_of_the_release(open_page: Open, served: Served) -> None:
    page = open_page("attendance")
    cells = page.locator(".ep-table").first.locator("tbody tr").all()
    found = {row.locator("th").inner_text(): row.locator("td").all_inner_texts() for row in cells}
    with open_release(served.settings, "leaders") as release:
        rows = release.rows(
            "SELECT school_name, v.n, value, ci_low, ci_high, v.status FROM exports.measure_value v "
            "JOIN exports.dim_school s ON s.school_key = v.unit_code WHERE academic_year = ? AND measure_id = ? "
            "AND level = 'school' AND group_dimension = 'all'",
            ["2025/26", "attendance_rate"],
        )
    assert len(rows) == len(found) == 6
    for row in rows:
        shown = found[row["school_name"]]
        if row["status"] == "ok":
            assert shown[1:4] == [
                f"{row['n']:,}",
                f"{row['value']:.1f}%",
                f"{row['ci_low']:.1f}% to {row['ci_high']:.1f}%",
            ]
        else:
            assert shown[1:4] == ["not available (x)"] * 3


def test_the_queue_is_in_the_navigation_of_the_pupils_tier_and_reached_in_no_other(
    open_page: Open, served: Served, served_pupils: Served, tmp_path: Path
) -> None:
    page = open_page("", dashboard=served_pupils)
    page.get_by_role("link", name="Early response").click()
    page.get_by_role("heading", name="2 pupils queued, 1 had action, median 1 school day").wait_for()
    with serve(build_release(tmp_path / "home"), "public", tmp_path / "log.txt") as public:
        for dashboard in (public, served):
            assert open_page("", dashboard=dashboard).get_by_role("link", name="Early response").count() == 0
            page = open_page("early-response", dashboard=dashboard)
            assert page.get_by_role("heading", name="Early response").count() == 0
            assert "queue" not in page.locator("[data-testid=stMain]").first.inner_text()


def test_the_figures_of_any_days_follow_the_days_that_are_chosen(open_named: Open) -> None:
    page = open_named("attendance-of-pupils")
    both = "Attendance was 56.2%, 3 September 2025 to 4 September 2025"
    page.get_by_role("heading", name=both).wait_for()
    assert page.get_by_role("heading", name="Lowest on").count() == 1
    # By keyboard alone: day, month and year are fields of their own, and what was typed counts on leaving them.
    page.get_by_role("group", name="Last day").get_by_role("spinbutton").first.focus()
    page.keyboard.type("03")
    for key in ("Escape", *["Tab"] * 4):
        page.keyboard.press(key)
    page.get_by_role("heading", name="Attendance was 60.0%, 3 September 2025", exact=True).wait_for()
    settle(page)
    assert page.get_by_role("heading", name=both).count() == 0
    assert page.get_by_role("heading", name="Lowest on").count() == 0


def test_the_queue_stands_in_its_order_and_can_be_taken_away(open_named: Open, tmp_path: Path) -> None:
    page = open_named("early-response")
    rows = [
        row.locator("th, td").all_inner_texts() for row in page.locator(".ep-table").first.locator("tbody tr").all()
    ]
    assert [cells[0] for cells in rows] == ["1000010", "1000010", "1000013", "1000014"]
    assert [cells[2] for cells in rows] == ["1", "1", "2", "3, beyond the queue"]
    assert all(cell.strip() for cells in rows for cell in cells)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download these figures as CSV").first.click()
    lines = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"))))
    assert [line["pupil_key"] for line in lines] == [cells[0] for cells in rows]
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the signals of Ashgrove Primary School (XLSX)").click()
    target = tmp_path / "book.xlsx"
    download.value.save_as(target)
    assert "attendance_signal" in openpyxl.load_workbook(target).sheetnames


def test_a_figure_and_a_workbook_can_be_taken_away(open_page: Open, tmp_path: Path) -> None:
    page = open_page("")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download these figures as CSV").first.click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    assert RELEASE_ID in text
    assert "attendance_rate" in text
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the workbook of Ashgrove Primary School (XLSX)").click()
    target = tmp_path / "book.xlsx"
    download.value.save_as(target)
    assert openpyxl.load_workbook(target).properties.title == "Everypupil: figures of Ashgrove Primary School"


def test_a_choice_stands_in_the_address_and_comes_back_from_it(open_page: Open) -> None:
    page = open_page("attendance")
    page.get_by_role("combobox", name="Measure").click()
    page.get_by_role("option", name="Persistent absence rate").click()
    page.get_by_role("heading", name="Persistent absence rate").first.wait_for()
    settle(page)
    address = page.url
    assert "attendance=" in address
    again = open_page(address.split("/", 3)[3])
    assert again.get_by_role("heading", name="Persistent absence rate").count() >= 1


def test_charts_have_words_for_those_who_do_not_see_them(open_page: Open) -> None:
    page = open_page("progress")
    chart = page.locator("[data-testid=stVegaLiteChart]").first
    labels = chart.evaluate(
        "c => [c, ...c.querySelectorAll('*')].map(e => e.getAttribute('aria-label') || '').join(' ')"
    )
    assert "Shrunken estimates of 6 schools" in labels


def test_a_refused_run_is_told_and_the_old_release_stays(chromium: Browser, open_page: Open, tmp_path: Path) -> None:
    settings = build_release(tmp_path / "home", last_run=refused_run())
    with serve(settings, "public", tmp_path / "log.txt") as dashboard:
        page = open_page("", dashboard=dashboard)
        warning = page.locator("[data-testid=stAlert]").first.inner_text()
        assert "was refused" in warning
        assert "in force since 31 July 2026" in warning
        assert page.get_by_role("heading", name="Attendance rate 92.5%").count() == 1
        _picture(page, "refused-run")
        (settings.releases_dir / RELEASE_ID / "manifest.json").write_text("{")
        (settings.releases_dir / "CURRENT").write_text("2026-08-01-ffffffffffff\n")
        page = open_page("", dashboard=dashboard)
        assert "is missing" in page.locator("[data-testid=stAlert]").first.inner_text()
        assert "%" not in page.locator("main, [data-testid=stMain]").first.inner_text()
        _picture(page, "missing-release")
        assert _foreign(dashboard) == []


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_a_picture_of_every_page_is_taken_and_nothing_is_asked_of_another_site(
    open_page: Open, pictured: Served, pictured_pupils: Served, name: str
) -> None:
    dashboard = pictured_pupils if name in PAGES_OF_PUPILS else pictured
    page = open_page((PAGES | PAGES_OF_PUPILS)[name], dashboard=dashboard)
    assert _picture(page, name) > 0
    assert len(dashboard.requests) > 0
    assert _foreign(dashboard) == []


def _foreign(dashboard: Served) -> list[str]:
    hosts = {url: urlparse(url) for url in dashboard.requests}
    return [
        url for url, parts in hosts.items() if parts.scheme not in ("data", "blob") and parts.hostname != "127.0.0.1"
    ]


def _picture(page: Page, name: str) -> int:
    """Takes a picture of the whole page, kept in docs/screenshots where EVERYPUPIL_SCREENSHOTS is set (1 or a home)."""
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": 1280, "height": min(max(700, height), 2400)})
    settle(page)
    picture = page.screenshot()
    if os.environ.get("EVERYPUPIL_SCREENSHOTS"):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        # Flat colours: a palette of 64 keeps a page under 100 kB.
        Image.open(io.BytesIO(picture)).convert("RGB").quantize(64).save(SCREENSHOTS / f"{name}.png", optimize=True)
    return len(picture)
