"""Early response is for readers of pupils' rows alone, who see their own queue; every reading of it is logged."""

from __future__ import annotations

import csv
import datetime as dt
import html
import io
import re
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard import signals
from dashboard.access import ROLE_VARIABLE
from dashboard.access_log import read_log
from dashboard.app import pages_of
from dashboard.components.charts import weekly_bars
from dashboard.components.figure import Table
from dashboard.export import export_table
from dashboard.readings import share_interval
from ingest.registry import load_registry
from ingest.settings import Settings
from tests.dashboard.pupil_rows import NEWEST, add_pupils
from tests.dashboard.release_fixture import build_release
from tests.dashboard.test_access_matrix import EXPECTED, ROLES
from tests.dashboard.test_export import rows_of
from tests.dashboard.test_pages import run_page, text_of

pytestmark = pytest.mark.usefixtures("fresh_pages")

VIEW = "early_response"
FIRST, SECOND, BEYOND = "1000010", "1000013", "1000014"  # the pupils of Ashgrove's newest queue, by place


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = build_release(tmp_path_factory.mktemp("early"))
    add_pupils(settings)
    settings.access_path.write_text(ROLES)
    return settings


def shown_as(settings: Settings, role: str, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv(ROLE_VARIABLE, role)
    return run_page(settings, VIEW, monkeypatch, EXPECTED[role].tier)


def rows_of_table(page: AppTest, title: str) -> list[list[str]]:
    """The cells of the table whose name starts with a title."""
    for element in page.main:
        body = element.proto.body if element.type == "html" else ""
        if f"<caption>Table: {title}" in body:
            rows = re.findall(r"<tr>(.*?)</tr>", body.split("<tbody>")[1])
            return [[html.unescape(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows]
    raise AssertionError(f"There is no table '{title}'.")


def test_the_page_is_in_the_navigation_of_the_pupils_tier_alone() -> None:
    assert {tier: "early-response" in [path for _, path, _ in pages_of(tier)] for tier in ("public", "leaders")} == {
        "public": False,
        "leaders": False,
    }
    assert [path for _, path, _ in pages_of("pupils")][:2] == ["start", "early-response"]
    assert "early-response" not in [path for _, path, _ in pages_of("everything")]


@pytest.mark.parametrize("role", sorted(EXPECTED))
def test_a_role_sees_the_queue_of_its_own_pupils_and_no_other_role_sees_any(
    home: Settings, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = EXPECTED[role]
    shown = shown_as(home, role, monkeypatch)
    assert not shown.exception
    text = text_of(shown)
    if expected.tier != "pupils":
        assert "this role may not read" in shown.error[0].value.replace("\\", "")
        assert "queue" not in text
        assert not shown.selectbox
        return
    assert not shown.error
    school = next(box for box in shown.selectbox if box.label == "School")
    assert len(school.options) == len(expected.schools)
    wanted = {
        (str(row["pupil_key"]), row["rule_name"])
        for row in expected.rows("attendance_signal")
        if row["urn"] == school.value and row["signal_date"] == NEWEST
    }
    assert wanted
    assert {(cells[0], cells[3]) for cells in rows_of_table(shown, "")} == wanted
    keys = {str(row["pupil_key"]) for row in EXPECTED["operator"].rows("attendance_signal")}
    assert {key for key in keys if len(key) > 3 and f">{key}<" in text} == {key for key, _ in wanted}


def test_a_role_of_pupils_sees_nothing_in_the_process_of_another_tier(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ROLE_VARIABLE, "operator")
    for tier in ("public", "leaders"):
        shown = run_page(home, VIEW, monkeypatch, tier)
        assert "another; start one for that role" in shown.error[0].value.replace("\\", "")
        assert "queue" not in text_of(shown)


def test_the_queue_says_who_by_which_rule_on_what_evidence_and_what_was_done(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = shown_as(home, "operator", monkeypatch)
    assert "2 pupils queued, 1 had action, median 1 school day" in [part.value for part in shown.header]
    text = text_of(shown)
    for part in (
        "Ashgrove Primary School, 24 June 2026, the newest day with a signal: 3 pupils with one",
        "Of 2 places in the queue, 1 was followed by an action, a median of 1 school day after the signal (n = 1); for "
        "the other 1 nothing is recorded in time, or yet.",
        "In 2025/26 so far, of 4 places in the queue, 2 were followed by an action, a median of 1.5 school days",
        "no characteristic protected in law is an input",
    ):
        assert part in text
    unaccepted, since, day = "No reason established or accepted", "since 10 June 2026", "24 June 2026"
    unexplained, third = "Five consecutive sessions without an accepted reason", "Third absence in 25 school days"
    rate = "Attendance below 90% over the last 60 possible sessions"
    undone = ["none recorded yet", "not applicable (z)"]
    # Illness is no reason of the first rule, religious observance of none: neither is shown.
    assert rows_of_table(shown, "2 pupils queued") == [
        [FIRST, day, "1", unexplained, f"5 sessions missed {since}", unaccepted, "=letter, 25 June 2026", "1"],
        [FIRST, day, "1", third, f"3 spells of absence {since}", "Illness", "=letter, 25 June 2026", "1"],
        [SECOND, day, "2", third, f"3 spells of absence {since}", "Illness", *undone],
        [
            BEYOND,
            day,
            "3, beyond the queue",
            rate,
            "8 of 60 possible sessions missed, the first on 10 June 2026",
            "Illness",
            *undone,
        ],
    ]
    assert "bservance" not in text


def test_a_week_of_signals_stands_with_the_newest_day_first_then_by_place(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = shown_as(home, "operator", monkeypatch)
    span = next(box for box in shown.selectbox if box.label == "Signals of")
    span.set_value("week")
    shown.run()
    assert not shown.exception
    days = [cells[1:3] for cells in rows_of_table(shown, "2 pupils queued")]
    newest = [["24 June 2026", place] for place in ("1", "1", "2", "3, beyond the queue")]
    assert days == [*newest, ["22 June 2026", "1"]]
    # The spell's main reason, illness, is none that this rule counts.
    assert rows_of_table(shown, "2 pupils queued")[-1][3:6] == [
        "First unauthorised session of the year",
        "1 session missed since 8 June 2026",
        "one or more of: Family holiday, agreed or not; No reason established or accepted; Late after the register "
        "closed",
    ]


def test_weeks_are_counted_with_and_without_an_action(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = shown_as(home, "operator", monkeypatch)
    assert "2 of 4 places were followed by an action" in [part.value for part in shown.header]
    rows = {cells[0]: cells[1:] for cells in rows_of_table(shown, "2 of 4 places")}
    assert len(rows) == 38
    assert rows["6 October 2025"] == ["1", "0", "1", "not applicable (z)"]
    assert rows["13 October 2025"] == ["0", "0", "0", "not applicable (z)"]
    assert rows["22 June 2026"] == ["3", "2", "1", "1.50"]


def test_the_back_test_stands_beside_the_plain_rule_with_numbers_and_groups(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = shown_as(home, "operator", monkeypatch)
    # Wilson's interval of 6 of 8: (6 + 1.92 -+ 1.96 sqrt(6 x 2 / 8 + 0.96)) / 11.84 = 40.9% to 92.9%.
    rows = rows_of_table(shown, "Precision: rules 75.0%, plain rule 80.0%")
    assert rows[0][:6] == [
        "Third absence in 25 school days",
        "rule of early response",
        "8",
        "6",
        "75.0%",
        "40.9% to 92.9%",
    ]
    assert rows[0][6] == "60.0%"
    # Of the six one never had a place in the queue: 23.7% to 76.3% of ten.
    assert rows[0][8:11] == ["5", "50.0%", "23.7% to 76.3%"]
    assert rows[0][11:13] == ["2", "6.7%"]
    assert rows[1][8:11] == ["not applicable (z)"] * 3
    assert rows[1][:5] == ["Last term's attendance below 90%", "plain rule, for comparison", "5", "4", "80.0%"]
    text = text_of(shown)
    assert (
        "Of 40 pupils with at least 20 possible sessions in both terms, 10 attended less than 90% of the later one."
        in text
    )
    group = next(box for box in shown.selectbox if box.label == "By")
    assert group.options == ["Disadvantage", "Sex", "Special educational needs", "Year group"]
    group.set_value("nc_year")
    shown.run()
    groups = {cells[0]: cells[1:] for cells in rows_of_table(shown, "False alarms by group")}
    assert groups["Year 10"][:3] == ["30", "2", "6.7%"]
    assert groups["Year 10"][4:6] == ["1", "3.3%"]
    assert groups["Year 11"] == ["0", "0", *["not applicable (z)"] * 2, "0", *["not applicable (z)"] * 2]


def test_a_role_without_special_categories_is_offered_plain_groups_alone(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = {
        role: next(box.options for box in shown_as(home, role, monkeypatch).selectbox if box.label == "By")
        for role in ("operator", "analyst")
    }
    assert "Disadvantage" in groups["operator"]
    assert groups["analyst"] == ["Sex", "Year group"]


@pytest.mark.parametrize("role", ["head", "teacher", "year-10-lead", "year-10-trust"])
def test_a_role_of_some_schools_or_year_groups_is_told_why_it_has_no_back_test(
    home: Settings, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = text_of(shown_as(home, role, monkeypatch))
    assert "so it is for roles of all schools and year groups" in text
    assert "Precision" not in text


def test_a_role_of_year_groups_is_told_that_other_places_are_left_out(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "pupils of year group 10 whose register met a rule; other places are left out" in text_of(
        shown_as(home, "year-10-lead", monkeypatch)
    )


def test_a_release_without_signals_and_a_school_without_any_are_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = build_release(tmp_path / "home")
    shown = run_page(settings, VIEW, monkeypatch, "pupils")
    assert not shown.exception
    assert "There are no signals of early response in this release" in shown.info[0].value
    add_pupils(settings, schools_without_signals=("100001",))
    st.cache_resource.clear()
    shown = run_page(settings, VIEW, monkeypatch, "pupils")
    assert not shown.exception
    assert "Ashgrove Primary School: no register that this role may read met a rule of early response." in shown.info[
        0
    ].value.replace("\\", "")
    assert "Precision: rules 75.0%" in text_of(shown)


def test_every_showing_and_every_download_of_the_queue_is_logged_and_names_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = build_release(tmp_path / "home")
    add_pupils(settings)
    taken: dict[str, bytes] = {}

    def take(label: str, *, data: object, key: str, **_: object) -> None:
        taken[key] = data() if callable(data) else bytes(str(data), "utf-8")

    def readings() -> list[tuple[str, tuple[str, ...], int | None]]:
        entries, problems = read_log(settings)
        assert problems == []
        return [(e["action"], tuple(e["what"]), e["rows"]) for e in entries if "marts.attendance_signal" in e["what"]]

    both = ("marts.absence_spell", "marts.attendance_signal")
    for times in (1, 2):
        run_page(settings, VIEW, monkeypatch, "pupils")
        assert readings() == [("page query", both, 6)] * times
    monkeypatch.setattr(st, "download_button", take)
    run_page(settings, VIEW, monkeypatch, "pupils")
    assert ("export", ("marts.attendance_signal",), 4) in readings()
    assert ("export", ("marts.attendance_signal",), 7) in readings()
    lines = list(csv.DictReader(io.StringIO(taken["queue_csv"].decode())))
    assert [line["pupil_key"] for line in lines] == [FIRST, FIRST, SECOND, BEYOND]
    assert lines[0]["action_taken"] == "'=letter"
    assert lines[2]["action_taken"] == lines[2]["school_days_to_action"] == lines[2]["sessions"] == "z"
    assert openpyxl.load_workbook(io.BytesIO(taken["signals_workbook"])).sheetnames
    log = settings.access_log_path.read_text()
    assert not [key for key in (FIRST, SECOND, BEYOND) if key in log]


# What is taken away


@pytest.mark.parametrize(("role", "unit"), [("operator", None), ("operator", "100001"), ("year-10-lead", None)])
def test_signals_are_exported_in_the_order_of_the_queue(
    home: Settings, role: str, unit: str | None, tmp_path: Path
) -> None:
    path = export_table(home, "attendance_signal", role, unit, "csv", tmp_path / "b.csv")
    rows = list(csv.DictReader(path.open(encoding="utf-8", newline="")))
    keys = [(row["signal_date"], row["urn"], int(row["queue_place"])) for row in rows]
    assert len(rows) > 2
    assert keys == sorted(keys, key=lambda key: (-dt.date.fromisoformat(key[0]).toordinal(), *key[1:]))
    # A place of two signals is the one of the rule that the registry names first.
    first = [row["rule_id"] for row in rows if row["urn"] == "100001" and row["queue_place"] == "1"]
    assert first[:2] == ["unexplained_run", "third_spell"]


def test_what_a_rule_does_not_look_at_is_not_applicable_in_workbook_and_csv(home: Settings, tmp_path: Path) -> None:
    path = export_table(home, "attendance_signal", "head", None, "xlsx", tmp_path / "b.xlsx")
    rows = rows_of(path, "attendance_signal")
    by_rule = {str(row["Rule id"]): row for row in rows}
    counted = ("Spells of absence", "Sessions missed", "Of possible sessions")
    assert [by_rule["third_spell"][name] for name in counted] == [3, "[z]", "[z]"]
    run = by_rule["unexplained_run"]
    assert [run[name] for name in (*counted, "Spells began on")] == ["[z]", 5, "[z]", "[z]"]
    assert [by_rule["recent_rate"][name] for name in counted] == ["[z]", 8, 60]
    undone = next(row for row in rows if row["Pupil (key)"] == SECOND)
    assert [undone[name] for name in ("First action", "Day of the first action", "School days to it")] == ["[z]"] * 3
    assert "[x]" not in {cell for row in rows for cell in row.values()}
    sheet = openpyxl.load_workbook(path)["attendance_signal"]
    lines = [str(cell.value) for (cell,) in sheet.iter_rows(max_col=1, max_row=6)]
    assert "In the order of the queue: newest day first, then school by URN, then place." in lines


def test_the_queues_workbook_speaks_of_signals_and_not_of_estimates(home: Settings, tmp_path: Path) -> None:
    path = export_table(home, "attendance_signal", "head", None, "xlsx", tmp_path / "b.xlsx")
    book = openpyxl.load_workbook(path)
    text = {name: " ".join(str(cell) for row in book[name].values for cell in row) for name in book.sheetnames}
    assert "Signals of early response" in text["Cover"]
    assert "see the Rules sheet" in text["Cover"]
    for of_figures in ("95%", "Gap is", "are hidden"):
        assert of_figures not in text["Cover"] + text["Notes"]
    rules = [row[0] for row in book["Rules"].iter_rows(min_row=2, values_only=True)]
    names = [rule.name for rule in signals.rules_in_words(load_registry(home))]
    assert rules[-len(names) :] == names
    headings = next(row for row in book["attendance_signal"].values if row[0] == "Day of the signal")
    assert headings[1:6] == ("Place in the queue", "In the queue", "School", "Pupil (key)", "Rule")


def test_a_share_of_nobody_is_not_applicable_and_a_missing_count_elsewhere_not_available(
    home: Settings, tmp_path: Path
) -> None:
    path = export_table(home, "attendance_signal_backtest", "operator", None, "csv", tmp_path / "b.csv")
    rows = [row for row in csv.DictReader(path.open(encoding="utf-8", newline="")) if row["group_value"] == "11"]
    assert {row["false_alarm_percent"] for row in rows} == {"z"}
    assert {row["precision_percent"] for row in rows} == {"100.0"}
    missing = Table(pd.DataFrame({"sessions": pd.array([None], dtype="Int64")}), ("sessions",))
    assert missing.cells() == [["not available (x)"]]


# The sums behind the page


def queue(*rows: tuple[dt.date, int, int | None]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["signal_date", "pupil_key", "school_days_to_action"])
    acted = [None if wait is None else day + dt.timedelta(days=wait) for day, _, wait in rows]
    frame = frame.astype({"school_days_to_action": "Int64"})
    return frame.assign(is_in_queue=True, action_taken="letter", action_date=pd.Series(acted, dtype="object"))


def test_a_pupil_with_two_signals_takes_one_place_and_who_is_beyond_takes_none() -> None:
    monday = dt.date(2026, 6, 22)
    rows = queue((monday, 1, None), (monday, 1, None), (monday, 2, 3), (monday - dt.timedelta(days=1), 1, None))
    assert len(signals.places(rows)) == 3
    assert len(signals.places(rows.assign(is_in_queue=[True, True, False, True]))) == 2


@pytest.mark.parametrize(
    ("waits", "sentence"),
    [
        ((), "Of 0 places in the queue, none has an action recorded in time."),
        ((None,), "Of 1 place in the queue, none has an action recorded in time."),
        (
            (0,),
            "Of 1 place in the queue, 1 was followed by an action, a median of 0 school days after the signal (n = 1).",
        ),
        (
            (1, 2, None),
            "Of 3 places in the queue, 2 were followed by an action, a median of 1.5 school days after the signal "
            "(n = 2); for the other 1 nothing is recorded in time, or yet.",
        ),
    ],
)
def test_what_followed_is_told_with_its_median_and_what_is_left(waits: tuple[int | None, ...], sentence: str) -> None:
    found = signals.follow_up(queue(*((dt.date(2026, 6, 22), at, wait) for at, wait in enumerate(waits))))
    assert found.sentence == sentence


def test_one_action_that_answers_several_signals_is_counted_once() -> None:
    monday = dt.date(2026, 6, 22)
    rows = queue((monday, 1, 2), (monday + dt.timedelta(days=1), 1, 1), (monday, 2, 2))
    assert signals.follow_up(rows).actions == 2
    assert "(n = 3; 2 actions, for one may answer several)." in signals.follow_up(rows).sentence


def test_a_week_begins_on_monday_and_a_week_without_signals_is_a_gap() -> None:
    friday, monday, later = dt.date(2026, 6, 19), dt.date(2026, 6, 22), dt.date(2026, 7, 12)
    weeks = signals.by_week(queue((friday, 1, 2), (monday, 2, None), (later, 3, 4)))
    assert [str(week) for week in weeks["week_from"]] == ["2026-06-15", "2026-06-22", "2026-06-29", "2026-07-06"]
    assert list(weeks["places"]) == [1, 1, 0, 1]
    assert list(weeks["followed"]) == [1, 0, 0, 1]
    assert list(weeks["not_followed"]) == [0, 1, 0, 0]
    assert weeks["median_days"].isna().tolist() == [False, True, True, False]


def test_bars_stand_on_zero_and_their_parts_on_each_other() -> None:
    data = pd.DataFrame({"week_from": [dt.date(2026, 6, 15), dt.date(2026, 6, 22)], "a": [2, 0], "b": [1, 0]})
    drawn = weekly_bars(data, axis_title="n", words={"a": "#000000", "b": "#FFFFFF"}).to_dict()
    marks = next(iter(drawn["datasets"].values()))
    assert [(mark["word"], mark["low"], mark["high"]) for mark in marks] == [("a", 0, 2), ("b", 2, 3)]
    assert {mark["from"][:10] for mark in marks} == {"2026-06-15"}


def test_the_interval_of_a_share_is_wilsons_and_there_is_none_of_nobody() -> None:
    # Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for count, n, low, high in (
        (81, 263, 25.53, 36.62),
        (15, 148, 6.24, 16.05),
        (0, 20, 0.0, 16.11),
        (1, 29, 0.61, 17.18),
    ):
        assert share_interval(count, n, 1.959964) == pytest.approx((low, high), abs=0.006)
    assert share_interval(20, 20, 1.959964)[1] == pytest.approx(100)
    assert all(end != end for end in share_interval(0, 0, 1.96))
