"""Early response: a school's queue, what was done first, and what each rule was worth; for readers of pupils' rows
alone.
"""

from __future__ import annotations

import datetime as dt
import html
import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import queries, readings, signals, wording
from dashboard.access import AccessError, note
from dashboard.components import palette
from dashboard.components.charts import interval_plot, points, weekly_bars
from dashboard.components.figure import Caption, Table, figure, paragraph, title_of
from dashboard.components.filters import choose
from dashboard.context import SOURCE, Context
from dashboard.export import export_bytes
from dashboard.views.attendance import dimension_words

_SIGNALS, _SPELLS, _BACKTEST = "marts.attendance_signal", "marts.absence_spell", "marts.attendance_signal_backtest"
_FOLLOWED, _NOT_FOLLOWED = "followed by an action", "no action in time, or yet"
_RULE, _PLAIN = "rule of early response", "plain rule, for comparison"
_JUDGED = "pupils with enough possible sessions in both terms"
_NOTHING_DONE = "none recorded yet"
_OF_PLAIN = ("false_alarms", "false_alarm_percent", "false_alarm_percent_low", "false_alarm_percent_high")
# A share of nobody is none; its interval neither.
_SHARES = frozenset(
    f"{prefix}{share}{end}"
    for prefix in ("", "plain_")
    for share in wording.NOT_APPLICABLE["attendance_signal_backtest"]
    for end in ("", "_low", "_high")
)


def render(context: Context) -> None:
    if context.grant.tier != "pupils":
        raise AccessError("Early response shows rows of pupils, which this role may not read; open it as one that may.")
    st.title("Early response", anchor=False)
    paragraph(
        "Whose registers met a rule of early response, on what evidence, and what was done first. For those who "
        "follow up absence in a school. A person decides what a signal means; the queue is no verdict on a pupil."
    )
    if not all(context.release.has(table) for table in (_SIGNALS, _SPELLS)):
        st.info("There are no signals of early response in this release: it was made before they were worked out.")
        return
    schools = context.schools
    names = {
        urn: name
        for urn, name in zip(schools["urn"], schools["school_name"], strict=True)
        if context.grant.urns is None or urn in context.grant.urns
    }
    left, right = st.columns(2)
    with left:
        urn = choose("School", names, "school")
    with right:
        span = choose("Signals of", {"day": "The newest day with a signal", "week": "The week of that day"}, "signals")
    # Asked anew each time, so that every reading of pupils' rows has its line in the access log.
    found = queries.signals_of_year(context.release, (_SIGNALS, _SPELLS), urn, _rule_ids(context))
    if found.empty:
        st.info(wording.literal(f"{names[urn]}: no register that this role may read met a rule of early response."))
    else:
        queue = signals.places(found)
        _queue(context, found, queue, (urn, names[urn]), span)
        if len(queue):
            _weeks(context, queue, names[urn])
        _workbook(context, urn, names[urn])
    _backtest(context)


def _rule_ids(context: Context) -> list[str]:
    """The rules in the order of the queue."""
    return [str(rule["rule_id"]) for rule in context.registry.data["responses"]["rules"]]


def _caption(context: Context, measure: str, population: str, place: str, period: str) -> Caption:
    version = f"{context.release.manifest.get('registry_fingerprint', 'not stated')} (fingerprint of the registry)"
    release_id = context.release.release_id
    return Caption(measure, population, place, period, SOURCE, context.coverage_sentence, release_id, version)


def _population(context: Context) -> str:
    years = context.grant.year_groups
    if years is None:
        return "pupils whose register met a rule"
    return f"pupils of {', '.join(_year(year) for year in years)} whose register met a rule; other places are left out"


def _year(year: str) -> str:
    return f"year group {year}"


# The queue


