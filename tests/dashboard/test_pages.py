"""Every page runs without a browser at every tier, says what it must, and shows words where there is no release."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard import wording
from dashboard.access import ROLE_VARIABLE, TIER_VARIABLE
from dashboard.access_log import read_log
from dashboard.views.bridges import _drawn
from ingest.registry import read_registry
from ingest.settings import CONFIG_FILE, Settings, load_settings
from tests.dashboard.pupil_rows import add_pupils, bridge_step
from tests.dashboard.release_fixture import RELEASE_ID, build_release, entry_of, refused_run, write_table

PAGES = ("overview", "attendance", "progress", "gaps", "data_quality", "definitions")
pytestmark = pytest.mark.usefixtures("fresh_pages")

SCRIPT = """
import importlib
import sys
from dashboard.app import _page
_page(importlib.import_module("dashboard.views." + {page!r}).render)()
"""


def run_page(settings: Settings, view: str, monkeypatch: pytest.MonkeyPatch, tier: str = "public") -> AppTest:
    monkeypatch.setenv("EVERYPUPIL_HOME", str(settings.home))
    monkeypatch.setenv(TIER_VARIABLE, tier)
    return AppTest.from_string(SCRIPT.format(page=view), default_timeout=60).run()


def text_of(page: AppTest) -> str:
    parts = [*page.title, *page.header, *page.subheader, *page.error, *page.warning, *page.info]
    html = [element.proto.body for element in page.main if element.type == "html"]
    return " ".join([*[str(part.value).replace("\\", "") for part in parts], *html])


@pytest.mark.parametrize("tier", ["public", "leaders", "pupils"])
@pytest.mark.parametrize("view", PAGES)
def test_every_page_runs_at_every_tier(
    settings: Settings, view: str, tier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = run_page(settings, view, monkeypatch, tier)
    assert not shown.exception
    assert not shown.error
    assert len(shown.title) == 1


def test_the_overview_says_how_whole_and_how_old_the_data_is(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = text_of(run_page(settings, "overview", monkeypatch))
    for part in (
        "31 July 2026",
        "5 of 6 schools",
        RELEASE_ID,
        "How sure are we?",
        "What could I do next?",
        "similar to 2024/25",
    ):
        assert part in text


@pytest.mark.parametrize("view", PAGES)
def test_without_a_release_each_page_says_so_and_shows_no_figure(
    tmp_path: Path, view: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = build_release(tmp_path / "home")
    (settings.releases_dir / "CURRENT").unlink()
    shown = run_page(settings, view, monkeypatch)
    assert not shown.exception
    assert "No release has been published" in shown.error[0].value.replace("\\", "")
    assert "%" not in text_of(shown)


def test_a_damaged_release_is_an_error_and_never_a_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = build_release(tmp_path / "home")
    path = settings.releases_dir / RELEASE_ID / "public" / "measure_value.parquet"
    path.write_bytes(path.read_bytes()[:1000])
    shown = run_page(settings, "attendance", monkeypatch)
    assert "measure_value.parquet" in shown.error[0].value.replace("\\", "")
    assert "%" not in text_of(shown)


def test_an_unknown_tier_reads_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run_page(settings, "overview", monkeypatch, "everything")
    assert "not known" in shown.error[0].value.replace("\\", "")


def test_a_role_narrows_the_pupils_tier_and_an_unknown_one_reads_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ROLE_VARIABLE, "school:100001")
    assert not run_page(settings, "overview", monkeypatch, "pupils").error
    monkeypatch.setenv(ROLE_VARIABLE, "someone")
    assert "not known" in run_page(settings, "overview", monkeypatch, "pupils").error[0].value.replace("\\", "")


def test_a_role_shows_nothing_in_the_process_of_another_tier(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ROLE_VARIABLE, "operator")
    shown = run_page(settings, "overview", monkeypatch, "public")
    assert "another; start one for that role" in shown.error[0].value.replace("\\", "")


def test_a_role_that_is_narrowed_while_the_dashboard_runs_is_narrowed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = build_release(tmp_path / "home")
    role = "  head: {tier: pupils, schools: [100001], year_groups: all}\n"
    settings.access_path.write_text(f"roles:\n{role}")
    monkeypatch.setenv(ROLE_VARIABLE, "head")
    assert not run_page(settings, "overview", monkeypatch, "pupils").error
    settings.access_path.write_text("roles:\n  public: {tier: public}\n")
    assert "not known" in run_page(settings, "overview", monkeypatch, "pupils").error[0].value.replace("\\", "")


def test_a_page_of_the_pupils_tier_is_logged_and_refused_where_it_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = build_release(tmp_path / "home")
    run_page(settings, "overview", monkeypatch)
    assert not settings.access_log_path.exists()
    run_page(settings, "overview", monkeypatch, "pupils")
    entries, problems = read_log(settings)
    assert problems == []
    assert [entry["action"] for entry in entries][:2] == ["page", "page query"]
    settings.access_log_path.unlink()
    shown = run_page(settings, "overview", monkeypatch, "pupils")
    assert "nothing may be read" in shown.error[0].value.replace("\\", "")


def test_a_refused_run_stands_on_every_page_with_its_date_and_since_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = build_release(tmp_path / "home", last_run=refused_run())
    for view in PAGES:
        warning = run_page(settings, view, monkeypatch).warning[0].value.replace("\\", "")
        for part in (
            "1 August 2026",
            "refused",
            "in force since 31 July 2026",
            RELEASE_ID,
            "A rate lies outside 0 to 100.",
        ):
            assert part in warning


def test_a_files_name_in_a_refusal_is_text_and_fetches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = refused_run() | {"sentence": "![x](http://example.invalid/x.png) [y](http://example.invalid) was refused."}
    settings = build_release(tmp_path / "home", last_run=run)
    warning = run_page(settings, "overview", monkeypatch).warning[0].value
    assert "![" not in warning
    assert "](" not in warning


def test_a_published_run_shows_no_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = build_release(tmp_path / "home", last_run=refused_run() | {"outcome": "published", "exit_code": 0})
    assert not run_page(settings, "overview", monkeypatch).warning


def test_a_new_release_is_picked_up_when_the_page_is_loaded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = build_release(tmp_path / "home")
    assert "Attendance rate 92.5%" in text_of(run_page(settings, "overview", monkeypatch))
    build_release(settings.home, release_id="2026-08-01-ba9876543210", shift=0.5)
    shown = text_of(run_page(settings, "overview", monkeypatch))
    assert "Attendance rate 93.0%" in shown
    assert "2026-08-01-ba9876543210" in shown


def test_results_without_registers_say_that_there_is_no_attendance_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = build_release(tmp_path / "home", with_attendance=False)
    for page in ("attendance", "overview"):
        assert "There is no attendance data in this release." in text_of(run_page(settings, page, monkeypatch))


def change_rows(settings: Settings, path: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Writes one table of a release again, row by row."""
    root = settings.releases_dir / RELEASE_ID
    write_table(root, path, [change(row) for row in pq.read_table(root / path).to_pylist()])


