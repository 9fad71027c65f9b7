"""Bridges: our figure taken to other people's, step by step; for readers of pupils' rows, who alone are given them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from dashboard import queries, readings, wording
from dashboard.components import palette
from dashboard.components.charts import steps_plot
from dashboard.components.figure import Table, figure, paragraph, title_of
from dashboard.components.filters import choose
from dashboard.context import Context

_TABLE = "marts.attendance_bridge"
_OURS, _UP, _DOWN, _SAME = "our figure", "a step up", "a step down", "no change"


def section(context: Context, year: str, definition: dict[str, Any]) -> None:
    """The waterfall of one measure and year; nothing at all where this reader has no bridges.

    Parameters: `definition`, of the measure.
    """
    if not context.release.has(_TABLE):
        return
    frame = context.ask(queries.bridges, _TABLE, year, definition["measure_id"])
    if frame.empty:
        return
    st.header("From our figure to theirs", anchor=False)
    paragraph(
        "The same records under other people's definitions, one change at a time. Two neighbouring steps differ by few "
        "pupils, so these figures are for you and go no further."
    )
    left, right = st.columns(2)
    units = context.units_of(frame)
    with left:
        bridge_id = choose("Whose figure", dict(zip(frame["bridge_id"], frame["bridge_name"], strict=True)), "bridge")
    with right:
        unit = choose("Of", units, "bridge_of")
    level, code = unit.split("|", 1)
    steps = frame[(frame["bridge_id"] == bridge_id) & (frame["level"] == level) & (frame["unit_code"] == code)]
    if steps.empty:
        paragraph(f"This release has no such bridge for {units[unit]}.")
        return
    _waterfall(context, steps.sort_values("step").reset_index(drop=True), units[unit], year, definition)


def _waterfall(context: Context, steps: pd.DataFrame, place: str, year: str, definition: dict[str, Any]) -> None:
    rows, unit, name = steps.to_dict("records"), str(definition["unit"]), str(definition["name"])
    ours, theirs = rows[0], rows[-1]
    whole = readings.shown(ours) and readings.shown(theirs)
    ends = f"from {_figure(ours, unit)} to {_figure(theirs, unit)}"
    whose = f"{theirs['bridge_name']} ({theirs['whose']})"
    left_empty = [str(row["step_name"]) for row in rows if row["status"] == "x"]
    if whole:
        takeaway = f"{whose}: {ends}. " + " ".join(
            f"{row['step_name']}: {_change(row)} {readings.unit_words(unit)}." for row in rows[1:]
        )
    elif left_empty:
        takeaway = f"{whose}: nothing is left to count from the step '{left_empty[0]}' on, so there is no figure."
    else:
        takeaway = f"{whose}: too little of the expected data came for figures to compare."
    caveat = "" if wording.missing(theirs["caveat"]) else f" {theirs['caveat']}"
    figure(
        key=f"bridge_{theirs['bridge_id']}_{definition['measure_id']}",
        title=title_of(f"{name}: {ends}", ends.capitalize()) if whole else "Theirs cannot be told from these records",
        takeaway=f"{takeaway}{caveat} Source: {theirs['source']}.{context.rests_on(ours)}",
        alt_text=f"{name} of {place} in {len(rows)} steps {ends}, each with a line from the step before; the table has "
        "the figures.",
        caption=context.caption(definition["measure_id"], place, f"{year}, year to date"),
        table=Table(
            steps.assign(change_words=[_change(row) for row in rows]),
            ("step_name", "sentence", "n_records", "record", "value", "change_words", "n_age_unknown", "status"),
            unit,
            {
                "step_name": "Step",
                "sentence": "What it changes",
                "n_records": "Counted (n)",
                "record": "What is counted",
                "change_words": f"Change ({readings.unit_words(unit)})",
                "n_age_unknown": "Of these, date of birth not known (n)",
            },
        ),
        chart=steps_plot(
            _drawn(rows, unit),
            axis_title=f"{name} ({'%' if unit == 'percent' else unit}); each line begins at the step before",
            words={
                _OURS: palette.REFERENCE,
                _UP: palette.CATEGORIES[0],
                _DOWN: palette.CATEGORIES[2],
                _SAME: palette.CATEGORIES[1],
            },
        ),
        level=3,
    )


def _figure(row: dict[Any, Any], unit: str) -> str:
    if not readings.shown(row):
        return wording.STATUS_WORDS[str(row["status"])]
    return readings.with_unit(float(row["value"]), unit)


def _change(row: dict[Any, Any]) -> str:
    """A change with its sign; in words where the step has none."""
    if row["step"] == 0:
        return wording.STATUS_WORDS["z"]
    if not readings.shown(row) or wording.missing(row["change"]):
        return wording.STATUS_WORDS[str(row["status"]) if row["status"] != "ok" else "x"]
    change = float(row["change"])
    return f"{'+' if change > 0 else ''}{wording.number(change, 2)}"


def _drawn(rows: list[dict[Any, Any]], unit: str) -> pd.DataFrame:
    """A point for each step that may be shown, with a line back to the value before it."""
    points = []
    for row in rows:
        value = float(row["value"]) if readings.shown(row) else float("nan")
        change = 0.0 if wording.missing(row["change"]) else float(row["change"])
        # What is written as 0.00 is drawn as no change.
        told = round(change, 2)
        word = _OURS if row["step"] == 0 else _UP if told > 0 else _DOWN if told < 0 else _SAME
        points.append(
            {
                "name": row["step_name"],
                "value": value,
                "low": min(value, value - change),
                "high": max(value, value - change),
                "word": word,
                "text": _figure(row, unit),
            }
        )
    return pd.DataFrame(points)