def _queue(context: Context, found: pd.DataFrame, queue: pd.DataFrame, school: tuple[str, str], span: str) -> None:
    urn, name = school
    newest: dt.date = found["signal_date"].max()
    year = found["academic_year"].max()
    today = signals.follow_up(queue[queue["signal_date"] == newest])
    signalled = int(found.loc[found["signal_date"] == newest, "pupil_key"].nunique())
    limit = context.registry.data["responses"]["pupils_in_queue_per_school_and_day"]
    first = newest if span == "day" else signals.week_of(newest)
    shown = found[found["signal_date"] >= first]
    rows = shown.to_dict("records")
    frame = shown.drop(columns="main_reasons").assign(
        place=[_place(row) for row in rows],
        evidence=[_evidence(row) for row in rows],
        reasons=[_reasons(context, row) for row in rows],
        first_action=[_action(row) for row in rows],
    )
    figure(
        key="queue",
        title=title_of(_finding(today)),
        takeaway=f"{name}, {wording.day(newest)}, the newest day with a signal: {_pupils(signalled)} with one; the "
        f"queue takes {limit} a day, in the order of the rules on the page of definitions. {today.sentence} "
        f"In {year} so far, {signals.follow_up(queue).words} This is what "
        "is recorded; whether it came of the signal, or helped, it does not say. Pupils stand under their keys; who "
        "they are is in the identity part of the release.",
        alt_text="A table of the pupils in the queue with rule, evidence and first action.",
        caption=_caption(
            context,
            "signals of early response",
            _population(context),
            name,
            wording.day(newest) if span == "day" else f"{wording.day(first)} to {wording.day(newest)}",
        ),
        table=Table(
            frame,
            (
                *("pupil_key", "signal_date", "place", "rule_name", "evidence", "reasons", "first_action"),
                "school_days_to_action",
            ),
            headings=signals.QUEUE_HEADINGS
            | {
                "place": signals.QUEUE_HEADINGS["queue_place"],
                "first_action": signals.QUEUE_HEADINGS["action_taken"],
            },
            not_applicable=wording.NOT_APPLICABLE["attendance_signal"],
        ),
        taken=lambda: _note_export(context, urn, len(frame)),
    )


def _finding(today: signals.FollowUp) -> str:
    if today.median_days is None:
        return f"{_pupils(today.places)} in the queue, none with a first action"
    return f"{_pupils(today.places)} queued, {today.followed} had action, median {signals.days(today.median_days)}"


def _pupils(count: int) -> str:
    return f"{count:,} pupil{'' if count == 1 else 's'}"


def _note_export(context: Context, urn: str, rows: int) -> None:
    note(
        context.settings,
        context.grant,
        "export",
        (_SIGNALS,),
        context.release.release_id,
        rows,
        unit=urn,
        file_format="csv",
    )


def _place(row: Mapping[Any, Any]) -> str:
    return f"{row['queue_place']}" + ("" if row["is_in_queue"] else ", beyond the queue")


def _evidence(row: Mapping[Any, Any]) -> str:
    """What the rule counted, of how much where it looks at a rate, and from which day on."""
    first = wording.day(row["evidence_from"])
    if not wording.missing(row["spells"]):
        return f"{row['spells']} spell{'' if row['spells'] == 1 else 's'} of absence since {first}"
    if wording.missing(row["sessions"]):
        return wording.STATUS_WORDS["x"]
    if not wording.missing(row["possible"]):
        return f"{row['sessions']} of {row['possible']} possible sessions missed, the first on {first}"
    return f"{row['sessions']} session{'' if row['sessions'] == 1 else 's'} missed since {first}"


def _action(row: Mapping[Any, Any]) -> str:
    if wording.missing(row["action_taken"]):
        return _NOTHING_DONE
    return f"{row['action_taken']}, {wording.day(row['action_date'])}"


def _reasons(context: Context, row: Mapping[Any, Any]) -> str:
    """The main reasons of the spells of the evidence, as far as the rule counts them: no other reason is shown.

    A spell's main reason may be one that the rule does not count; then the reasons are those it does.
    """
    registry = context.registry.data
    counted = [rule["reasons"] for rule in registry["responses"]["rules"] if rule["rule_id"] == row["rule_id"]]
    if not counted:
        return wording.STATUS_WORDS["x"]
    names = {entry["reason"]: str(entry["name"]) for entry in registry["absence_reasons"]}
    present = [] if wording.missing(row["main_reasons"]) else str(row["main_reasons"]).split(",")
    told = [names[reason] for reason in counted[0] if reason in present]
    if told or len(counted[0]) == 1:
        return "; ".join(told) or names[counted[0][0]]
    return f"one or more of: {'; '.join(names[reason] for reason in counted[0])}"


