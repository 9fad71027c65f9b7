"""Attendance of any run of days that a reader chooses; for readers of every pupil's sessions, who alone have them."""

from __future__ import annotations

import datetime as dt
import math

import pandas as pd
import streamlit as st

from dashboard import queries, readings, wording
from dashboard.components import palette
from dashboard.components.charts import daily_rates, interval_plot, points
from dashboard.components.figure import Caption, Table, figure, paragraph, title_of
from dashboard.components.filters import choose
from dashboard.context import SOURCE, Context
from dashboard.windows import day_figures, sort_figures, window_figures

_SESSIONS = "marts.fct_session"
_RATE = "attendance_rate"
_WHOLE = "all|all"
_SORTS = {
    **dict(zip("12345", ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"), strict=True)),
    "6": "Saturday",
    "7": "Sunday",
    "after": "First day after a break",
    "before": "Last day before a break",
}
_COUNTED = {
    "dates": "Dates (n)",
    "n": "Pupils (n)",
    "coverage": "Coverage (%)",
    "denominator": "Out of",
    "numerator": "Counted",
}


def section(context: Context, year: str) -> None:
    """Any days of one year; nothing at all where this reader has not every pupil's sessions, or the year none."""
    if not context.release.has(_SESSIONS) or context.grant.year_groups is not None:
        return
    if "is_expected" not in context.ask(queries.columns_of, _SESSIONS):
        return  # a release of before it was said which sessions a calendar expects
    ends = context.ask(queries.session_days, _SESSIONS, year)
    if ends is None:
        return
    st.header("Any days", anchor=False)
    paragraph(
        "A day, a week, a school's own half-term: every session from one day to another, both included, by registers "
        "alone."
    )
    first, last, place, keys = _chosen(context, year, *ends)
    if first > last:
        st.warning("The first day is later than the last one; choose a first day that is not.")
        return
    window = queries.Window(year, first, last, keys)
    named = wording.day(first) if first == last else f"{wording.day(first)} to {wording.day(last)}"
    enough = float(context.registry.data["coverage"]["withhold_below_percent"])
    measures = [measure for measure in context.registry.measures if measure["source_model"] == "attendance"]
    stays = context.ask(queries.stays_in, _SESSIONS, window)
    if stays.empty:
        paragraph(f"There is no session of {place} in these days: no school day, or no pupil on roll.")
        return
    figures = window_figures(stays, measures, enough)
    caption = _caption(context, figures, place, named)
    _measures(figures, place, named, caption)
    days = day_figures(context.ask(queries.days_in, _SESSIONS, window), enough)
    _by_day(days.assign(day=days["day"].map(dt.date.fromisoformat)), place, named, caption)
    if last - first >= dt.timedelta(days=7):
        break_days = int(context.registry.data["window"]["break_days"])
        pattern = context.ask(queries.days_in, _SESSIONS, window, break_days)
        _by_sort(sort_figures(pattern, enough), place, named, caption, break_days)


def _chosen(
    context: Context, year: str, earliest: dt.date, latest: dt.date
) -> tuple[dt.date, dt.date, str, tuple[str, ...]]:
    """First and last day, the place in words, and its schools. At first the newest week that has a mark."""
    schools, names = context.schools, context.places
    trusts = {str(code) for code in schools["trust_code"].dropna()}
    is_one_trust = len(trusts) == 1 and schools["trust_code"].notna().all()
    whole = names.name("trust", *trusts) if is_one_trust else "All schools"
    if context.grant.urns is not None:
        schools = schools[schools["urn"].isin(context.grant.urns)]
        whole = str(schools["school_name"].iloc[0]) if len(schools) == 1 else "The schools of this role"
    places = {_WHOLE: whole}
    for column, level in (("la_code", "la"), ("urn", "school")):
        units = {(level, str(code)) for code in schools[column] if not wording.missing(code)}
        places |= {f"{column}|{code}": names.name(level, code) for _, code in names.in_order(units)}
    left, middle, right = st.columns(3)
    monday = latest - dt.timedelta(days=latest.weekday())
    start, end = dt.date(int(year[:4]), 8, 1), dt.date(int(year[:4]) + 1, 7, 31)
    with left:
        first = st.date_input(
            "First day",
            max(monday, earliest),
            min_value=start,
            max_value=end,
            format="DD/MM/YYYY",
            key=f"window_first_{year}",
        )
    with middle:
        last = st.date_input(
            "Last day",
            latest,
            min_value=start,
            max_value=end,
            format="DD/MM/YYYY",
            key=f"window_last_{year}",
        )
    with right:
        chosen = choose("Days of", places, "window_of")
    column, code = chosen.split("|", 1)
    rows = schools if chosen == _WHOLE else schools[schools[column].astype(str) == code]
    return first, last, places[chosen], tuple(rows["school_key"])


def _caption(context: Context, figures: pd.DataFrame, place: str, named: str) -> Caption:
    definition = context.definition(_RATE)
    share = float(figures["coverage"].iloc[0])
    return Caption(
        measure="Attendance and absence, as on this page",
        population="every enrolment with at least one possible session in these days",
        place=place,
        period=named,
        source=SOURCE,
        coverage="No calendar says which sessions were expected."
        if math.isnan(share)
        else f"{share:.1f}% of the sessions expected in these days have a mark.",
        release_id=context.release.release_id,
        definition_version=str(definition["definition_version"]),
    )


def _table(figures: pd.DataFrame, column: str, heading: str, *counts: str) -> Table:
    """Every figure of a window is shown alike, under the name of its row. counts: columns besides."""
    return Table(
        figures,
        (column, *counts, "n", "numerator", "denominator", "value", "interval", "coverage", "status"),
        "percent",
        {column: heading, **_COUNTED},
        {"interval": ("ci_low", "ci_high")},
    )


def _measures(figures: pd.DataFrame, place: str, named: str, caption: Caption) -> None:
    rate = next(row for row in figures.to_dict("records") if row["measure_id"] == _RATE)
    if readings.shown(rate):
        value = readings.with_unit(rate["value"], "percent")
        title = title_of(f"Attendance was {value}, {named}", f"Attendance was {value} in these days")
        interval = readings.interval_words(rate["ci_low"], rate["ci_high"], "percent")
        takeaway = f"{place}, {named}: {value} of sessions were attended ({interval}; n = {int(rate['n']):,} pupils)."
    else:
        title = "Too little came to tell attendance"
        takeaway = f"{place}, {named}: {wording.STATUS_MEANINGS[str(rate['status'])]}."
    figure(
        key="window_measures",
        title=title,
        takeaway=f"{takeaway} Persistent and severe absence here are of these days alone: who missed one day of a week "
        "missed a fifth of it, which says nothing yet of a year.",
        alt_text="A table alone.",
        caption=caption,
        table=_table(figures, "name", "Measure"),
        level=3,
    )


def _by_day(figures: pd.DataFrame, place: str, named: str, caption: Caption) -> None:
    shown = [row for row in figures.to_dict("records") if readings.shown(row)]
    if len(figures) < 2 or not shown:
        return
    low = min(shown, key=lambda row: row["value"])
    value = readings.with_unit(low["value"], "percent")
    figure(
        key="window_days",
        title=title_of(f"Lowest on {low['day']:%A} {wording.day(low['day'])}: {value}", "Attendance by day"),
        takeaway=f"{place}, {named}: attendance was lowest on {wording.day(low['day'])}, {value} "
        f"({readings.interval_words(low['ci_low'], low['ci_high'], 'percent')}; n = {int(low['n']):,} pupils). One day "
        "of many is the lowest by chance alone; look whether its interval stands apart.",
        alt_text=f"Attendance of {len(figures)} days with 95% intervals; the table has the figures.",
        caption=caption,
        table=_table(figures, "day", "Day"),
        chart=daily_rates(pd.DataFrame(shown), axis_title="Attendance rate (%), with 95% interval"),
        level=3,
    )


def _by_sort(figures: pd.DataFrame, place: str, named: str, caption: Caption, break_days: int) -> None:
    order = {sort: number for number, sort in enumerate(_SORTS)}
    figures = figures.assign(sort=figures["day"].map(_SORTS)).sort_values("day", key=lambda days: days.map(order))
    shown = [row for row in figures.to_dict("records") if readings.shown(row)]
    if len(shown) < 2:
        return
    low = min(shown, key=lambda row: row["value"])
    value = readings.with_unit(low["value"], "percent")
    sort = low["sort"].lower() if low["day"] in ("after", "before") else low["sort"]
    interval = readings.interval_words(low["ci_low"], low["ci_high"], "percent")
    figure(
        key="window_weekdays",
        title=title_of(f"{low['sort']}: lowest of these days, {value}", "Attendance by day of the week"),
        takeaway=f"{place}, {named}: {sort} has the lowest attendance, {value} ({interval}; n = {int(low['n']):,} "
        f"pupils, on {int(low['dates'])} dates). One of these is the lowest by chance alone; look whether its interval "
        "stands apart. The intervals are of dates as well as of pupils, because one Friday differs from another. A "
        f"break is {break_days} days or more from one school day to the next; the days beside it count under their "
        "weekday too; beside the summer holidays none is counted.",
        alt_text="Attendance by weekday and beside breaks with 95% intervals; the table has the figures.",
        caption=caption,
        table=_table(figures, "sort", "Kind of day", "dates"),
        chart=interval_plot(
            points(pd.DataFrame(shown), "sort", "percent", None),
            axis_title="Attendance rate (%), with 95% interval",
            words={"": palette.FOCUS},
        ),
        level=3,
    )
