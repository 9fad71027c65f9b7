"""One measure with a pupil's status taken by other rules; for readers of pupils' rows, who alone are given them."""

from __future__ import annotations

import html
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import queries, readings
from dashboard.components import palette
from dashboard.components.charts import interval_plot, points
from dashboard.components.figure import Table, figure, paragraph, title_of
from dashboard.components.filters import choose
from dashboard.context import Context

_TABLE = "marts.attendance_by_status"


def section(context: Context, year: str, definition: dict[str, Any]) -> None:
    """The definitions of one status side by side, of the year to date; nothing where this reader has none.

    Parameters: `definition`, of the measure.
    """
    if not context.release.has(_TABLE):
        return
    every_series = {str(series["dimension"]): series for series in context.registry.data["status_series"]}
    rules = {str(rule["definition"]): rule for rule in context.registry.data["status_definitions"]}
    every: pd.DataFrame = context.ask(queries.by_status, _TABLE, year, str(definition["measure_id"]))
    found = {name: every[every["group_dimension"] == name] for name in every_series}
    found = {name: rows for name, rows in found.items() if not rows.empty}
    if not found:
        return
    st.header("Whose status, and when", anchor=False)
    paragraph(
        "The same pupils with their status taken by other rules, side by side. Two rules differ by few pupils, so "
        "these figures are for you and go no further."
    )
    left, right = st.columns(2)
    with left:
        names = {dimension: str(every_series[dimension]["name"]) for dimension in found}
        dimension = choose("Status", names, "status_series")
    frame = found[dimension]
    units = context.units_of(frame)
    with right:
        unit = choose("Status of pupils of", units, "status_of")
    level, code = unit.split("|", 1)
    rows = frame[(frame["level"] == level) & (frame["unit_code"] == code)]
    if rows.empty:
        paragraph(f"This release has no figures by this status for {units[unit]}.")
        return
    _side_by_side(context, rows, every_series[dimension], rules, units[unit], year, definition)


def _side_by_side(
    context: Context,
    frame: pd.DataFrame,
    series: dict[str, Any],
    rules: dict[str, dict[str, Any]],
    place: str,
    year: str,
    definition: dict[str, Any],
) -> None:
    groups = {str(entry["value"]): str(entry["name"]) for entry in series["values"]}
    when = frame["group_definition"].str.rsplit("@", n=1).str[-1]
    frame = frame.assign(
        group_name=frame["group_value"].map(groups),
        rule=[str(rules[name]["name"]) for name in when],
        # In the order of the registry: groups, and of each its definitions.
        place=[
            list(groups).index(value) * len(rules) + list(rules).index(name)
            for value, name in zip(frame["group_value"], when, strict=True)
        ],
    )
    frame = frame.sort_values("place", kind="stable").reset_index(drop=True)
    frame["name"] = [f"{row['group_name']}: {str(row['rule']).lower()}" for row in frame.to_dict("records")]
    unit, name = str(definition["unit"]), str(definition["name"])
    shown = [row for row in frame.to_dict("records") if readings.shown(row)]
    compared = [value for value in groups if sum(row["group_value"] == value for row in shown) > 1]
    if compared:
        group = groups[compared[0]]
        of_group = [row for row in shown if row["group_value"] == compared[0]]
        ends = [readings.with_unit(end(float(row["value"]) for row in of_group), unit) for end in (min, max)]
        said = f"{ends[0]} by every rule" if ends[0] == ends[1] else f"{ends[0]} to {ends[1]} by rule"
        title = title_of(f"{group}: {said}", said.capitalize(), "Figures by the rule of the status")
        takeaway = f"{place}: {name.lower()} of the group '{group}' is " + ", ".join(
            f"{readings.with_unit(float(row['value']), unit)} {str(row['rule']).lower()} (n = {int(row['n']):,})"
            for row in of_group
        )
        takeaway += ". Where no list of the year says otherwise than the first, all rules agree."
    else:
        title, takeaway = "Rules cannot be compared", f"{place}: too few pupils, or too little came, to compare rules."
    if "session" in series["definitions"] and "session" not in set(when):
        takeaway += " Nobody is persistently absent in part of a year, so there is no figure at each session."
    used = [rule for key, rule in rules.items() if key in set(when)]
    items = [f"<li><b>{html.escape(rule['name'])}</b>: {html.escape(rule['sentence'])}</li>" for rule in used]
    st.html(f"<ul>{''.join(items)}</ul>")
    figure(
        key=f"status_{series['dimension']}_{definition['measure_id']}",
        title=title,
        takeaway=f"{takeaway} The intervals are of nearly the same pupils: that they overlap does not say "
        "that the rules agree.",
        alt_text=f"{name} of {place} by {str(series['name']).lower()}, each group by {len(used)} rules, with 95% "
        "intervals; the table has the figures.",
        caption=context.caption(definition["measure_id"], place, f"{year}, year to date"),
        table=Table(
            frame,
            ("group_name", "rule", "group_definition", "n", "value", "interval", "coverage", "status"),
            unit,
            {
                "group_name": "Group",
                "rule": "Status taken",
                "group_definition": "Definition",
                "coverage": "Coverage (%)",
            },
            {"interval": ("ci_low", "ci_high")},
        ),
        chart=interval_plot(
            points(frame, "name", unit, "rule"),
            axis_title=f"{name} ({'%' if unit == 'percent' else unit}), with 95% interval",
            words={str(rule["name"]): colour for rule, colour in zip(rules.values(), palette.CATEGORIES, strict=False)},
        ),
        level=3,
    )