def _workbook(context: Context, urn: str, name: str) -> None:
    paragraph(f"Every signal of {name} that this role may read, of every year, in the order of the queue:")
    st.download_button(
        wording.literal(f"Download the signals of {name} (XLSX)"),
        data=lambda: export_bytes(context.settings, context.release, context.grant, _SIGNALS, urn, "xlsx"),
        file_name=f"attendance-signal-{urn}-{context.release.release_id}.xlsx",
        mime="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        key="signals_workbook",
        on_click="ignore",
    )


def _weeks(context: Context, queue: pd.DataFrame, name: str) -> None:
    within = context.registry.data["responses"]["action_answers_within_school_days"]
    weeks = signals.by_week(queue)
    whole = signals.follow_up(queue)
    figure(
        key="signals_by_week",
        title=title_of(f"{whole.followed:,} of {whole.places:,} places were followed by an action"),
        takeaway=f"{whole.sentence} An action counts within {within} school days of the signal; the newest weeks have "
        "had least time.",
        alt_text=f"Bars of {len(weeks)} weeks: places in the queue, followed by an action or not yet; the table has "
        "the figures.",
        caption=_caption(
            context,
            "places in the queue, a pupil a day",
            _population(context),
            name,
            f"weeks from {wording.day(weeks['week_from'].min())} to {wording.day(weeks['week_from'].max())}",
        ),
        table=Table(
            weeks,
            ("week_from", "places", "followed", "not_followed", "median_days"),
            headings={
                "week_from": "Week from",
                "places": "Places in the queue (n)",
                "followed": "Followed by an action (n)",
                "not_followed": "No action in time, or yet (n)",
                "median_days": "Median school days to it",
            },
            not_applicable=frozenset({"median_days"}),
        ),
        chart=weekly_bars(
            weeks.rename(columns={"followed": _FOLLOWED, "not_followed": _NOT_FOLLOWED}),
            axis_title="Places in the queue a week",
            words={_FOLLOWED: palette.FOCUS, _NOT_FOLLOWED: palette.BACKGROUND},
        ),
    )


# The back-test


def _backtest(context: Context) -> None:
    frame = context.ask(queries.backtest, _BACKTEST, _rule_ids(context)) if context.release.has(_BACKTEST) else None
    st.header("What the rules are worth", anchor=False)
    if frame is None or frame.empty:
        paragraph(
            "No term has been followed by a whole one yet, so no rule could be tested."
            if frame is not None
            else "The back-test of the rules counts the pupils of all schools together, so it is for roles of all "
            "schools and year groups; ask your data team for it."
        )
        return
    terms = {
        f"{row['academic_year']}|{row['term']}": f"{wording.period_name(row['term'])} {row['academic_year']}, judged "
        f"by {wording.period_name(row['following_term']).lower()} {row['following_year']}"
        for row in frame.to_dict("records")
    }
    year, term = choose("Back-test up to the end of", terms, "backtest").split("|")
    frame = _with_intervals(context, frame[(frame["academic_year"] == year) & (frame["term"] == term)])
    everyone = frame[frame["group_dimension"] == "all"].reset_index(drop=True)
    if len(everyone):
        _rules(context, everyone, terms[f"{year}|{term}"])
    _groups(context, frame[frame["group_dimension"] != "all"], terms[f"{year}|{term}"])


def _ends(share: str) -> tuple[str, str]:
    """The columns of a share's interval."""
    return f"{share}_percent_low", f"{share}_percent_high"


