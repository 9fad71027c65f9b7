"""Gaps between groups of pupils: always with both n's, the interval and the effect size."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from dashboard import queries, readings, wording
from dashboard.components import palette
from dashboard.components.charts import interval_plot, points
from dashboard.components.figure import Table, figure, paragraph, title_of
from dashboard.components.filters import choose
from dashboard.components.schools import with_schools
from dashboard.context import Context

_COLUMNS = (
    *("n_group", "n_comparator", "value_group", "value_comparator", "gap", "interval", "effect_size"),
    "coverage",
)


def render(context: Context) -> None:
    st.title("Gaps", anchor=False)
    paragraph(
        "How groups of pupils fare beside others in the same schools. A gap is the comparator's value less "
        "the group's. "
        "A gap describes groups; it says nothing of one pupil, and nothing of its cause. The effect size is the gap in "
        "standard deviations of pupils (of a share Cohen's h), by which gaps of different measures can be compared."
    )
    years = context.ask(queries.academic_years)
    measures = {year: context.ask(queries.measure_ids, "gap", year) for year in years}
    years = [year for year in years if measures[year]]
    if not years:
        st.info("There are no gaps in this release: no measure has two groups to compare.")
        return
    left, middle, right = st.columns(3)
    with left:
        year = choose("Academic year", {year: year for year in years}, "year")
    with middle:
        order = [
            m
            for topic in ("attendance", "attainment", "progress", "other")
            for m in context.topic(topic, measures[year])
        ]
        measure_id = choose("Measure", {m: str(context.definition(m)["name"]) for m in order}, "gap_of")
    groups = [group for group in context.registry.data["groups"] if "gap" in group]
    with right:
        dimension = choose("Groups", {group["dimension"]: group["name"] for group in groups}, "between")
    pair = next(group["gap"] for group in groups if group["dimension"] == dimension)
    frames = {
        level: context.ask(queries.gaps, year, measure_id, dimension, level) for level in ("trust", "la", "school")
    }
    periods = list(dict.fromkeys(period for frame in frames.values() for period in frame["period"]))
    if not periods:
        paragraph("This release has no gap between these groups for this measure.")
        return
    period = choose("Period", {p: wording.period_name(p) for p in sorted(periods, key=wording.period_order)}, "period")
    frame = _rows(context, {level: rows[rows["period"] == period] for level, rows in frames.items()})
    _show(context, frame, year, period, measure_id, dimension, pair)


def _rows(context: Context, frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The trust first, then each local authority by its name, then each school by phase and name."""
    parts, places = [], context.places
    for level in ("trust", "la"):
        frame = frames[level]
        if len(frame):
            named = [places.name(level, str(code)) for code in frame["unit_code"]]
            parts.append(frame.assign(school_name=named).sort_values("school_name"))
    if len(frames["school"]):
        parts.append(with_schools(context, frames["school"], "unit_code"))
    return pd.concat(parts, ignore_index=True)


def _show(
    context: Context, frame: pd.DataFrame, year: str, period: str, measure_id: str, dimension: str, pair: dict[str, str]
) -> None:
    definition = context.definition(measure_id)
    unit, name = str(definition["unit"]), str(definition["name"])
    group = wording.group_name(context.registry, dimension, pair["group"])
    comparator = wording.group_name(context.registry, dimension, pair["comparator"])
    frame = frame.assign(reading=[readings.gap_reading(row) for row in frame.to_dict("records")])
    whole: list[dict[Any, Any]] = [row for row in frame.to_dict("records") if row["level"] != "school"]
    # One headline is told only where one row stands for everyone: a trust, or a single local authority.
    headline = [row for row in whole if row["level"] == "trust"] or whole
    whole = headline if len(headline) == 1 else []
    if whole and readings.shown(whole[0], "gap"):
        size = f"{wording.number(float(whole[0]['gap']), 1 if unit == 'percent' else 2)} {readings.unit_words(unit)}"
        kind = "no clear gap" if readings.gap_reading(whole[0]) == readings.CANNOT_TELL else f"gap of {size}"
        title = title_of(
            f"{name}: {dimension_word(context, dimension)}, {kind}",
            f"{dimension_word(context, dimension).capitalize()}: {kind}",
            f"A {kind}",
        )
        takeaway = f"{whole[0]['school_name']}: {readings.gap_sentence(whole[0], group, comparator, name, unit)}"
    else:
        title = "The gap of all schools is not shown"
        takeaway = (
            f"{whole[0]['school_name'] if whole else 'All schools'}: "
            f"{readings.gap_sentence(whole[0] if whole else {'status': 'x'}, group, comparator, name, unit)}"
        )
    takeaway += context.rests_on(whole[0] if whole else None)
    words = {
        "above zero": palette.CATEGORIES[0],
        "cannot tell": palette.CATEGORIES[1],
        "below zero": palette.CATEGORIES[2],
    }
    unit_words = readings.unit_words(unit)
    figure(
        key=f"gap_{measure_id}_{dimension}",
        title=title,
        takeaway=takeaway,
        alt_text=f"Gaps in {name} between {comparator} and {group}, with 95% intervals around 0; the table has the "
        "figures.",
        caption=context.caption(
            measure_id, "every place in the table", f"{year}, {wording.period_name(period).lower()}"
        ),
        table=Table(
            frame,
            ("school_name", *_COLUMNS, "reading", "status"),
            unit,
            {
                "school_name": "Place",
                "n_group": "n, group",
                "n_comparator": "n, comparator",
                "value_group": group,
                "value_comparator": comparator,
                "interval": "95% interval",
                "gap": f"Gap ({unit_words})",
                "effect_size": "Effect size",
                "coverage": "Coverage (%)",
                "reading": "Reading",
            },
            {"interval": ("ci_low", "ci_high")},
            True,
        ),
        chart=interval_plot(
            points(frame, "school_name", unit, "reading", ("gap", "ci_low", "ci_high")),
            axis_title=f"Gap ({unit_words}): {comparator} less {group}",
            words=words,
            reference=0.0,
        ),
    )


def dimension_word(context: Context, dimension: str) -> str:
    return wording.dimension_name(context.registry, dimension).lower()
