"""What was expected of a school that sent nothing tells its number of pupils, and so does the coverage of its trust."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.attacker.published import Tables, attacked

YEAR, EACH = "2024/25", {"session_marks": 118, "assessment_results": 1}
MEASURES = {"session_marks": "attendance_rate", "assessment_results": "mean_score_reading"}
SENT = {"100001": 32, "100002": 40, "100003": 52}
SILENT = "100004"


def trust(feed: str, silent: int, expected: bool, coverage: bool, of_two: int = 2) -> Tables:
    """A trust of four schools, one of which was to send what `silent` pupils have and sent nothing.

    expected, coverage: whether its own expected rows, and the coverage of trust and authority, are shown. of_two: of
    how many in two pupils of the others anything came.
    """
    due = {**SENT, SILENT: silent}
    came = {urn: n * of_two // 2 for urn, n in SENT.items()}
    schools = pd.DataFrame({"school_key": list(due), "urn": list(due), "laestab": list(due)})
    rows = [("school", urn, n, 50.0 * of_two) for urn, n in came.items()]
    share = 100.0 * sum(came.values()) / sum(due.values()) if coverage else np.nan
    rows += [(level, code, sum(came.values()), share) for level, code in (("trust", "T1"), ("la", "301"))]
    values = pd.DataFrame(rows, columns=["level", "unit_code", "n", "coverage"]).assign(
        academic_year=YEAR,
        period="YTD",
        measure_id=MEASURES[feed],
        definition_version=1,
        group_definition="all",
        group_dimension="all",
        group_value="all",
        numerator=lambda frame: frame["n"] * EACH[feed] * 0.9,
        denominator=lambda frame: frame["n"] * EACH[feed] * 1.0,
        value=90.0,
        ci_low=np.nan,
        ci_high=np.nan,
        status="ok",
    )
    amount = {urn: float(n * EACH[feed]) for urn, n in due.items()}
    sent = pd.DataFrame(
        {
            "academic_year": YEAR,
            "period": "YTD",
            "feed": feed,
            "school_key": list(due),
            "expected": [amount[urn] if urn != SILENT or expected else np.nan for urn in due],
            "received": [
                float(came[urn] * EACH[feed]) if urn != SILENT else 0.0 if expected else np.nan for urn in due
            ],
            "share": np.nan,
            "status": ["ok" if urn != SILENT or expected else "c" for urn in due],
        }
    )
    return {
        "measure_value": values,
        "coverage": sent,
        "dim_school": schools.assign(trust_code="T1", la_code="301"),
    }


@pytest.mark.parametrize("feed", EACH)
def test_what_a_small_school_was_to_send_tells_its_pupils(feed: str) -> None:
    found = [breach for breach in attacked(trust(feed, 4, True, False)) if breach.table == "coverage"]
    assert [(breach.row_key.split("|")[-1], breach.low) for breach in found] == [(SILENT, 4.0)]


@pytest.mark.parametrize("feed", EACH)
def test_the_coverage_of_its_trust_tells_them_too(feed: str) -> None:
    found = attacked(trust(feed, 4, False, True))
    assert {breach.row_key.split("|")[2] for breach in found} == {"trust", "la"}
    assert {breach.low for breach in found} == {4.0}


@pytest.mark.parametrize("feed", EACH)
@pytest.mark.parametrize(("silent", "shown"), [(4, False), (12, True)])
def test_nothing_is_told_where_both_are_hidden_nor_of_a_school_that_may_be_counted(
    feed: str, silent: int, shown: bool
) -> None:
    assert attacked(trust(feed, silent, shown, shown)) == []


def test_a_school_is_not_taken_for_smaller_because_half_the_pupils_of_the_others_have_no_mark() -> None:
    """What was expected of the others is then twice what their pupils with marks were to send."""
    assert attacked(trust("session_marks", 12, True, True, of_two=1)) == []


def test_nothing_is_made_of_coverage_where_what_another_school_sent_is_hidden() -> None:
    """One school sent three quarters, and its row of coverage is hidden: its lack is not a silent school's roll."""
    tables = trust("session_marks", 12, True, False)
    values, sent = tables["measure_value"], tables["coverage"]
    urn = next(iter(SENT))
    lost, own = SENT[urn] / 4, sent["school_key"].eq(urn)
    due = sum(SENT.values()) + 12
    values.loc[values["level"].ne("school"), "coverage"] = 100 * (sum(SENT.values()) - lost) / due
    sent.loc[own, ["expected", "received"]] = np.nan
    sent.loc[own, "status"] = "c"
    assert attacked(tables) == []


