"""Beside our figures what DfE published: of the schools of a phase, of an authority and of its neighbours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import queries, readings, wording
from dashboard.components.figure import Caption, Table, figure
from dashboard.components.schools import with_schools
from dashboard.context import Context

_ORDER = ("la", "neighbours", "region", "national")
_NOT_COMPARED = "not compared"
_SENTENCES_OF = 3
"""Authorities of which the takeaway speaks one by one; the table has them all."""


def section(context: Context, year: str, period: str, definition: dict[str, Any]) -> None:
    """The tables of one measure, year and period; nothing where DfE published nothing that matches.

    Parameters: `definition`, of the measure.
    """
    published: pd.DataFrame = context.ask(queries.published_comparators, year, str(definition["measure_id"]), period)
    if published.empty:
        return
    st.header("Beside what DfE published", anchor=False)
    by_level = dict(tuple(published.groupby("level")))
    if "school" in by_level:
        _of_schools(context, year, period, definition, by_level["school"])
    if "la" in by_level:
        _of_authorities(context, year, period, definition, by_level["la"])


def _of_schools(context: Context, year: str, period: str, definition: dict[str, Any], published: pd.DataFrame) -> None:
    """Each school beside the schools of its phase in England and in its region."""
    measure_id, unit, name = (str(definition[part]) for part in ("measure_id", "unit", "name"))
    frame = context.ask(queries.values, year, measure_id, "school", "all", period)
    if frame.empty:
        return
    for kind in ("national", "region"):
        found = published[published["comparator"].eq(kind)].set_index("unit_code")["value"]
        frame[f"{kind}_value"] = frame["unit_code"].map(found).astype(float)
    frame["against_national"] = [
        _NOT_COMPARED
        if not readings.shown(row) or wording.missing(row["national_value"])
        else readings.against(row["ci_low"], row["ci_high"], row["national_value"])
        for row in frame.to_dict("records")
    ]
    frame = with_schools(context, frame, "unit_code")
    counts = frame["against_national"].value_counts().to_dict()
    parts = [f"{counts[word]} {word}" for word in ("above", "below", readings.CANNOT_TELL) if counts.get(word)]
    figure(
        key=f"published_schools_{measure_id}",
        title=f"Beside England: {', '.join(parts)}" if parts else "No school can be set beside England's",
        takeaway="Above or below means that the school's interval does not hold England's figure of the schools of its "
        "phase, not why; about one school in 20 does not by chance alone. "
        f"Not compared: {counts.get(_NOT_COMPARED, 0)} of {len(frame)} schools, with no figure shown or whose phase we "
        "have not matched to one of DfE's, as of special, all-through and nursery schools. A school that "
        "opened, closed or sent part of its registers is judged by that part, and who has been persistently absent so "
        f"far is not who will have been at the end. {_unlike(context, year, published)}",
        alt_text=f"A table of {name.lower()} of {len(frame)} schools and of what DfE published of the schools of their "
        "phase in England and their region.",
        caption=_caption(context, measure_id, "schools", year, period),
        table=Table(
            frame,
            (
                *("school_name", "phase", "n", "value", "interval"),
                *("national_value", "region_value", "against_national", "coverage", "status"),
            ),
            unit,
            {
                "national_value": "England, same phase",
                "region_value": "Region, same phase",
                "against_national": "Against England",
                "coverage": "Coverage (%)",
            },
            {"interval": ("ci_low", "ci_high")},
            not_applicable=frozenset({"national_value", "region_value"}),
        ),
        level=3,
    )


def _of_authorities(
    context: Context, year: str, period: str, definition: dict[str, Any], published: pd.DataFrame
) -> None:
    """Our schools of each authority beside all of its schools, its region, England and its neighbours."""
    measure_id, unit = str(definition["measure_id"]), str(definition["unit"])
    names = dict(zip(context.schools["la_code"], context.schools["la_name"], strict=True))
    ours = context.ask(queries.values, year, measure_id, "la", "all", period)
    own = {str(row["unit_code"]): row for row in ours.to_dict("records")}
    rows, sentences = [], []
    for la_code, of_la in published.groupby("unit_code"):
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
    edition = next((str(text) for text in published["edition"] if not wording.missing(text)), None)
    listed = f" Statistical neighbours are those of DfE's list of {edition}, each counting the same." if edition else ""
    figure(
        key=f"published_{measure_id}",
        title="What DfE published of the same year",
        takeaway=" ".join(sentences[:_SENTENCES_OF] if len(sentences) <= _SENTENCES_OF else [])
        + f" {_unlike(context, year, published)}{listed}",
        alt_text="A table of our figure of each local authority and of what DfE published beside it.",
        caption=_caption(context, measure_id, "local authorities with schools here", year, period),
        table=Table(
            # DfE's rows have no n: a column with one would come back as floats.
            pd.DataFrame(rows).astype({"n": "Int64"}),
            ("place", "comparator_name", "n", "value", "interval", "of", "status"),
            unit,
            {"place": "Local authority", "comparator_name": "Figure of", "of": "Places with a figure"},
            {"interval": ("ci_low", "ci_high")},
            # DfE counts everybody there is, and publishes no interval.
            not_applicable=frozenset({"n", "ci_low", "ci_high"}),
        ),
        level=3,
    )


def _unlike(context: Context, year: str, published: pd.DataFrame) -> str:
    """In what DfE's figures of an academic year are unlike ours."""
    day = wording.day(max(published["publication_date"]))
    return (
        f"DfE's figures were published on {day} and are of its year to date by then; ours are of {year}, by what had "
        f"come on {context.as_of}. DfE counts "
        "pupils aged 5 to 15 in every state-funded school of the phase or of all phases, we count all on roll in ours: "
        "where ages and phases are mixed differently, the figures differ by that as well."
    )


def _caption(context: Context, measure_id: str, places: str, year: str, period: str) -> Caption:
    return replace(
        context.caption(measure_id, places, f"{year}, {wording.period_name(period).lower()}"),
        source="the schools' own records; Department for Education, Pupil attendance in schools, and Local "
        "Authority Interactive Tool (Open Government Licence v3.0)",
    )


def _part(row: dict[Any, Any]) -> dict[str, Any]:
    return {
        "value": row["value"],
        "status": row["status"],
        **{name: row.get(name) for name in ("n", "ci_low", "ci_high")},
    }