def test_a_hidden_number_leaves_the_others_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column with a blank comes back as floats: the pupils of the first row stood there as 3,285.00."""
    settings = build_release(tmp_path / "home")

    def hidden(row: dict[str, Any]) -> dict[str, Any]:
        gone = (row["level"], row["measure_id"], row["group_dimension"]) == ("trust", "severe_absence_rate", "all")
        return row | {"status": "c", "n": None, "value": None, "ci_low": None, "ci_high": None} if gone else row

    change_rows(settings, "public/measure_value.parquet", hidden)
    text = text_of(run_page(settings, "overview", monkeypatch))
    assert wording.STATUS_WORDS["c"] in text
    assert re.search(r"n = 3,\d{3} pupils", text)
    assert not re.search(r"3,\d{3}\.0", text)


def test_a_hidden_count_of_findings_is_said_to_be_hidden_and_not_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = build_release(tmp_path / "home")
    assert "2 rules found something, 17 times" in text_of(run_page(settings, "data_quality", monkeypatch, "leaders"))
    change_rows(
        settings,
        "leaders/data_quality_issue.parquet",
        lambda row: row | {"n_rows": None if row["rule_id"] == "PU-001" else row["n_rows"]},
    )
    st.cache_resource.clear()
    st.cache_data.clear()
    text = text_of(run_page(settings, "data_quality", monkeypatch, "leaders"))
    assert "2 rules found something, over 14 times" in text
    table = text[text.index("What rule PU-001 found.") :]
    assert wording.STATUS_WORDS["c"] in table[: table.index("</tr>")]


def test_a_step_that_is_written_as_nought_is_drawn_as_no_change() -> None:
    first, second = (bridge_step("trust", "T0001", step) for step in (0, 1))
    rows = [first, *(second | {"change": change} for change in (-0.004, 0.006))]
    assert list(_drawn(rows, "percent")["word"]) == ["our figure", "no change", "a step up"]


def test_one_schools_progress_is_worked_out_on_the_page_and_agrees(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = text_of(run_page(settings, "progress", monkeypatch))
    assert "n = 105 pupils" in text
    assert "0.3100 ± 1.96 × 0.7483 / √105" in text
    assert "105 × 0.08000 / (105 × 0.08000 + 0.56000) = 0.938" in text
    assert "agree with the release" in text


def test_public_pages_name_no_file_and_leaders_pages_do(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "broken.csv" not in text_of(run_page(settings, "data_quality", monkeypatch, "public"))
    leaders = text_of(run_page(settings, "data_quality", monkeypatch, "leaders"))
    assert "broken.csv" in leaders
    assert "What rule SM-003 found." in leaders


def test_every_reader_is_told_how_many_figures_are_hidden_and_not_which_for_which_reason(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    public, leaders = (text_of(run_page(settings, "data_quality", monkeypatch, tier)) for tier in ("public", "leaders"))
    counts = []
    for text in (public, leaders):
        assert "it would tell which figures are of few" in text
        assert "Hidden (%)" in text
        found = re.search(r"([\d,]+) of ([\d,]+) figures are hidden to protect pupils", text)
        assert found is not None
        counts.append(int(found[1].replace(",", "")))
    assert counts[0] > counts[1] > 0


def test_definitions_come_from_the_release_with_version_boundary_and_source(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = text_of(run_page(settings, "definitions", monkeypatch))
    for part in (
        "Persistent absence rate",
        "at least 10% of possible",
        "Fewest pupils shown",
        "Definition version",
        "methodology",
    ):
        assert part in text


BRIDGES, REASONS, WINDOWS = "From our figure to theirs", "Reasons and lateness", "Any days"
STATUSES = "Whose status, and when"
OF_PUPILS_TIER = {
    BRIDGES: (
        "from 50.0% to 49.0%",
        "Days in place of sessions (Systems that count days)",
        "Days, with half days: −1.00 percentage points.",
        "Source: a specification.",
        "<td>What the step changes.</td>",
    ),
    REASONS: (
        "Illness is 75% of absence",
        "of 400 possible sessions 40 were missed, 30 of them by 4 pupils under code I (illness).",
        "2 pupils came late before the register closed, 10 times; these sessions were attended.",
        "<td>Unauthorised absence</td>",
        "3.75 to 15.00",
    ),
    STATUSES: (
        "Eligible for free school meals: 50.0% to 54.0% by rule",
        "50.0% by the census (n = 5), 52.0% at each session (n = 6), 54.0% ever in the year (n = 7).",
        "Each session counts under the status of its day",
        "<td>fsm@ever_in_year</td>",
    ),
    # 32 enrolments of 31 pupils, one session each; of each five two were ill, and of the mover's two both: 18 of 32.
    WINDOWS: (
        "Attendance was 56.2%, 3 September 2025 to 4 September 2025",
        "Lowest on ",
        "n = 31 pupils",
        "100.0% of the sessions expected in these days have a mark.",
    ),
}


def test_what_is_not_for_every_reader_is_told_to_readers_of_pupils_rows_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = build_release(tmp_path / "home")
    add_pupils(settings)
    for tier in ("public", "leaders"):
        text = text_of(run_page(settings, "attendance", monkeypatch, tier))
        assert [section for section in OF_PUPILS_TIER if section in text] == []
    shown = run_page(settings, "attendance", monkeypatch, "pupils")
    assert not shown.exception
    text = text_of(shown)
    for section, parts in OF_PUPILS_TIER.items():
        assert [part for part in (section, *parts) if part not in text] == []


def test_a_reason_is_told_by_group_to_those_who_may_know_the_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = build_release(tmp_path / "home")
    add_pupils(settings)
    offered = {}
    for role in ("school:100001", "operator"):
        monkeypatch.setenv(ROLE_VARIABLE, role)
        shown = run_page(settings, "attendance", monkeypatch, "pupils")
        assert not shown.exception
        offered[role] = next(box.options for box in shown.selectbox if box.label == "Reasons by")
    assert offered == {"school:100001": ["Sex"], "operator": ["Special educational needs", "Sex"]}
    next(box for box in shown.selectbox if box.label == "Reasons by").select("Sex")
    text = text_of(shown.run())
    assert "in % of the possible sessions of each group: Girls 7.50, Boys 7.50." in text
    assert "The intervals of the highest and the lowest overlap: the order may be chance." in text
    next(box for box in shown.selectbox if box.label == "Reason").select("Holiday not granted (G)")
    text = text_of(shown.run())
    assert "all sessions of holiday not granted that are told are of Boys. No session under this code: Girls." in text


def test_a_role_of_one_school_sees_that_schools_bridge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = build_release(tmp_path / "home")
    add_pupils(settings)
    places, days = {}, {}
    for role in ("school:100001", "operator"):
        monkeypatch.setenv(ROLE_VARIABLE, role)
        shown = run_page(settings, "attendance", monkeypatch, "pupils")
        places[role] = next(box.options for box in shown.selectbox if box.label == "Of")
        days[role] = next(box.options for box in shown.selectbox if box.label == "Days of")
    assert len(places["school:100001"]) == 1
    assert "All schools of Example Learning Trust" in places["operator"]
    # Days of one school are not said to be of all.
    assert places["operator"][0] not in days["school:100001"]
    assert days["school:100001"][0] == places["school:100001"][0]
    assert days["operator"][0] == places["operator"][0], "one place has one name"


def test_every_page_says_what_the_home_says_of_itself(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(settings.home, tmp_path / "home")
    copied = load_settings(tmp_path / "home")
    text = text_of(run_page(copied, "gaps", monkeypatch))
    assert "Synthetic" not in text
    (tmp_path / "home" / CONFIG_FILE).write_text('notice = "Synthetic <schools>."\n', encoding="utf-8")
    st.cache_resource.clear()
    for view in ("overview", "gaps"):
        text = text_of(run_page(copied, view, monkeypatch))
        assert '<p class="ep-notice">Synthetic &lt;schools&gt;.</p>' in text


def test_a_role_of_year_groups_sees_none_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = build_release(tmp_path / "home")
    add_pupils(settings)
    settings.access_path.write_text("roles:\n  lead: {tier: pupils, schools: [100001], year_groups: [10]}\n")
    monkeypatch.setenv(ROLE_VARIABLE, "lead")
    shown = run_page(settings, "attendance", monkeypatch, "pupils")
    assert not shown.exception
    assert [section for section in OF_PUPILS_TIER if section in text_of(shown)] == []


def test_an_earlier_year_is_not_said_to_have_the_newest_years_coverage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = build_release(tmp_path / "home")
    path = settings.releases_dir / RELEASE_ID / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"coverage_sentence": "2025/26: session marks received for all schools."}))
    page = run_page(settings, "attendance", monkeypatch)
    assert "Coverage: 2025/26" in text_of(page)
    next(box for box in page.selectbox if box.label == "Academic year").set_value("2024/25").run()
    assert "Period: 2024/25" in text_of(page)
    assert "Coverage: 2025/26" not in text_of(page)


def test_the_model_is_shown_and_taken_away_to_more_digits_than_a_figure(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = text_of(run_page(settings, "progress", monkeypatch))
    for part in ('<td class="ep-number">0.560000</td>', '<td class="ep-number">0.012000</td>'):
        assert part.replace(' class="ep-number"', "") in text.replace(' class="ep-number"', "")


def test_the_definitions_name_every_bridge_and_step(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    text = text_of(run_page(settings, "definitions", monkeypatch))
    rules = read_registry(settings.registry_dir).data["status_definitions"]
    assert [rule["name"] for rule in rules if html.escape(rule["sentence"]) not in text] == []
    bridges = read_registry(settings.registry_dir).data["bridges"]
    assert bridges
    for bridge in bridges:
        for part in (bridge["name"], *(step["sentence"] for step in bridge["steps"])):
            assert html.escape(part) in text or part in text


def test_the_overview_compares_two_years_on_the_schools_that_have_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Four schools of both years with 210, 315, 900 and 1,100 pupils, at 94.74, 92.38, 91.98 and 91.42 per cent: 92.02,
    # and 0.3 more in the second year. The sixth joined; the third has no register in either year.
    settings = build_release(tmp_path / "home", joined=("100006",))
    said = (
        "The years do not have the same schools (5 in 2025/26, 4 in 2024/25). 4 schools have figures in both; there it "
        "was 92.0% and is 92.3%."
    )
    for tier in ("public", "leaders"):
        assert said in text_of(run_page(settings, "overview", monkeypatch, tier))


def test_the_overview_says_nothing_of_the_same_schools_where_both_years_have_them(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = text_of(run_page(settings, "overview", monkeypatch))
    assert "similar to 2024/25" in text
    assert "do not have the same schools" not in text


def test_a_year_of_which_no_part_is_over_is_set_beside_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = build_release(tmp_path / "home")
    # A measure of days has weeks; what has none is of one sitting, and its year is set beside the year before.
    root, table = settings.releases_dir / RELEASE_ID, "public/measure_value.parquet"
    rows = pq.read_table(root / table).to_pylist()
    weeks = [row | {"period": "W2025-37"} for row in rows if row["academic_year"] == "2025/26"]
    manifest = json.loads((root / "manifest.json").read_text())
    manifest["tables"]["public"]["measure_value"] = entry_of([write_table(root, table, [*rows, *weeks])])
    for as_of, is_over in (("2025-09-14", False), ("2026-07-31", True)):
        (root / "manifest.json").write_text(json.dumps(manifest | {"as_of": as_of}))
        text = text_of(run_page(settings, "overview", monkeypatch))
        assert ("No part of 2025/26 is over yet that could be set beside the year before." in text) is not is_over
        assert ("similar to 2024/25" in text) is is_over
        st.cache_data.clear()
        st.cache_resource.clear()


def test_the_definitions_name_every_rule_of_early_response_and_what_none_counts(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = html.unescape(text_of(run_page(settings, "definitions", monkeypatch)))
    registry = read_registry(settings.registry_dir).data
    names = {entry["reason"]: entry["name"] for entry in registry["absence_reasons"]}
    assert registry["responses"]["rules"]
    for rule in registry["responses"]["rules"]:
        assert f"<b>{rule['name']}</b>" in text
        assert f"{'; '.join(names[reason] for reason in rule['reasons'])}. " in text
        assert rule["source"] in text
    assert f"{'; '.join(names[reason] for reason in registry['responses']['reasons_never_counted'])}." in text


FEWER_SCHOOLS = "Registers came from 5 of 6 schools; none came from the other."


@pytest.mark.parametrize("view", ["overview", "attendance", "gaps"])
def test_a_figure_of_fewer_schools_than_the_trust_has_says_so(
    settings: Settings, view: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert FEWER_SCHOOLS in text_of(run_page(settings, view, monkeypatch))


def test_a_page_of_a_release_from_before_such_rows_has_no_such_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = build_release(tmp_path / "home")
    path = settings.releases_dir / RELEASE_ID / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    for tier in ("public", "leaders"):
        del manifest["tables"][tier]["unit_coverage"]
        (path.parent / tier / "unit_coverage.parquet").unlink()
    path.write_text(json.dumps(manifest), encoding="utf-8")
    shown = run_page(settings, "overview", monkeypatch)
    assert not shown.exception
    assert "Registers came from" not in text_of(shown)


def test_the_attendance_page_shows_schools_beside_england_of_their_phase(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One school's interval lies above England's, one's below; of the others nothing was published."""
    text = html.unescape(text_of(run_page(settings, "attendance", monkeypatch)))
    assert "Beside England: 1 above, 1 below" in text
    assert "Not compared: 4 of 6 schools" in text
    start = text.index("Beside England: 1")
    table = text[start : text.index("Exampleshire", start)]
    for part in ("England, same phase", "Region, same phase", "94.0%", "94.2%", "99.0%", "not applicable (z)"):
        assert part in table, part


def test_the_attendance_page_shows_what_dfe_published_of_the_authority_and_its_neighbours(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = text_of(run_page(settings, "attendance", monkeypatch))
    for part in (
        "Beside what DfE published",
        "Exampleshire: not available (x) at our schools there; 93.2% at all its schools; "
        "92.8% on average of its statistical neighbours (9 of 10 with a figure).",
        "figures were published on 23 July 2026",
        "list of 2025-05",
        "Open Government Licence v3.0",
    ):
        assert part in html.unescape(text), part
