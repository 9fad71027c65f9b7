"""A figure shows what it must or is not shown; words never claim more than an interval allows."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import streamlit
from hypothesis import given
from hypothesis import strategies as st

from dashboard import readings, wording
from dashboard.components import palette
from dashboard.components.charts import CHART_REASONS, interval_plot
from dashboard.components.figure import Caption, FigureError, Table, check_figure, figure, html_table, title_of

DASHBOARD = Path(__file__).resolve().parents[2] / "dashboard"
CAPTION = Caption("m", "p", "pl", "per", "s", "c.", "r", "1")
TABLE = Table(
    pd.DataFrame({"school_name": ["A"], "value": [93.14], "status": ["ok"]}), ("school_name", "value"), "percent"
)


def test_a_whole_figure_is_taken() -> None:
    check_figure("Attendance is similar", "n = 10", "a chart", CAPTION, TABLE)


@pytest.mark.parametrize(
    ("title", "takeaway", "alt_text", "caption", "table"),
    [
        ("", "t", "a", CAPTION, TABLE),
        ("one two three four five six seven eight nine ten eleven", "t", "a", CAPTION, TABLE),
        ("Title", " ", "a", CAPTION, TABLE),
        ("Title", "t", "", CAPTION, TABLE),
        *[
            ("Title", "t", "a", dataclasses.replace(CAPTION, **{field.name: ""}), TABLE)
            for field in dataclasses.fields(CAPTION)
        ],
        ("Title", "t", "a", CAPTION, Table(TABLE.frame.iloc[:0], ("value",))),
        ("Title", "t", "a", CAPTION, Table(TABLE.frame, ())),
    ],
)
def test_a_figure_that_lacks_anything_is_refused(
    title: str, takeaway: str, alt_text: str, caption: Caption, table: Table
) -> None:
    with pytest.raises(FigureError):
        check_figure(title, takeaway, alt_text, caption, table)


def test_the_first_title_that_is_short_enough_is_taken() -> None:
    assert title_of("a " * 11, "b c") == "b c"
    with pytest.raises(FigureError):
        title_of("a " * 11)


def test_coverage_that_is_lacking_beside_a_figure_is_hidden_and_not_unknown() -> None:
    assert wording.status_of("coverage", None, "ok") == "c"
    assert wording.status_of("coverage", None, "u") == "u"
    assert wording.status_of("coverage", 91.0, "ok") is None
    assert wording.status_of("value", None, "ok") == "x"


@pytest.mark.parametrize(("status", "words"), wording.STATUS_WORDS.items())
def test_a_status_stands_in_words_where_the_figure_would_be(status: str, words: str) -> None:
    frame = pd.DataFrame({"school_name": ["A"], "value": [12.0], "ci_low": [1.0], "ci_high": [2.0], "status": [status]})
    table = Table(
        frame, ("school_name", "value", "interval", "status"), "percent", intervals={"interval": ("ci_low", "ci_high")}
    )
    assert table.cells() == [["A", words, words, words]]


def test_a_missing_figure_of_a_row_without_status_is_not_blank_and_not_zero() -> None:
    frame = pd.DataFrame({"n": pd.array([None], dtype="Int64"), "value": [math.nan], "name": [""]})
    assert Table(frame, ("n", "value", "name")).cells() == [["not available (x)"] * 3]


def test_a_shown_figure_has_its_decimals_and_its_sign() -> None:
    frame = pd.DataFrame({"value": [93.14], "n": [1234], "ci_low": [92.96], "ci_high": [93.05], "status": ["ok"]})
    table = Table(frame, ("value", "n", "interval"), "percent", intervals={"interval": ("ci_low", "ci_high")})
    assert table.cells() == [["93.1%", "1,234", "93.0% to 93.0%"]] or table.cells() == [
        ["93.1%", "1,234", "93.0% to 93.1%"]
    ]
    assert wording.number(-0.004, 2) == "0.00"
    assert wording.number(-0.41, 1) == "−0.4"


def test_the_table_is_html_with_headings_and_nothing_in_it_is_markup() -> None:
    frame = pd.DataFrame({"file_name": ["<script>alert(1)</script>"], "n_rows": [3]})
    text = html_table(Table(frame, ("file_name", "n_rows")), "Files & rows")
    assert "<script" not in text
    assert text.count('scope="col"') == 2
    assert text.count('scope="row"') == 1
    assert "<caption>Files &amp; rows</caption>" in text


interval = st.tuples(st.floats(-10, 10), st.floats(0, 5)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(interval, interval)
def test_overlapping_intervals_are_always_similar_and_the_reading_turns_round(
    a: tuple[float, float], b: tuple[float, float]
) -> None:
    reading = readings.compare(*a, *b)
    assert (reading == "similar") == (a[0] <= b[1] and b[0] <= a[1])
    assert {"above": "below", "below": "above", "similar": "similar"}[reading] == readings.compare(*b, *a)


@given(interval)
def test_an_interval_that_holds_zero_says_cannot_tell(a: tuple[float, float]) -> None:
    assert (readings.against(*a, 0.0) == readings.CANNOT_TELL) == (a[0] <= 0 <= a[1])


@pytest.mark.parametrize("bad", [None, math.nan, pd.NA])
def test_without_an_interval_we_cannot_tell(bad: Any) -> None:
    assert readings.compare(1.0, 2.0, bad, 3.0) == readings.CANNOT_TELL
    assert readings.against(bad, 2.0, 0.0) == readings.CANNOT_TELL
    assert readings.interval_words(bad, 1.0, "percent") == "no interval"


def test_a_gap_is_told_with_both_ns_its_interval_and_its_effect_size() -> None:
    row = {"gap": 3.5, "ci_low": 3.0, "ci_high": 4.0, "n_group": 927, "n_comparator": 2382, "value_group": 90.0,
           "value_comparator": 93.5, "effect_size": 0.5, "status": "ok"}  # fmt: skip
    text = readings.gap_sentence(row, "Boys", "Girls", "Attendance rate", "percent")
    for part in (
        "90.0%",
        "93.5%",
        "n = 927",
        "n = 2,382",
        "3.0 to 4.0",
        "effect size 0.50",
        "Boys is lower",
        "percentage points",
    ):
        assert part in text
    assert "cannot tell" in readings.gap_sentence(row | {"ci_low": -1.0}, "Boys", "Girls", "Attendance rate", "percent")
    hidden = readings.gap_sentence(row | {"status": "c"}, "Boys", "Girls", "Attendance rate", "percent")
    assert "hidden to protect pupils (c)" in hidden
    assert not re.search(r"\d", hidden)


def test_progress_worked_out_by_hand_is_the_textbooks() -> None:
    # n = 73, raw mean 0.5, variances 0.0920 and 0.5659: 73 x 0.092 / (73 x 0.092 + 0.5659) = 6.716 / 7.2819
    sums = readings.progress_sums({"n": 73, "raw_mean": 0.5}, 0.0920, 0.5659, 1.96)
    assert sums["reliability"] == pytest.approx(6.716 / 7.2819)
    assert sums["shrunken"] == pytest.approx(0.5 * 6.716 / 7.2819)
    assert sums["half_width"] == pytest.approx(1.96 * math.sqrt(0.5659 / 73), abs=1e-5)


def test_a_chart_draws_only_what_may_be_shown() -> None:
    nothing = pd.DataFrame(
        {"name": ["A"], "value": [math.nan], "low": [math.nan], "high": [math.nan], "word": [""], "text": [""]}
    )
    assert interval_plot(nothing, axis_title="x", words={"": palette.FOCUS}) is None
    one = pd.concat([nothing, nothing.assign(name="B", value=1.0, low=0.5, high=1.5)])
    chart = interval_plot(one, axis_title="x", words={"": palette.FOCUS})
    assert chart is not None
    assert '"A"' not in chart.to_json()


def test_every_kind_of_chart_that_is_not_bar_or_line_has_a_reason() -> None:
    kinds = re.findall(r"^def (\w+_plot)\(", (DASHBOARD / "components" / "charts.py").read_text(), re.M)
    assert kinds
    assert set(kinds) == set(CHART_REASONS)


def _contrast(a: str, b: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_palette_is_the_analysis_functions_in_its_order_and_text_can_be_read() -> None:
    assert palette.CATEGORIES == ("#12436D", "#28A197", "#801650", "#F46A25")
    assert _contrast(palette.TEXT, "#FFFFFF") > 4.5
    assert _contrast(palette.REFERENCE, "#FFFFFF") > 4.5
    for first, second in zip(palette.CATEGORIES, palette.CATEGORIES[1:], strict=False):
        assert _contrast(first, second) > 2.5


SOURCES = sorted(path for path in DASHBOARD.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(DASHBOARD)))
def test_charts_and_tables_are_drawn_by_the_figure_alone_and_sql_is_never_built_from_text(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if path.name != "figure.py":
        assert not re.search(
            r"st\.(altair_chart|plotly_chart|dataframe|table|metric|line_chart|bar_chart|vega_lite_chart)\(", text
        )
    assert not re.search(r"f[\"']{1,3}\s*(SELECT|FROM|WITH|INSERT|CREATE|COPY)\b", text)
    assert ":material/" not in text, "icons of that kind are fetched from another site"
    assert (
        not re.search(r"\b(rank|ranking|league)\b", text.lower())
        or ("rank" in text and "not a rank" in text)
        or "not ranks" in text
    )
    assert not re.search(r"^\s*(import|from) (dagster|dbt|great_expectations)", text, re.M)


def test_the_name_of_a_school_in_a_title_is_no_markup_on_the_download(monkeypatch: pytest.MonkeyPatch) -> None:
    """A label reads Markdown too: a school named like a picture would be fetched from wherever it says."""
    labels: list[str] = []
    monkeypatch.setattr(streamlit, "download_button", lambda label, **_: labels.append(label))
    caption = Caption("Rate", "pupils", "here", "2025/26", "registers", "Whole.", "r1", "1")
    table = Table(pd.DataFrame({"n": [12], "status": ["ok"]}), ("n", "status"))
    figure(key="k", title="![x](http://evil.invalid/x.png)", takeaway="A.", alt_text="A.", caption=caption, table=table)
    assert labels == ["Download these figures as CSV\\: \\!\\[x\\]\\(http\\://evil.invalid/x.png\\)"]


def test_every_level_has_one_name_and_an_unknown_one_is_not_hidden() -> None:
    names = [wording.level_name(level) for level in ("school", "trust", "la", "model", "planet")]
    assert names == ["School", "Trust", "Local authority", "All schools", "planet"]
