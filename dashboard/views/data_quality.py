"""Data quality: what was refused or held, which rules found something, and what share of the expected data came."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import queries, wording
from dashboard.components.figure import Caption, Table, figure, paragraph, title_of
from dashboard.components.filters import choose
from dashboard.components.schools import with_schools
from dashboard.context import SOURCE, Context


def render(context: Context) -> None:
    st.title("Data quality", anchor=False)
    paragraph(
        "What the figures rest on: files that were refused or held, findings by rule, and how much of what "
        "was expected was received. "
        "Missing data is never counted as present or as zero."
    )
    _gate(context)
    _files(context)
    if context.release.has("exports.data_quality_issue"):
        _issues(context)
        _deliveries(context)
    else:
        st.header("Findings by rule", anchor=False)
        paragraph("Findings by rule and deliveries are shown to leaders only.")
    _coverage(context)
    _hidden(context)


def _caption(context: Context, measure: str, population: str, period: str) -> Caption:
    version = f"{context.release.manifest.get('registry_fingerprint', 'not stated')} (fingerprint of the registry)"
    return Caption(
        measure,
        population,
        "all schools",
        period,
        SOURCE,
        context.coverage_sentence,
        context.release.release_id,
        version,
    )


def _gate(context: Context) -> None:
    gate = context.release.manifest.get("gate") or {}
    if {"n_results", "n_failed"} <= gate.keys():
        warnings = f", {gate['n_warnings']} with a warning" if gate.get("n_warnings") is not None else ""
        paragraph(
            f"Before it was published this release went through {gate['n_results']:,} checks; {gate['n_failed']:,} "
            f"failed{warnings}. "
            "A release with a failed check of the blocking kind is not published."
        )
    else:
        paragraph("The release does not say how many checks it went through.")


def _files(context: Context) -> None:
    held = context.release.manifest.get("held") or []
    refused = context.release.manifest.get("refused_files") or []
    if not held and not refused:
        st.header("No file refused, none held", anchor=False)
        paragraph("Every file that arrived could be read and took part.")
        return
    if context.grant.tier == "public":
        st.header(f"Files: {len(refused)} refused, {len(held)} held", anchor=False)
        paragraph("The names of these files are shown to leaders only.")
        return
    rows = [
        {
            "file_name": _entry(item, "file_name"),
            "feed": _entry(item, "feed"),
            "state": "refused",
            "reason": _entry(item, "sentence"),
        }
        for item in refused
    ]
    rows += [
        {
            "file_name": _entry(item, "file_name", "delivery_id"),
            "feed": _entry(item, "feed"),
            "state": "held",
            "reason": _entry(item, "held_reason", "sentence"),
        }
        for item in held
    ]
    figure(
        key="files",
        title=title_of(f"Files: {len(refused)} refused, {len(held)} held"),
        takeaway="Mend a refused file where it was made and deliver it again. A held file waits for someone to "
        "accept it; "
        "its rows are in no figure.",
        alt_text="A table of refused and held files with reasons.",
        caption=_caption(context, "files refused or held", "every file delivered", f"up to {context.as_of}"),
        table=Table(pd.DataFrame(rows), ("file_name", "feed", "state", "reason")),
    )


def _day(value: object) -> str:
    return wording.STATUS_WORDS["x"] if wording.missing(value) or pd.isna(str(value)) else wording.day(str(value))


def _entry(item: object, *names: str) -> str:
    if not isinstance(item, dict):
        return str(item) if names[0] in ("file_name", "delivery_id") else wording.STATUS_WORDS["x"]
    for name in names:
        if item.get(name):
            return str(item[name])
    return wording.STATUS_WORDS["x"]


def _issues(context: Context) -> None:
    frame = context.ask(queries.issues)
    if frame.empty:
        st.header("No rule found anything", anchor=False)
        paragraph("No open finding stands against the data of this release.")
        return
    total, more = int(frame["n_rows"].sum()), bool(frame["n_hidden"].sum())
    is_hidden = frame["n_hidden"] > 0
    frame = frame.rename(columns={"status": "state"}).drop(columns="n_hidden")
    # Of a school with few pupils the count is hidden: the others' sum would pass for all.
    frame["n_rows"] = frame["n_rows"].astype("Int64").mask(is_hidden)
    frame["status"] = is_hidden.map({True: "c", False: "ok"})
    n_rules = int(frame["rule_id"].nunique())
    for column in ("first_seen", "last_seen"):
        frame[column] = [_day(value) for value in frame[column]]
    figure(
        key="findings",
        title=title_of(
            f"{n_rules} {'rule' if n_rules == 1 else 'rules'} found something, {'over ' if more else ''}{total:,} times"
        ),
        takeaway="A rule that refuses keeps a row out of every figure; one that flags lets it in and says so. "
        "Open: a file that still counts has it; closed: newer files stand in place of every file that had it. "
        "Ask the school to mend what is open at its source. "
        "Counts only, never values.",
        alt_text="A table of rules with the number of rows and schools each concerns.",
        caption=_caption(context, "rows by rule", "every row delivered", f"up to {context.as_of}"),
        table=Table(
            frame,
            ("rule_id", "rule", "severity", "state", "schools", "n_rows", "first_seen", "last_seen"),
            headings={"rule_id": "Rule", "rule": "What it found"},
        ),
    )


def _deliveries(context: Context) -> None:
    frame = context.ask(queries.deliveries)
    if frame.empty:
        paragraph("This release lists no deliveries.")
        return
    read, kept = int(frame["rows_read"].sum()), int(frame["rows_accepted"].sum())
    refused = int(frame["rows_quarantined"].sum())
    with st.expander(f"Deliveries: {len(frame)}"):
        figure(
            key="deliveries",
            title=title_of(f"{read:,} rows read: {kept:,} accepted, {refused:,} refused"),
            takeaway="For every file the rows read are the rows accepted plus the rows refused; a run where they "
            "are not fails.",
            alt_text="A table of deliveries with the number of rows read, accepted and refused.",
            caption=_caption(context, "rows of deliveries", "every file delivered", f"up to {context.as_of}"),
            table=Table(
                frame,
                ("file_name", "feed", "extracted_at", "rows_read", "rows_accepted", "rows_quarantined", "rows_held"),
            ),
            level=3,
        )


def _coverage(context: Context) -> None:
    years = context.ask(queries.academic_years)
    frames = {year: context.ask(queries.coverage, year) for year in years}
    years = [year for year in years if len(frames[year])]
    st.header("Coverage by school", anchor=False)
    if not years:
        paragraph("This release says nothing of coverage.")
        return
    year = choose("Academic year", {year: year for year in years}, "year")
    frame = frames[year]
    feed = choose("Feed", {feed: wording.label(feed) for feed in sorted(set(frame["feed"]))}, "feed")
    frame = frame[frame["feed"] == feed]
    if "YTD" in set(frame["period"]):
        frame = frame[frame["period"] == "YTD"]
    frame = with_schools(context, frame, "school_key")
    frame["period"] = [wording.period_name(str(period)) for period in frame["period"]]
    shares = [float(row["share"]) for row in frame.to_dict("records") if not wording.missing(row["share"])]
    ends = list(dict.fromkeys(f"{wording.number(end(shares), 1)}%" for end in (min, max))) if shares else []
    figure(
        key=f"coverage_{feed}",
        title=title_of(
            f"Received by school: {' to '.join(ends)} of what was expected" if ends else "Coverage is not available (x)"
        ),
        takeaway="Expected comes from the school's calendar and pupil lists; received is what its deliveries hold.",
        alt_text="A table of schools with what was expected and what was received.",
        caption=_caption(context, f"coverage of {wording.label(feed).lower()}", "every school", year),
        table=Table(frame, ("school_name", "period", "expected", "received", "share", "status")),
        level=3,
    )


def _hidden(context: Context) -> None:
    """How many figures are not shown. A release from before this was counted has no such table."""
    if not context.release.has("exports.disclosure_loss"):
        return
    frame = context.ask(queries.loss)
    frame = frame[frame["hidden"] > 0]
    if frame.empty:
        st.header("No figure is hidden", anchor=False)
        paragraph("No figure of this release rests on so few pupils that it must be hidden to protect them.")
        return
    over = [str(name) for name in frame.loc[frame["is_over_limit"].astype(bool), "table_name"].unique()]
    remark = (
        f" More is hidden than should pass without a decision in: {', '.join(_table_name(name) for name in over)}."
        if over
        else ""
    )
    frame["table"] = [_table_name(str(name)) for name in frame["table_name"]]
    frame["level"] = [wording.level_name(str(level)) for level in frame["level"]]
    hidden, cells = int(frame["hidden"].sum()), int(frame["cells"].sum())
    figure(
        key="hidden_figures",
        title=title_of(f"{hidden:,} of {cells:,} figures are hidden to protect pupils"),
        takeaway="A figure is hidden where it is of few pupils (fewer than the minimum, or one or two who have or have "
        "not what is counted), where such a one could be worked out with it from sums, or where it is made of a hidden "
        f"one. How many for which reason is not said: it would tell which figures are of few.{remark}",
        alt_text="A table of how many figures are hidden, by academic year, table and level.",
        caption=_caption(context, "figures hidden", "every table in which a figure is hidden", "every academic year"),
        table=Table(
            frame,
            ("academic_year", "table", "level", "cells", "hidden", "percent_hidden"),
            headings={
                "table": "Figures of",
                "cells": "All figures",
                "hidden": "Hidden",
                "percent_hidden": "Hidden (%)",
            },
        ),
    )


_TABLES = {
    "measure_value": "measures",
    "gap": "gaps",
    "progress_school": "progress of schools",
    "progress_model": "models of progress",
}


def _table_name(name: str) -> str:
    return _TABLES.get(name, name)
