"""Beside our figure of a local authority: what DfE published of it, of its region, of England and of its neighbours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import queries, readings, wording
from dashboard.components.figure import Table, figure
from dashboard.context import Context

_ORDER = ("la", "neighbours", "region", "national")
_SENTENCES_OF = 3
"""Authorities of which the takeaway speaks one by one; the table has them all."""


def section(context: Context, year: str, period: str, definition: dict[str, Any]) -> None:
    """The table of one measure, year and period; nothing where DfE published nothing that matches.

    Parameters: `definition`, of the measure.
    """
    measure_id, unit = str(definition["measure_id"]), str(definition["unit"])
    published: pd.DataFrame = context.ask(queries.la_comparators, year, measure_id, period)
    if published.empty:
        return
    names = dict(zip(context.schools["la_code"], context.schools["la_name"], strict=True))
    ours = context.ask(queries.values, year, measure_id, "la", "all", period)
    own = {str(row["unit_code"]): row for row in ours.to_dict("records")}
    rows, sentences = [], []
    for la_code, of_la in published.groupby("la_code"):
        place = str(names.get(la_code, la_code))
        found = {str(row["comparator"]): row for row in of_la.to_dict("records")}
        mine = own.get(str(la_code), {"value": None, "status": "x"})
        rows.append(
            {"place": place, "comparator_name": "Our schools there", "of": wording.STATUS_WORDS["z"], **_part(mine)}
        )
        rows += [
            {
                "place": place,
                "comparator_name": found[kind]["comparator_name"],
                "of": f"{found[kind]['places_with_figure']} of {found[kind]['places']}",
                **_part(found[kind]),
            }
            for kind in _ORDER
            if kind in found
        ]
        sentences.append(f"{place}: {readings.beside_published(mine, found, unit)}")
    day = wording.day(max(published["publication_date"]))
    edition = next((str(text) for text in published["edition"] if not wording.missing(text)), None)
    listed = f" Statistical neighbours are those of DfE's list of {edition}, each counting the same." if edition else ""
    st.header("Beside what DfE published", anchor=False)
    figure(
        key=f"published_{measure_id}",
        title="What DfE published of the same year and phase",
        takeaway=" ".join(sentences[:_SENTENCES_OF] if len(sentences) <= _SENTENCES_OF else [])
        + f" DfE's figures were published on {day} and are of its whole year; ours end on {context.as_of}. DfE counts "
        "pupils aged 5 to 15 in every state-funded school of the phase or of all phases, we count all on roll in ours: "
        f"where ages and phases are mixed differently, the figures differ by that as well.{listed}",
        alt_text="A table of our figure of each local authority and of what DfE published beside it.",
        caption=replace(
            context.caption(
                measure_id, "local authorities with schools here", f"{year}, {wording.period_name(period)}"
            ),
            source="the schools' own records; Department for Education, Pupil attendance in schools, and Local "
            "Authority Interactive Tool (Open Government Licence v3.0)",
        ),
        table=Table(
            pd.DataFrame(rows),
            ("place", "comparator_name", "value", "of", "status"),
            unit,
            {"place": "Local authority", "comparator_name": "Figure of", "of": "Places with a figure"},
        ),
        level=3,
    )


def _part(row: dict[Any, Any]) -> dict[str, Any]:
    return {"value": row["value"], "status": row["status"]}
