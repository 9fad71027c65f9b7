"""Overview: what this is, how sure it is, what one could do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import queries, readings, wording
from dashboard.components.figure import Table, figure, paragraph, title_of
from dashboard.context import SOURCE, Context
from dashboard.export import PACKS, export_bytes

_TOPICS = ("attendance", "attainment", "progress")


def render(context: Context) -> None:
    st.title("Every pupil, every school: an overview", anchor=False)
    paragraph(
        "Everypupil turns what schools record (pupil lists, registers, results) into figures of attendance, "
        "progress and gaps, "
        "each with how sure we are of it. It is for leaders, governors and analysts of a trust or local authority."
    )
    paragraph(f"Data as of {context.as_of}. {context.coverage_sentence} Release {context.release.release_id}.")
    years = context.ask(queries.academic_years)
    if not years:
        st.info("This release has no figures yet.")
        return
    for level in ("trust", "la"):
        frame = _headlines(context, years, level)
        if not frame.empty:
            _headline_figure(context, frame, level)
            break
    else:
        paragraph("This release has no figures of all schools together; the other pages have those of each school.")
    if not any(context.topic("attendance", context.ask(queries.measure_ids, "measure_value", year)) for year in years):
        st.info("There is no attendance data in this release.")
    _schools(context)
    st.header("How sure are we?", anchor=False)
    paragraph(
        "Every figure has its number of pupils (n), a 95% interval, its coverage and its status. Of 100 such "
        "intervals about 95 hold "
        "the true figure, somewhat fewer where there are few pupils. "
        "Similar means that two intervals overlap: the figures are not clearly apart, "
        "which does not make them equal; the wider the interval, the less we can tell."
    )
    st.header("What could I do next?", anchor=False)
    paragraph(
        "Look at attendance by school and by group, at gaps with both numbers of pupils, and at data quality "
        "before you act on a figure. "
        "Take the figures away below; ask your data team about any of them, naming the release."
    )
    _packs(context)


def _headlines(context: Context, years: list[str], level: str) -> pd.DataFrame:
    """The newest figure of all pupils for every measure."""
    rows: list[dict[str, Any]] = []
    for year in years:
        found = context.ask(queries.measure_ids, "measure_value", year)
        for topic in _TOPICS:
            for measure_id in context.topic(topic, found):
                if any(row["measure_id"] == measure_id for row in rows):
                    continue
                values = context.ask(queries.values, year, measure_id, level, "all")
                chosen = values[values["period"] == "YTD"] if "YTD" in set(values["period"]) else values
                if len(chosen) == 1:
                    row = {str(key): value for key, value in chosen.iloc[0].to_dict().items()}
                    definition = context.definition(measure_id)
                    rows.append(
                        row
                        | {
                            "measure_name": definition["name"],
                            "figure": _figure(row, str(definition["unit"]), "value"),
                            "interval": _interval(row, str(definition["unit"])),
                        }
                    )
    # A column of which one row hides its number would come back as floats: 4,616.00 pupils.
    return pd.DataFrame(rows).astype({"n": "Int64"}) if rows else pd.DataFrame()


def _figure(row: dict[str, Any], unit: str, column: str) -> str:
    letter = wording.status_of(column, row[column], row["status"])
    return readings.with_unit(float(row[column]), unit) if letter is None else wording.STATUS_WORDS[letter]


def _interval(row: dict[str, Any], unit: str) -> str:
    if not readings.shown(row):
        return wording.STATUS_WORDS.get(str(row["status"]), wording.STATUS_WORDS["x"])
    return readings.interval_words(row["ci_low"], row["ci_high"], unit).removeprefix("95% interval ")


def _headline_figure(context: Context, frame: pd.DataFrame, level: str) -> None:
    first = frame.iloc[0].to_dict()
    place = context.places.name(level, str(first["unit_code"]))
    definition = context.definition(str(first["measure_id"]))
    unit, name = str(definition["unit"]), str(definition["name"])
    year = str(first["academic_year"])
    title = title_of(f"{name} {first['figure']} in {year}", f"{name} in {year}", "Figures of all schools")
    over = _comparable(context, first, level)
    before = None if over is None else _year_before(context, over, level)
    if not readings.shown(first):
        takeaway = f"{place}, {year}: {name} is {first['figure']}."
    else:
        takeaway = (
            f"{place}, {year}: {first['figure']} "
            f"({readings.interval_words(first['ci_low'], first['ci_high'], unit)}; n = {first['n']:,} pupils)."
        )
        if over is None:
            takeaway += f" No part of {year} is over yet that could be set beside the year before."
        elif before is not None:
            reading = readings.compare(over["ci_low"], over["ci_high"], before["ci_low"], before["ci_high"])
            against = f"{reading} to" if reading == "similar" else reading
            earlier = f"{readings.with_unit(float(before['value']), unit)} in {before['academic_year']}"
            part = wording.period_name(str(over["period"]))
            is_part = over["period"] != first["period"]
            if reading != readings.CANNOT_TELL:
                own = f"{part}: {readings.with_unit(float(over['value']), unit)}," if is_part else "This is"
                takeaway += f" {own} {against} {earlier}."
                of_part = f"; {part.lower()}:" if is_part else ","
                title = title_of(f"{name} {first['figure']}{of_part} {against} {before['academic_year']}", title)
            if is_part:
                takeaway += f" {year} still runs, so it is not set beside a whole year."
            same = _same_schools(context, over, before, level)
            if same is not None:
                takeaway += f" {readings.same_schools_sentence(same, year, str(before['academic_year']), unit)}"
    takeaway += context.rests_on(first)
    figure(
        key="headlines",
        title=title,
        takeaway=takeaway,
        alt_text="A table of the newest figure of every measure for all schools together.",
        caption=replace(
            context.caption(
                str(first["measure_id"]),
                place,
                f"newest year of each measure, {wording.period_name(str(first['period'])).lower()}",
            ),
            measure="as named in each row",
            population="of each measure, as the page of definitions says",
        ),
        table=Table(
            frame,
            ("measure_name", "academic_year", "n", "figure", "interval", "coverage", "status"),
            None,
            {"figure": "Figure", "interval": "95% interval", "coverage": "Coverage (%)"},
        ),
    )


def _same_schools(
    context: Context, now: Mapping[Any, Any], before: Mapping[Any, Any], level: str
) -> readings.SameSchools | None:
    """Both years on the schools of the unit that have figures in both, from what is published of each school."""
    measure_id = str(now["measure_id"])
    history = context.ask(queries.values_over_years, measure_id, "school", str(now["period"]))
    history = history[history["unit_code"].isin(context.places.schools_of(level, str(now["unit_code"])))]
    years = [history[history["academic_year"].eq(row["academic_year"])] for row in (now, before)]
    return readings.same_schools(years[0], years[1], str(context.definition(measure_id)["unit"]))


def _comparable(context: Context, row: Mapping[Any, Any], level: str) -> dict[str, Any] | None:
    """The figure of the same measure, year and unit on which it may be set beside the year before."""
    year, measure_id = str(row["academic_year"]), str(row["measure_id"])
    values = context.ask(queries.values, year, measure_id, level, "all")
    period = readings.comparable_period(set(values["period"]), year, context.as_of_date)
    found = values[values["period"].eq(period) & values["unit_code"].eq(row["unit_code"])].to_dict("records")
    return {str(key): value for key, value in found[0].items()} if found and readings.shown(found[0]) else None


def _year_before(context: Context, row: Mapping[Any, Any], level: str) -> dict[str, Any] | None:
    history = context.ask(queries.values_over_years, str(row["measure_id"]), level, str(row["period"]))
    earlier = [r for r in history.to_dict("records") if r["academic_year"] < row["academic_year"] and readings.shown(r)]
    return {str(key): value for key, value in earlier[-1].items()} if earlier else None


def _schools(context: Context) -> None:
    schools = context.schools
    if schools.empty:
        return
    phases = schools["phase"].fillna("phase not known").value_counts().sort_index()
    parts = ", ".join(f"{count} {_phase(str(phase))}" for phase, count in phases.items())
    st.header(f"{len(schools)} schools in this release", anchor=False)
    paragraph(f"{parts[0].upper()}{parts[1:]}. Source: {SOURCE}.")


def _phase(phase: str) -> str:
    return f"with {wording.phase_name(phase).lower()}" if phase.lower() == "not applicable" else phase.lower()


def _packs(context: Context) -> None:
    st.header("Take the figures away", anchor=False)
    release_id, grant = context.release.release_id, context.grant
    if grant.urns is None:
        st.download_button(
            "Download the workbook of all schools (XLSX)",
            data=lambda: export_bytes(context.settings, context.release, grant, PACKS[1], None, "xlsx"),
            file_name=f"everypupil-all-schools-{release_id}.xlsx",
            mime="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            key="trust_pack",
            on_click="ignore",
        )
    schools = context.schools
    names = {
        urn: name
        for urn, name in zip(schools["urn"], schools["school_name"], strict=True)
        if grant.urns is None or urn in grant.urns
    }
    if names:
        urn = st.selectbox(
            "School for the workbook",
            list(names),
            format_func=lambda value: names[value],
            key="pack",
            bind="query-params",
        )
        chosen = str(urn)
        st.download_button(
            f"Download the workbook of {names[chosen]} (XLSX)",
            data=lambda: export_bytes(context.settings, context.release, grant, PACKS[0], chosen, "xlsx"),
            file_name=f"everypupil-{chosen}-{release_id}.xlsx",
            mime="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            key="school_pack",
            on_click="ignore",
        )