def _with_intervals(context: Context, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with the counts and the intervals of their shares."""
    z = float(context.registry.data["statistics"]["normal_multiplier"])
    counts = frame.assign(
        kind=[_PLAIN if plain else _RULE for plain in frame["is_plain_rule"]],
        not_below=frame["pupils"] - frame["below"],
        false_alarms=frame["flagged"] - frame["true_positives"],
    )
    for share, count, of in (
        ("precision", "true_positives", "flagged"),
        ("recall", "true_positives", "below"),
        ("recall_in_queue", "true_positives_in_queue", "below"),
        ("false_alarm", "false_alarms", "not_below"),
    ):
        # The plain rule has no queue.
        ends = [
            (math.nan, math.nan) if wording.missing(k) else readings.share_interval(int(k), int(n), z)
            for k, n in zip(counts[count], counts[of], strict=True)
        ]
        counts = counts.assign(
            **{f"{share}_percent_low": [low for low, _ in ends], f"{share}_percent_high": [high for _, high in ends]}
        )
    return counts


def _range(shares: pd.Series[Any]) -> str:
    """From the least to the greatest share, in percent; empty where there is none."""
    known = [float(share) for share in shares if not wording.missing(share)]
    ends = dict.fromkeys(readings.with_unit(end(known), "percent") for end in (min, max)) if known else {}
    return " to ".join(ends)


def _meaning(below: int) -> None:
    """What the three shares say."""
    terms = {
        "Flagged": "whoever had a signal of the rule from the start of the year to the end of the term, in the queue "
        "or not; by the plain rule, whoever attended less than that in the term alone.",
        "Precision": f"of those flagged, how many attended less than {below}% of the following term.",
        "Recall": f"of those who attended less than {below}% of it, how many had been flagged.",
        "Recall by the queue": "of the same, how many had a place in a day's queue by it; no team saw the others.",
        "False alarms": f"of those who attended {below}% of it or more, how many had been flagged.",
    }
    items = "".join(f"<li><b>{word}</b>: {html.escape(text)}</li>" for word, text in terms.items())
    st.html(f"<ul>{items}</ul>")
    paragraph(
        "Codes count as they were corrected since: on the day itself N may have stood there, so a rule that looks for "
        "illness could be known later than it seems here, and one that looks for absence without authorisation would "
        "have called more often. Who was followed up after a signal may have come back because of it and then counts "
        "as a false alarm: the shares are of rules together with what was done."
    )
    paragraph(
        "A rule reads the register alone: no characteristic protected in law is an input. Groups are read afterwards, "
        "to see whom a rule flags in error."
    )


def _rules(context: Context, frame: pd.DataFrame, period: str) -> None:
    backtest = context.registry.data["responses"]["backtest"]
    first = frame.iloc[0]
    below = backtest["below_percent"]
    _meaning(below)
    rules, plain = (_range(frame.loc[frame["kind"] == kind, "precision_percent"]) for kind in (_RULE, _PLAIN))
    figure(
        key="backtest",
        title=title_of(
            f"Precision: rules {rules}, plain rule {plain}" if rules and plain else "", "Precision cannot be told yet"
        ),
        takeaway=f"Of {first['pupils']:,} pupils with at least {backtest['minimum_possible_sessions']} possible "
        f"sessions in both terms, {first['below']:,} attended less than {below}% of the later one. Where intervals "
        "overlap, two rules are not clearly apart; where they do not, it is a guide and no test, for all rules are of "
        f"the same pupils. To flag everybody would have a precision of {100 * first['below'] / first['pupils']:.1f}%. "
        "A rule flags from the start of the year and the plain one by one term: they flag different numbers, so their "
        "precisions are no contest. The intervals are of these schools and this term; of schools like them they would "
        "be up to three times as wide.",
        alt_text=f"Precision of {len(frame)} rules with 95% intervals; the table has recall and false alarms too.",
        caption=_caption(context, "back-test of the rules of early response", _JUDGED, "all schools", period),
        table=Table(
            frame,
            (
                *("rule_name", "kind", "flagged", "true_positives", "precision_percent", "precision"),
                *("recall_percent", "recall", "true_positives_in_queue"),
                *("recall_in_queue_percent", "recall_in_queue"),
                *("false_alarms", "false_alarm_percent", "false_alarm"),
            ),
            "percent",
            {
                "rule_name": "Rule",
                "kind": "Sort",
                "flagged": "Flagged (n)",
                "true_positives": "Of these, below afterwards (n)",
                "precision_percent": "Precision",
                "precision": "Precision, 95% interval",
                "recall_percent": "Recall",
                "recall": "Recall, 95% interval",
                "true_positives_in_queue": "In the queue and below afterwards (n)",
                "recall_in_queue_percent": "Recall by the queue",
                "recall_in_queue": "Recall by the queue, 95% interval",
                "false_alarms": "False alarms (n)",
                "false_alarm_percent": "False alarms",
                "false_alarm": "False alarms, 95% interval",
            },
            {share: _ends(share) for share in ("precision", "recall", "recall_in_queue", "false_alarm")},
            not_applicable=_SHARES,
        ),
        chart=interval_plot(
            points(frame, "rule_name", "percent", "kind", ("precision_percent", *_ends("precision"))),
            axis_title="Precision (%), with 95% interval",
            words={_RULE: palette.CATEGORIES[0], _PLAIN: palette.CATEGORIES[2]},
        ),
        level=3,
    )


def _groups(context: Context, frame: pd.DataFrame, period: str) -> None:
    """False alarms of one rule by group, beside those of the plain rule."""
    known = [str(group["dimension"]) for group in context.registry.data["groups"]]
    dimensions = [dimension for dimension in known if dimension in set(frame["group_dimension"])]
    rules = dict(zip(frame["rule_id"], frame["rule_name"], strict=True))
    plain_ids = set(frame.loc[frame["is_plain_rule"].astype(bool), "rule_id"])
    rules = {rule_id: name for rule_id, name in rules.items() if rule_id not in plain_ids}
    if not dimensions or not rules:
        return
    left, right = st.columns(2)
    with left:
        rule_id = choose("False alarms of", rules, "rule")
    with right:
        names = {dimension: wording.dimension_name(context.registry, dimension) for dimension in dimensions}
        dimension = choose("By", names, "group")
    frame = frame[frame["group_dimension"] == dimension]
    beside = frame.loc[frame["is_plain_rule"].astype(bool)].set_index("group_value")
    frame = frame[frame["rule_id"] == rule_id].reset_index(drop=True)
    groups = list(frame["group_value"])
    frame = frame.assign(
        group_name=[wording.group_name(context.registry, dimension, group) for group in groups],
        **{f"plain_{column}": list(beside.reindex(groups)[column]) for column in _OF_PLAIN},
    )
    spread = _range(frame["false_alarm_percent"])
    figure(
        key=f"false_alarms_{rule_id}_{dimension}",
        title=title_of(f"False alarms by group: {spread}" if spread else "", "False alarms by group: nothing to count"),
        takeaway=f"{rules[rule_id]}, by {dimension_words(context, dimension)}: of the pupils who were not below "
        "afterwards, how many the rule had flagged, beside the plain rule. Where one group's interval lies above "
        "another's, more of its pupils who were not below had been flagged; how many of the flagged were wrong, and "
        "how many were missed, can lie the other way, where more of a group are below.",
        alt_text=f"False alarms by {dimension_words(context, dimension)} with 95% intervals; figures in the table.",
        caption=_caption(
            context, f"false alarms of: {rules[rule_id]}", f"{_JUDGED}, not below in the later", "all schools", period
        ),
        table=Table(
            frame,
            (
                *("group_name", "not_below", "false_alarms", "false_alarm_percent", "false_alarm"),
                *("plain_false_alarms", "plain_false_alarm_percent", "plain_false_alarm"),
            ),
            "percent",
            {
                "group_name": "Group",
                "not_below": "Pupils not below (n)",
                "false_alarms": "False alarms (n)",
                "false_alarm_percent": "False alarms",
                "false_alarm": "False alarms, 95% interval",
                "plain_false_alarms": "Plain rule: false alarms (n)",
                "plain_false_alarm_percent": "Plain rule: false alarms",
                "plain_false_alarm": "Plain rule: 95% interval",
            },
            {
                "false_alarm": _ends("false_alarm"),
                "plain_false_alarm": _ends("plain_false_alarm"),
            },
            not_applicable=_SHARES,
        ),
        chart=interval_plot(
            points(frame, "group_name", "percent", None, ("false_alarm_percent", *_ends("false_alarm"))),
            axis_title="False alarms (%), with 95% interval",
            words={"": palette.FOCUS},
        ),
        level=3,
    )
