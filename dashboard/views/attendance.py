"""Attendance and absence: the trust, its schools, its groups of pupils."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import queries, readings, wording
from dashboard.components import palette
from dashboard.components.charts import interval_plot, points
from dashboard.components.figure import Table, figure, paragraph, title_of
from dashboard.components.filters import choose
from dashboard.components.schools import with_schools
from dashboard.context import Context
from dashboard.views import bridges, comparators, reasons, statuses, windows

_LEVELS = ("trust", "la")


def render(context: Context) -> None:
    st.title("Attendance", anchor=False)
    paragraph(
        "Who is in school, who is missing it, and how sure the figures are. For leaders and governors. "
        "A rate counts stays and n counts pupils: who moved from one school here to another is one pupil with two "
        "stays, so the schools' n may add up to more than the whole."
    )
    years = context.ask(queries.academic_years)
    measures = {
        year: context.topic("attendance", context.ask(queries.measure_ids, "measure_value", year)) for year in years
    }
    years = [year for year in years if measures[year]]
    if not years:
        st.info(
            "There is no attendance data in this release. No register was delivered, so nothing can be said about "
            "attendance."
        )
        return
    left, middle, right = st.columns(3)
    with left:
        year = choose("Academic year", {year: year for year in years}, "year")
    with middle:
        measure_id = choose("Measure", {m: str(context.definition(m)["name"]) for m in measures[year]}, "attendance")
    periods = context.ask(queries.periods, "measure_value", year, measure_id)
    with right:
        ordered = sorted(periods, key=wording.period_order)
        period = choose("Period", {p: wording.period_name(p) for p in ordered}, "period")
    definition = context.definition(measure_id)
    whole = _whole(context, year, measure_id, period)
    _by_school(context, year, period, definition, whole)
    _by_group(context, year, period, definition, whole)
    comparators.section(context, year, period, definition)
    reasons.section(context, year, period)
    statuses.section(context, year, definition)
    windows.section(context, year)
    bridges.section(context, year, definition)


def _whole(context: Context, year: str, measure_id: str, period: str) -> dict[str, Any] | None:
    """The row of the trust, else of the local authority; None where the release has neither."""
    for level in _LEVELS:
        frame = context.ask(queries.values, year, measure_id, level, "all", period)
        if len(frame) == 1:
            return {str(key): value for key, value in frame.iloc[0].to_dict().items()}
    return None


def _name_of(context: Context, whole: dict[str, Any] | None) -> str:
    """The place that all schools together are."""
    return context.places.name(str(whole["level"]), str(whole["unit_code"])) if whole else "All schools"


def _by_school(
    context: Context, year: str, period: str, definition: dict[str, Any], whole: dict[str, Any] | None
) -> None:
    frame = context.ask(queries.values, year, definition["measure_id"], "school", "all", period)
    frame = with_schools(context, frame, "unit_code")
    if frame.empty:
        paragraph("This release has no figures by school for this measure.")
        return
    unit, name = str(definition["unit"]), str(definition["name"])
    reference = None if whole is None or not readings.shown(whole) else whole
    frame["reading"] = [
        readings.CANNOT_TELL
        if reference is None or not readings.shown(row)
        else readings.compare(row["ci_low"], row["ci_high"], reference["ci_low"], reference["ci_high"])
        for row in frame.to_dict("records")
    ]
    counts = frame["reading"].value_counts().to_dict()
    parts = [f"{counts[word]} {word}" for word in ("above", "below", "similar") if counts.get(word)]
    title = title_of(
        f"{name}: {', '.join(parts)}" if parts else "",
        f"Schools: {', '.join(parts)}" if parts else "",
        "Schools cannot yet be compared",
    )
    place = _name_of(context, whole)
    takeaway = (
        f"{place}: {readings.with_unit(reference['value'], unit)} "
        f"({readings.interval_words(reference['ci_low'], reference['ci_high'], unit)}; n = {reference['n']:,} pupils). "
        if reference
        else "There is no figure of all schools to compare with. "
    ) + "Similar means that a school's interval overlaps that of all schools, not that the two are equal."
    takeaway += context.rests_on(whole)
    words = {
        "above": palette.CATEGORIES[0],
        "similar": palette.CATEGORIES[1],
        "below": palette.CATEGORIES[2],
        readings.CANNOT_TELL: palette.REFERENCE,
    }
    chart = interval_plot(
        points(frame, "school_name", unit, "reading"),
        axis_title=f"{name} ({unit_axis(unit)}), with 95% interval",
        words=words,
        reference=None if reference is None else float(reference["value"]),
        reference_label="All schools",
    )
    figure(
        key=f"schools_{definition['measure_id']}",
        title=title,
        takeaway=takeaway,
        alt_text=f"{name} of {len(frame)} schools with 95% intervals, {', '.join(parts) or 'none comparable'}; the "
        "table has the figures.",
        caption=context.caption(definition["measure_id"], place, f"{year}, {wording.period_name(period).lower()}"),
        table=Table(
            frame,
            ("school_name", "phase", "n", "value", "interval", "reading", "coverage", "status"),
            unit,
            {"reading": "Against all schools", "coverage": "Coverage (%)"},
            {"interval": ("ci_low", "ci_high")},
        ),
        chart=chart,
    )


def _by_group(
    context: Context, year: str, period: str, definition: dict[str, Any], whole: dict[str, Any] | None
) -> None:
    dimensions = [group for group in context.registry.data["groups"] if group["dimension"] != "all"]
    st.header("Groups of pupils", anchor=False)
    left, right = st.columns(2)
    with left:
        dimension = choose("Groups", {g["dimension"]: g["name"] for g in dimensions}, "groups")
    places = {"all": _name_of(context, whole)} | dict(
        zip(context.schools["urn"], context.schools["school_name"], strict=True)
    )
    with right:
        place = choose("Place", places, "school")
    if place == "all":
        level = "trust" if whole is None else str(whole["level"])
        frame = context.ask(queries.values, year, definition["measure_id"], level, dimension, period)
    else:
        frame = context.ask(queries.values, year, definition["measure_id"], "school", dimension, period)
        frame = with_schools(context, frame, "unit_code")
        frame = frame[frame["urn"] == place]
    if frame.empty:
        paragraph(f"This release has no figures by {dimension_words(context, dimension)} for {places[place]}.")
        return
    frame = frame.copy()
    frame["group_name"] = [wording.group_name(context.registry, dimension, value) for value in frame["group_value"]]
    unit, name = str(definition["unit"]), str(definition["name"])
    rows = [row for row in frame.to_dict("records") if readings.shown(row)]
    if len(rows) > 1:
        lowest, highest = min(row["value"] for row in rows), max(row["value"] for row in rows)
        spread = f"from {readings.with_unit(lowest, unit)} to {readings.with_unit(highest, unit)}"
        title = title_of(f"{name} by group: {spread}", f"By group: {spread}", "Figures by group of pupils")
    else:
        title = "Groups: too few figures to compare"
    figure(
        key=f"groups_{definition['measure_id']}_{dimension}",
        title=title,
        takeaway=f"{places[place]}, {dimension_words(context, dimension)}. Where intervals overlap, this "
        "table cannot tell groups apart; the page of gaps has the interval of the difference itself. "
        "Each figure is of the pupils counted beside it." + (context.rests_on(whole) if place == "all" else ""),
        alt_text=f"{name} by {dimension_words(context, dimension)} with 95% intervals; the table has the figures.",
        caption=context.caption(
            definition["measure_id"], places[place], f"{year}, {wording.period_name(period).lower()}"
        ),
        table=Table(
            frame,
            ("group_name", "n", "value", "interval", "coverage", "status"),
            unit,
            {"coverage": "Coverage (%)"},
            {"interval": ("ci_low", "ci_high")},
        ),
        chart=interval_plot(
            points(frame, "group_name", unit, None),
            axis_title=f"{name} ({unit_axis(unit)}), with 95% interval",
            words={"": palette.FOCUS},
        ),
        level=3,
    )


def dimension_words(context: Context, dimension: str) -> str:
    name = wording.dimension_name(context.registry, dimension)
    return name[0].lower() + name[1:]


def unit_axis(unit: str) -> str:
    return "%" if unit == "percent" else unit
