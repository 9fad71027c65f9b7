"""Reasons of absence by register code, and lateness; for readers of pupils' rows, who alone are given them."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import queries, readings, wording
from dashboard.components import palette
from dashboard.components.charts import share_bars
from dashboard.components.figure import Table, figure, paragraph, title_of
from dashboard.components.filters import choose
from dashboard.context import Context

_TABLE = "marts.attendance_reason"
_MEASURE = "overall_absence_rate"
_KINDS = {
    "authorised": "Authorised absence",
    "unauthorised": "Unauthorised absence",
    "present": "Attended, late before the register closed",
}
_COLOURS = dict(zip(_KINDS.values(), palette.CATEGORIES, strict=False))


def section(context: Context, year: str, period: str) -> None:
    """The reasons of one year and period; nothing at all where this reader has none, or the period is a week."""
    if not context.release.has(_TABLE):
        return
    frame: pd.DataFrame = context.ask(queries.reasons, _TABLE, year, period)
    if frame.empty:
        return
    st.header("Reasons and lateness", anchor=False)
    units = context.units_of(frame)
    unit = choose("Reasons of", units, "reasons_of")
    level, code = unit.split("|", 1)
    rows = frame[(frame["level"] == level) & (frame["unit_code"] == code)].reset_index(drop=True)
    if rows.empty:
        paragraph(f"This release has no reasons for {units[unit]}.")
        return
    _by_code(context, rows, units[unit], year, period)
    of_groups = context.ask(queries.reasons_by_group, _TABLE, year, period, level, code)
    if not of_groups.empty:
        _by_group(context, of_groups, rows, units[unit], f"{wording.period_name(period)} {year}")


def _by_code(context: Context, rows: pd.DataFrame, place: str, year: str, period: str) -> None:
    absent = [row for row in rows.to_dict("records") if row["category"] != "present"]
    late = [row for row in rows.to_dict("records") if row["category"] == "present"]
    missed, possible = sum(int(row["sessions"]) for row in absent), int(rows["possible"].max())
    named = f"{wording.period_name(period)} {year}"
    if absent and readings.shown(absent[0]):
        first = absent[0]
        share = f"{100 * int(first['sessions']) / missed:.0f}% of absence"
        title = title_of(f"{first['meaning']} is {share}", f"Reasons: {share} has the first")
        takeaway = (
            f"{place}, {named.lower()}: of {possible:,} possible sessions {missed:,} were missed, "
            f"{int(first['sessions']):,} of them by {int(first['n']):,} pupils under code {first['code']} "
            f"({first['meaning'].lower()})."
        )
    else:
        title, takeaway = "Reasons cannot be compared", f"{place}, {named.lower()}: too little came to compare reasons."
    if late and readings.shown(late[0]):
        takeaway += (
            f" {int(late[0]['n']):,} pupils came late before the register closed, {int(late[0]['sessions']):,} times; "
            "these sessions were attended."
        )
    rows = rows.assign(kind=[_KINDS[str(category)] for category in rows["category"]])
    figure(
        key="reasons",
        title=title,
        takeaway=f"{takeaway} Sessions are counted as they were marked, by registers alone. The interval is of pupils "
        "like these: of most codes most pupils have no session, and a few have many.",
        alt_text=f"Sessions by register code as a percentage of possible sessions, {place}; the table has the figures.",
        caption=context.caption(_MEASURE, place, f"{year}, {wording.period_name(period).lower()}"),
        table=Table(
            rows,
            ("code", "meaning", "kind", "n", "sessions", "value", "interval", "coverage", "status"),
            # A code is seldom of one session in a hundred: two decimals, which shares of a hundred do not have.
            None,
            {
                "code": "Code",
                "meaning": "Meaning",
                "kind": "Counted as",
                "n": "Pupils (n)",
                "sessions": "Sessions",
                "value": "% of possible sessions",
                "coverage": "Coverage (%)",
            },
            {"interval": ("ci_low", "ci_high")},
        ),
        chart=share_bars(
            pd.DataFrame(
                {
                    "name": [f"{row['meaning']} ({row['code']})" for row in rows.to_dict("records")],
                    "value": [_drawn(row, "value", 0.0) for row in rows.to_dict("records")],
                    "low": [_drawn(row, "ci_low", math.nan) for row in rows.to_dict("records")],
                    "high": [_drawn(row, "ci_high", math.nan) for row in rows.to_dict("records")],
                    "word": rows["kind"],
                }
            ),
            axis_title="Sessions with the code, % of possible sessions, with 95% interval",
            words=_COLOURS,
        ),
        level=3,
    )


def _drawn(row: dict[Any, Any], column: str, otherwise: float) -> float:
    return float(row[column]) if readings.shown(row) else otherwise


def _by_group(context: Context, frame: pd.DataFrame, everybody: pd.DataFrame, place: str, named: str) -> None:
    """One code of every group of a dimension, both chosen by the reader.

    Parameters: `frame`, the groups' rows of a unit and period; `everybody`, the rows of all its pupils.
    """
    left, right = st.columns(2)
    with left:
        dimensions = {
            name: wording.dimension_name(context.registry, name) for name in frame["group_dimension"].unique()
        }
        dimension = choose("Reasons by", dimensions, "reasons_by")
    with right:
        codes = {str(row["code"]): f"{row['meaning']} ({row['code']})" for row in everybody.to_dict("records")}
        code = choose("Reason", codes, "reason")
    own = frame[frame["group_dimension"] == dimension]
    rows = own[own["code"] == code].reset_index(drop=True)
    if rows.empty:
        paragraph(f"No session under code {code} is told of any group of {place}.")
        return
    rows["group_name"] = [wording.group_name(context.registry, dimension, str(value)) for value in rows["group_value"]]
    shown = sorted(
        (row for row in rows.to_dict("records") if readings.shown(row)), key=lambda row: -float(row["value"])
    )
    meaning, kind = str(rows["meaning"].iat[0]), str(rows["category"].iat[0])
    without = [
        wording.group_name(context.registry, dimension, str(value))
        for value in own["group_value"].unique()
        if value not in set(rows["group_value"])
    ]
    title, takeaway = _compared(shown, meaning, dimensions[dimension], f"{place}, {named.lower()}")
    if without:
        takeaway += f" No session under this code: {', '.join(without)}."
    if str(rows["level"].iat[0]) != "school":
        takeaway += " Groups are not spread over schools alike, so part of a difference is the schools'."
    figure(
        key=f"reason_{dimension}_{code}",
        title=title,
        takeaway=f"{takeaway} The groups differ in more than this, and what a code says is what the school was told.",
        alt_text=f"{meaning}, percentage of possible sessions by {dimensions[dimension].lower()}, {place}, with 95% "
        "intervals; the table has the figures.",
        caption=context.caption(_MEASURE, place, named.lower()),
        table=Table(
            rows,
            ("group_name", "group_definition", "n", "sessions", "possible", "value", "interval", "coverage", "status"),
            None,
            {
                "group_name": "Group",
                "group_definition": "Definition",
                "n": "Pupils with the code (n)",
                "sessions": "Sessions",
                "possible": "Possible sessions of the group",
                "value": "% of possible sessions",
                "coverage": "Coverage (%)",
            },
            {"interval": ("ci_low", "ci_high")},
        ),
        chart=share_bars(
            pd.DataFrame(
                {
                    "name": rows["group_name"],
                    "value": [_drawn(row, "value", 0.0) for row in rows.to_dict("records")],
                    "low": [_drawn(row, "ci_low", math.nan) for row in rows.to_dict("records")],
                    "high": [_drawn(row, "ci_high", math.nan) for row in rows.to_dict("records")],
                    "word": _KINDS[kind],
                }
            ),
            axis_title=f"{meaning}, % of possible sessions, with 95% interval",
            words=_COLOURS,
        ),
        level=3,
    )


def _compared(shown: list[dict[Any, Any]], meaning: str, dimension: str, where: str) -> tuple[str, str]:
    """The title and the sentence of one code over the groups that are shown, the highest first.

    A title that named the highest group stood over intervals that overlap in nine figures of ten of single schools.
    """
    neutral = title_of(f"{meaning}, by {dimension.lower()}", f"By {dimension.lower()}")
    if not shown:
        return "Groups cannot be compared", f"{where}: too little came to compare groups."
    if len(shown) == 1:
        return neutral, f"{where}: all sessions of {meaning.lower()} that are told are of {shown[0]['group_name']}."
    most, least = shown[0], shown[-1]
    said = f"{where}, {meaning.lower()} in % of the possible sessions of each group: " + ", ".join(
        f"{row['group_name']} {float(row['value']):.2f}" for row in shown
    )
    words = readings.compare(most["ci_low"], most["ci_high"], least["ci_low"], least["ci_high"])
    if words != "above":
        return neutral, f"{said}. The intervals of the highest and the lowest overlap: the order may be chance."
    said += ". The intervals of the highest and the lowest do not overlap."
    if len(shown) > 2:
        return neutral, f"{said} Of so many groups the ends lie apart by chance too."
    return title_of(f"{meaning}: more among {str(most['group_name']).lower()}", neutral), said
