"""The charts. Each is listed with the reason why it has its form; bars and lines need none."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import altair as alt
import pandas as pd

from dashboard import readings, wording
from dashboard.components import palette

CHART_REASONS = {
    "interval_plot": "A point with its 95% interval: users must see how sure a figure is before they compare two, "
    "and a bar from zero hides differences that are small beside the figure itself.",
    "steps_plot": "A point for every step with a line back to the step before: a waterfall, whose bars from zero would "
    "hide steps that are small beside the figure itself.",
}
# Names and titles are set in short lines: on a narrow screen one long line would leave no room for the plot.
_NAME_WIDTH, _TITLE_WIDTH = 20, 34
_ROW_HEIGHT, _LINE_HEIGHT, _AXIS_HEIGHT, _KEY_HEIGHT = 30, 12, 56, 24
_NAME_LINE, _NAME_LINES = 16, 8  # pixels from line to line of a name, and more lines than any has
_BAR_DAYS = 6  # of the seven, so that neighbouring weeks stand apart
_BARS_HEIGHT = 320


def points(
    frame: pd.DataFrame,
    name: str,
    unit: str,
    word: str | None,
    figures: tuple[str, str, str] = ("value", "ci_low", "ci_high"),
) -> pd.DataFrame:
    """Rows of a mart as an interval plot takes them; a figure that may not be shown is not drawn.

    Parameters: `name`, the column that names a row; `unit`, of the figure; `word`, the column of its word;
    `figures`, the columns of the figure and of its ends.
    """
    rows = []
    for row in frame.to_dict("records"):
        drawn = readings.shown(row, figures[0])
        value, low, high = (float(row[f]) if drawn and not wording.missing(row[f]) else float("nan") for f in figures)
        text = f"{readings.with_unit(value, unit)}, {readings.interval_words(low, high, unit)}" if drawn else ""
        rows.append(
            {
                "name": row[name],
                "value": value,
                "low": low,
                "high": high,
                "word": row[word] if word else "",
                "text": text,
            }
        )
    return pd.DataFrame(rows)


def interval_plot(
    data: pd.DataFrame,
    *,
    axis_title: str,
    words: dict[str, str],
    reference: float | None = None,
    reference_label: str = "",
) -> alt.Chart | alt.LayerChart | None:
    """Points with their intervals, one row each, in the order given; the words beside them carry what colour alone
    must not.

    Parameters: `data`, columns `name`, `value`, `low`, `high`, `word` (rows without a value are left to the table);
    `axis_title`, what the axis shows, with its unit; `words`, the words of `word` in the order of the colours;
    `reference`, a value to draw a line at, with its label.
    Returns: None where no row has a value.
    """
    shown = data[[not math.isnan(float(value)) for value in data["value"].astype("float64")]].copy()
    if shown.empty:
        return None
    for column in ("value", "low", "high"):
        shown[column] = shown[column].astype("float64")
    shown["name"] = [textwrap.fill(str(name), _NAME_WIDTH) for name in shown["name"]]
    order = list(shown["name"])
    title = textwrap.wrap(axis_title, _TITLE_WIDTH)
    present = [word for word in words if word in set(shown["word"])]
    shapes = dict(zip(words, ("circle", "square", "diamond", "triangle-up"), strict=False))
    domain = _domain(
        [*shown["low"].dropna(), *shown["high"].dropna(), *shown["value"], *([] if reference is None else [reference])]
    )
    x: dict[str, Any] = {
        "scale": alt.Scale(domain=domain, zero=False, nice=False),
        "title": title,
        "axis": alt.Axis(tickCount=6, labelOverlap=True),
    }
    y = alt.Y(
        "name:N",
        sort=order,
        title=None,
        axis=_names_axis(),
    )
    key_shown = present != [""]
    colour = alt.Color(
        "word:N",
        title=None,
        scale=alt.Scale(domain=present, range=[words[word] for word in present]),
        legend=alt.Legend(columns=1, labelLimit=600) if key_shown else None,
    )
    shape = alt.Shape("word:N", title=None, scale=alt.Scale(domain=present, range=[shapes[word] for word in present]))
    base = alt.Chart(shown)
    layers: list[alt.Chart] = []
    if reference is not None:
        line = pd.DataFrame({"at": [reference], "label": [reference_label]})
        layers.append(
            alt.Chart(line)
            .mark_rule(color=palette.REFERENCE, strokeDash=[6, 4], strokeWidth=2)
            .encode(x=alt.X("at:Q", **x))
        )
    layers.append(base.mark_rule(strokeWidth=3).encode(x=alt.X("low:Q", **x), x2="high:Q", y=y, color=colour))
    layers.append(
        base.mark_point(filled=True, size=110, opacity=1).encode(
            x=alt.X("value:Q", **x),
            y=y,
            color=colour,
            shape=shape,
            tooltip=[
                alt.Tooltip("name:N", title="Name"),
                alt.Tooltip("text:N", title="Figure"),
                alt.Tooltip("word:N", title="Reading"),
            ],
        )
    )
    # The page fits axis and key into the height, so they are counted here.
    lines = max(name.count("\n") for name in order)
    rows = (_ROW_HEIGHT + _LINE_HEIGHT * lines) * len(order)
    height = rows + _AXIS_HEIGHT + _LINE_HEIGHT * len(title) + (_KEY_HEIGHT * len(present) if key_shown else 0)
    styled: alt.LayerChart = alt.layer(*layers).properties(height=height).configure(**palette.chart_style())
    return styled


def _names_axis() -> alt.Axis:
    """The names of rows, each in the middle of its row: left alone, the first of its lines stands there."""
    lines = "length(split(datum.label, '\\n'))"
    raised = [
        {"test": f"{lines} == {count}", "value": -_NAME_LINE * (count - 1) / 2} for count in range(2, _NAME_LINES)
    ]
    return alt.Axis(
        labelLimit=230,
        labelExpr="split(datum.label, '\\n')",
        labelOffset={"condition": raised, "value": 0},
        labelLineHeight=_NAME_LINE,
        ticks=False,
        domain=False,
        grid=True,
    )


def steps_plot(data: pd.DataFrame, *, axis_title: str, words: dict[str, str]) -> alt.Chart | alt.LayerChart | None:
    """The steps of a waterfall, one row each, in their order.

    Parameters: `data`, columns `name`, `value`, `low` and `high` (the values before and after the step, by size),
    `word` and `text`; `axis_title`; `words`, the words of `word` in the order of the colours.
    Returns: None where no row has a value.
    """
    return interval_plot(data, axis_title=axis_title, words=words)


def share_bars(data: pd.DataFrame, *, axis_title: str, words: dict[str, str]) -> alt.LayerChart:
    """A bar from zero for each row, in the order given; colour says what the table says in words.

    Parameters: `data`, columns `name`, `value`, `low` and `high` (the ends of its interval, drawn across the bar) and
    `word`; `axis_title`, with its unit; `words`, those of `word` with their fills.
    """
    shown = data.assign(name=[textwrap.fill(str(name), 2 * _NAME_WIDTH) for name in data["name"]])
    present = [word for word in words if word in set(shown["word"])]
    title = textwrap.wrap(axis_title, _TITLE_WIDTH)
    bars = (
        alt.Chart(shown)
        .mark_bar()
        .encode(
            x=alt.X("value:Q", title=title, axis=alt.Axis(tickCount=6, labelOverlap=True)),
            y=alt.Y(
                "name:N",
                sort=list(shown["name"]),
                title=None,
                axis=alt.Axis(labelLimit=300, labelExpr="split(datum.label, '\\n')", ticks=False, domain=False),
            ),
            color=alt.Color(
                "word:N",
                title=None,
                scale=alt.Scale(domain=present, range=[words[word] for word in present]),
                legend=alt.Legend(columns=1, labelLimit=600),
            ),
            tooltip=[
                alt.Tooltip("name:N", title="Reason"),
                alt.Tooltip("value:Q", title="%", format=".2f"),
                alt.Tooltip("word:N", title="Counted as"),
            ],
        )
    )
    # Light under dark: the end of a dark bar would hide the part of the line that lies on it.
    ends = [
        alt.Chart(shown[shown["low"].notna()])
        .mark_rule(color=colour, strokeWidth=width)
        .encode(x=alt.X("low:Q", title=title), x2="high:Q", y=alt.Y("name:N", sort=list(shown["name"]), title=None))
        for colour, width in ((palette.BACKGROUND, 6), (palette.TEXT, 2))
    ]
    row = _ROW_HEIGHT + _LINE_HEIGHT * max((name.count("\n") for name in shown["name"]), default=0)
    height = row * len(shown) + _AXIS_HEIGHT + _LINE_HEIGHT * len(title) + _KEY_HEIGHT * len(present)
    styled: alt.LayerChart = alt.layer(bars, *ends).properties(height=height).configure(**palette.chart_style())
    return styled


def weekly_bars(data: pd.DataFrame, *, axis_title: str, words: dict[str, str]) -> alt.LayerChart:
    """Counts by week: a bar from zero for each, its parts upon each other, told apart by filled and empty too.

    Parameters: `data`, one row a week: `week_from` (a Monday) and a column of counts for each of the words;
    `axis_title`; `words`, the parts from the bottom up, each with its fill.
    """
    parts = []
    for row in data.to_dict("records"):
        top = 0
        for word in words:
            count = int(row[word])
            if count:
                parts.append({"from": row["week_from"], "word": word, "count": count, "low": top, "high": top + count})
            top += count
    shown = pd.DataFrame(parts, columns=["from", "word", "count", "low", "high"])
    shown["from"] = pd.to_datetime(shown["from"])
    shown["to"] = shown["from"] + pd.Timedelta(days=_BAR_DAYS)
    fill = alt.Color(
        "word:N",
        title=None,
        sort=list(words),
        scale=alt.Scale(domain=list(words), range=list(words.values())),
        legend=alt.Legend(
            columns=1, labelLimit=600, symbolType="square", symbolStrokeColor=palette.FOCUS, symbolStrokeWidth=1.5
        ),
    )
    bars = (
        alt.Chart(shown)
        .mark_bar(stroke=palette.FOCUS, strokeWidth=1.5)
        .encode(
            x=alt.X(
                "from:T", title="Week", axis=alt.Axis(format="%-d %b %Y", tickCount=4, labelAngle=0, labelOverlap=True)
            ),
            x2="to:T",
            y=alt.Y("low:Q", title=axis_title, axis=alt.Axis(tickMinStep=1, format="d")),
            y2="high:Q",
            color=fill,
            tooltip=[
                alt.Tooltip("from:T", title="Week from", format="%-d %B %Y"),
                alt.Tooltip("word:N", title="Places"),
                alt.Tooltip("count:Q", title="n"),
            ],
        )
    )
    styled: alt.LayerChart = alt.layer(bars).properties(height=_BARS_HEIGHT).configure(**palette.chart_style())
    return styled


def daily_rates(data: pd.DataFrame, *, axis_title: str) -> alt.LayerChart:
    """A line of rates over days, each day with its 95% interval.

    Parameters: `data`, columns `day` (a date), `value`, `ci_low` and `ci_high`; `axis_title`, with its unit.
    """
    columns = {"day": pd.to_datetime(data["day"]), **{name: data[name] for name in ("value", "ci_low", "ci_high")}}
    shown = pd.DataFrame(columns)
    domain = _domain([*shown["ci_low"], *shown["ci_high"]])
    y: dict[str, Any] = {
        "title": textwrap.wrap(axis_title, _TITLE_WIDTH),
        "scale": alt.Scale(domain=domain, zero=False, nice=False),
    }
    base = alt.Chart(shown).encode(
        x=alt.X("day:T", title="Day", axis=alt.Axis(format="%-d %b %Y", tickCount=4, labelAngle=0, labelOverlap=True))
    )
    ends = base.mark_rule(color=palette.REFERENCE, strokeWidth=2).encode(y=alt.Y("ci_low:Q", **y), y2="ci_high:Q")
    line = base.mark_line(color=palette.FOCUS, point=alt.OverlayMarkDef(color=palette.FOCUS, filled=True)).encode(
        y=alt.Y("value:Q", **y),
        tooltip=[
            alt.Tooltip("day:T", title="Day", format="%A %-d %B %Y"),
            *(
                alt.Tooltip(f"{name}:Q", title=title, format=".1f")
                for name, title in (("value", "%"), ("ci_low", "from"), ("ci_high", "to"))
            ),
        ],
    )
    styled: alt.LayerChart = alt.layer(ends, line).properties(height=_BARS_HEIGHT).configure(**palette.chart_style())
    return styled


def _domain(values: list[float]) -> list[float]:
    low, high = min(values), max(values)
    margin = (high - low) * 0.06 or 1.0
    return [low - margin, high + margin]
