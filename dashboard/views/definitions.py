"""Definitions: what each measure is, as the release itself records it."""

from __future__ import annotations

import html
import json
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import wording
from dashboard.components.figure import Caption, Table, figure, paragraph, title_of
from dashboard.context import Context
from dashboard.signals import rules_in_words

_FIELDS = (
    "definition_version",
    "unit",
    "numerator",
    "denominator",
    "boundary",
    "population",
    "minimum_n",
    "direction",
    "valid_years",
    "source",
)


def render(context: Context) -> None:
    st.title("Definitions", anchor=False)
    paragraph("Each measure has one definition. It makes the figure, the page, the workbook and this text.")
    measures = context.measures
    if measures.empty:
        paragraph("This release holds no definitions.")
        return
    for measure_id in context.ordered(list(dict.fromkeys(measures["measure_id"]))):
        measure = context.definition(measure_id)
        st.header(wording.literal(str(measure["name"])), anchor=False)
        terms = "".join(
            f"<tr><th scope='row'>{html.escape(_field(field))}</th><td>{html.escape(_value(measure, field))}</td></tr>"
            for field in _FIELDS
            if field in measure
        )
        st.html(
            "<div "
            f'class="ep-table"><table><caption>{html.escape(str(measure["name"]))}</caption><tbody>{terms}</tbody></table></div>'
        )
    st.header("Other people's definitions", anchor=False)
    paragraph(
        "Who counts otherwise, and what has to be changed in our figure to come to theirs. The figures themselves are "
        "for readers of pupils' rows alone: two neighbouring steps differ by few pupils."
    )
    _bridges(context)
    st.header("Rules of early response", anchor=False)
    _rules(context)
    st.header("Words in the place of a figure", anchor=False)
    words = [f"<li><b>{wording.STATUS_WORDS[k]}</b>: {html.escape(v)}</li>" for k, v in wording.STATUS_MEANINGS.items()]
    st.html(f"<ul>{''.join(words)}</ul>")
    st.header("Groups of pupils", anchor=False)
    items = [
        str(group["name"]) + (f": {group['source']}" if group.get("source") else "")
        for group in context.registry.data["groups"]
    ]
    st.html(f"<ul>{''.join(f'<li>{html.escape(item)}</li>' for item in items)}</ul>")
    paragraph(
        "A pupil's status can be taken at other times. Attendance by each rule, side by side, is for readers of "
        "pupils' rows alone: two definitions differ by few pupils."
    )
    rules = [
        f"<li><b>{html.escape(rule['name'])}</b>: {html.escape(rule['sentence'])}</li>"
        for rule in context.registry.data["status_definitions"]
    ]
    st.html(f"<ul>{''.join(rules)}</ul>")
    figure(
        key="definitions",
        title=title_of(f"{len(measures)} definitions as a table"),
        takeaway="The same definitions, to take away.",
        alt_text="A table of the measures' names, versions and units.",
        caption=Caption(
            "definitions of measures",
            "every measure",
            "all schools",
            f"as of {context.as_of}",
            "the measure registry",
            context.coverage_sentence,
            context.release.release_id,
            str(context.release.manifest.get("registry_fingerprint", "not stated")),
        ),
        table=Table(pd.DataFrame(measures), ("name", "measure_id", "definition_version", "unit")),
    )


def _bridges(context: Context) -> None:
    for bridge in context.registry.data["bridges"]:
        st.subheader(wording.literal(str(bridge["name"])), anchor=False)
        paragraph(f"{bridge['whose']}. Source: {bridge['source']}. {bridge.get('caveat', '')}".strip())
        steps = [f"<li><b>{html.escape(s['name'])}</b>: {html.escape(s['sentence'])}</li>" for s in bridge["steps"]]
        st.html(f"<ol>{''.join(steps)}</ol>")


def _rules(context: Context) -> None:
    registry = context.registry.data
    names = {entry["reason"]: str(entry["name"]) for entry in registry["absence_reasons"]}
    responses = registry["responses"]

    def named(reasons: list[str]) -> str:
        return "; ".join(names[reason] for reason in reasons)

    paragraph(
        "Each looks at the register of one pupil's stay and year, and at nothing else. The signals themselves are for "
        "readers of pupils' rows alone. The queue of a school takes "
        f"{responses['pupils_in_queue_per_school_and_day']} pupils a day, in the order of these rules. An action "
        f"answers a signal within {responses['action_answers_within_school_days']} school days. No rule counts "
        "these reasons, which stand for characteristics protected in law: "
        f"{named(responses['reasons_never_counted'])}."
    )
    items = [
        f"<li><b>{html.escape(rule.name)}</b>: {html.escape(rule.text)}</li>"
        for rule in rules_in_words(context.registry)
    ]
    st.html(f"<ol>{''.join(items)}</ol>")


def _field(field: str) -> str:
    names = {"minimum_n": "Fewest pupils shown", "direction": "Better when", "valid_years": "Valid years"}
    return names.get(field) or wording.label(field)


def _value(measure: dict[Any, Any], field: str) -> str:
    value = measure[field]
    if wording.missing(value) or value == "":
        return wording.STATUS_WORDS["z"]
    if field == "boundary" and str(value).startswith("{"):
        parts = json.loads(str(value))
        return f"{parts['numerator']} is at least {parts['percent']}% of {parts['denominator']}, in whole numbers"
    return str(value)