def test_value_added_is_no_result_that_a_school_was_to_send() -> None:
    """Results expected are one of each measure of attainment: by more measures than those, a school looks smaller."""
    tables = trust("assessment_results", 12, True, False)
    values = tables["measure_value"]
    added = values.assign(measure_id="value_added_reading")
    assert attacked({**tables, "measure_value": pd.concat([values, added], ignore_index=True)}) == []


SEX = {"F": 30, "M": 31}


def school_of_groups(silent: int, coverage: str = "shown", code_y: int = 0) -> Tables:
    """A school of girls and boys, of whom `silent` more, of sex X, sent nothing, beside one that sent everything.

    coverage: shown, or hidden of the groups. code_y: marks that came of the others and are no possible sessions.
    """
    due = {"1": {**SEX, "X": silent}, "2": {"F": 40}}
    each = EACH["session_marks"]
    rows = [
        (level, code, group, 0 if group == "X" else n, n)
        for urn, groups in due.items()
        for level, code in (("school", urn), ("trust", "T1"), ("la", "301"))
        for group, n in (*groups.items(), *(("all", n) for n in groups.values()))
    ]
    rows = [
        (level, code, group, 0 if group == "all" and n == silent else sent, n) for level, code, group, sent, n in rows
    ]
    keys = ["level", "unit_code", "group_value"]
    values = pd.DataFrame(rows, columns=[*keys, "n", "due"]).groupby(keys, as_index=False).sum()
    of_groups = values["group_value"].ne("all")
    values = values.assign(
        academic_year=YEAR,
        period="YTD",
        measure_id="attendance_rate",
        definition_version=1,
        group_definition=np.where(of_groups, "sex@census", "all"),
        group_dimension=np.where(of_groups, "sex", "all"),
        denominator=lambda frame: frame["n"] * each - code_y * frame["n"].gt(0) * (1 + ~of_groups),
        numerator=lambda frame: frame["denominator"] * 0.9,
        value=90.0,
        ci_low=np.nan,
        ci_high=np.nan,
        coverage=lambda frame: 100 * frame["n"] / frame["due"],
        status=lambda frame: np.where(frame["n"].gt(0), "ok", "x"),
    )
    if coverage == "hidden":
        values["coverage"] = values["coverage"].mask(of_groups)
    schools = pd.DataFrame({"school_key": list(due), "urn": list(due), "laestab": list(due)})
    sent = pd.DataFrame(
        {
            "academic_year": YEAR,
            "period": "YTD",
            "feed": "session_marks",
            "school_key": list(due),
            "expected": [float(sum(groups.values()) * each) for groups in due.values()],
            "received": [float(sum(n for sex, n in groups.items() if sex != "X") * each) for groups in due.values()],
            "share": np.nan,
            "status": "ok",
        }
    )
    return {
        "measure_value": values.drop(columns="due"),
        "coverage": sent,
        "dim_school": schools.assign(trust_code="T1", la_code="301"),
    }


def silent_groups(tables: Tables) -> list[tuple[str, float | None]]:
    return [(b.row_key, b.low) for b in attacked(tables) if b.quantity == "enrolments expected"]


def test_the_coverage_of_the_other_groups_of_a_school_tells_a_group_that_sent_nothing() -> None:
    found = silent_groups(school_of_groups(4))
    assert (f"{YEAR}|YTD|school|1|attendance_rate|1|all|all|all", 4.0) in found
    assert {low for _, low in found} == {4.0}


@pytest.mark.parametrize(("silent", "coverage"), [(4, "hidden"), (12, "shown")])
def test_it_tells_nothing_where_it_is_hidden_nor_of_a_group_that_may_be_counted(silent: int, coverage: str) -> None:
    assert silent_groups(school_of_groups(silent, coverage)) == []


def test_marks_that_are_no_possible_sessions_are_no_group_that_sent_nothing() -> None:
    """So many are of one group or the other that twelve may be anything: nothing is said for certain."""
    assert silent_groups(school_of_groups(12, code_y=900)) == []
