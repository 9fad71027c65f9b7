"""The two suppressors' errors that everybody makes first, and what the real suppressor does instead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from quality.attacker.cells import GAP_KEY
from quality.disclosure import Marts
from tests.attacker.published import attacked, published, row_keys, suppressed

YEAR = "2024/25"
WEEKS = [f"W2024-{week}" for week in range(36, 40)]
SCHOOLS = pd.DataFrame({"school_key": ["1"], "urn": ["1"], "trust": ["T1"], "la": ["301"]})


def one_school(counts: list[int]) -> Marts:
    """One school's groups in file order, and everybody, of one mean score."""
    values = [str(number) for number in range(len(counts))]
    frame = pd.DataFrame(
        {
            "group_definition": ["sen@census"] * len(counts) + ["all"],
            "group_dimension": ["sen"] * len(counts) + ["all"],
            "group_value": [*values, "all"],
            "n": [*counts, sum(counts)],
        }
    ).assign(
        academic_year=YEAR,
        period="YTD",
        level="school",
        unit_code="1",
        measure_id="mean_score_reading",
        definition_version=1,
        numerator=np.nan,
        denominator=np.nan,
    )
    return Marts(
        frame,
        pd.DataFrame(columns=[*GAP_KEY, "n_group", "n_comparator"]),
        pd.DataFrame(columns=["academic_year", "measure_id", "school_key", "urn", "n"]),
        pd.DataFrame(columns=["academic_year", "measure_id", "method", "n_pupils"]),
        SCHOOLS,
        pd.DataFrame(columns=["academic_year", "whole", "part"]),
    )


def hide(marts: Marts, groups: list[str]) -> dict[str, set[str]]:
    values = marts.measure_value
    return {"measure_value": set(row_keys(values, "measure_value")[values["group_value"].isin(groups)])}


def test_a_lone_hidden_group_is_what_the_others_leave_of_the_total() -> None:
    marts = one_school([80, 3, 150])
    found = attacked(published(marts, hide(marts, ["1"])))
    assert [(breach.kind, breach.low, breach.high) for breach in found] == [("exact", 3, 3)]
    assert "the groups add up to everybody" in found[0].identities[0]
    assert attacked(published(marts, suppressed(marts))) == []


def test_an_empty_group_covers_nothing() -> None:
    marts = one_school([3, 0])
    found = attacked(published(marts, hide(marts, ["0"])))
    assert {(breach.kind, breach.low) for breach in found} == {("exact", 3), ("shown", 3)}
    assert attacked(published(marts, suppressed(marts))) == []


def test_a_list_of_pupils_tells_of_a_school_only_where_no_table_shows_its_number() -> None:
    """Who reads leaders' tables reads the public's too: what leaders are shown is no secret because the public's is."""
    marts = one_school([8])
    hidden, shown = published(marts, hide(marts, ["0", "all"])), published(marts, {})
    lists = pd.DataFrame([{"delivery_id": "d1", "feed": "pupils", "laestab": "1", "rows_accepted": 8}])
    of_both = {f"{folder}/{name}": frame for folder in ("public", "leaders") for name, frame in shown.items()}
    of_both |= {"public/measure_value": hidden["measure_value"], "leaders/delivery": lists}
    assert attacked(of_both, "leaders") == []
    found = attacked(of_both | {"leaders/measure_value": hidden["measure_value"]}, "leaders")
    assert [(breach.table, breach.row_key) for breach in found if breach.quantity == "rows_accepted"] == [
        ("leaders/delivery", "d1")
    ]


def with_sessions(marts: Marts, unauthorised: list[int]) -> Marts:
    """The same pupils' unauthorised absence: their sessions in the order of the groups, a hundred possible of each."""
    values = marts.measure_value
    return replace(
        marts,
        measure_value=values.assign(
            measure_id="unauthorised_absence_rate",
            numerator=[*map(float, unauthorised), float(sum(unauthorised))],
            denominator=100.0 * values["n"],
        ),
    )


def test_that_few_pupils_missed_nothing_is_not_left_by_the_groups_that_missed_it_all() -> None:
    marts = with_sessions(one_school([40, 12, 4]), [30, 0, 0])
    found = attacked(published(marts, hide(marts, ["1", "2"])))
    assert {(breach.quantity, breach.low, breach.high) for breach in found} == {("sessions unauthorised", 0, 0)}
    hidden = suppressed(marts)
    assert hidden["measure_value"] == hide(marts, ["0", "2"])["measure_value"]
    assert attacked(published(marts, hidden)) == []


def test_sessions_are_not_left_within_a_few_per_cent_by_groups_that_had_one() -> None:
    """Two schools and their trust: what few pupils missed moves only by the one session of the group that covers it."""
    schools = pd.DataFrame({"school_key": ["1", "2"], "urn": ["1", "2"], "trust": "T1", "la": ["301", "302"]})
    one, two = (
        with_sessions(one_school([60, 12, 4]), [300, 1, 100]).measure_value.assign(unit_code=code)
        for code in schools["urn"]
    )
    added = {name: 2 * one[name] for name in ("n", "numerator", "denominator")}
    values = pd.concat([one, two, one.assign(level="trust", unit_code="T1", **added)], ignore_index=True)
    marts = replace(one_school([60, 12, 4]), measure_value=values, schools=schools)
    covered = values["level"].eq("school") & values["group_value"].isin(["1", "2"])
    hidden = {"measure_value": set(row_keys(values, "measure_value")[covered])}
    found = {(b.quantity, b.low, b.high) for b in attacked(published(marts, hidden), "leaders")}
    assert ("sessions unauthorised", 99, 101) in found
    assert attacked(published(marts, suppressed(marts, "leaders")), "leaders") == []


def attendance(pupils: int, possible: int, missed: int, often: int, severely: int = 0, **place: str) -> pd.DataFrame:
    """A period of one school's pupils: their sessions, and how many of them were absent often and severely."""
    everybody = one_school([pupils]).measure_value.query("group_dimension == 'all'")
    shares = {
        "overall_absence_rate": (missed, possible),
        "attendance_rate": (possible - missed, possible),
        "persistent_absence_rate": (often, pupils),
        "severe_absence_rate": (severely, pupils),
    }
    return pd.concat(
        everybody.assign(measure_id=measure, numerator=float(top), denominator=float(bottom), **place)
        for measure, (top, bottom) in shares.items()
    )


def of_persistent_absence(marts: Marts, **place: str) -> set[str]:
    values = marts.measure_value
    wanted = {"measure_id": "persistent_absence_rate", **place}
    own = np.logical_and.reduce([values[column].eq(value) for column, value in wanted.items()])
    return set(row_keys(values, "measure_value")[own])


@pytest.mark.parametrize("second", [(30, 6, 4), (12, 0, 0)], ids=["some missed a session", "nobody did"])
def test_what_one_missed_session_tells_of_a_share_is_hidden_and_neither_the_number_nor_the_year_is(
    second: tuple[int, int, int],
) -> None:
    """A week of thirty pupils with one session missed says that no more than one was absent for a tenth of it.

    The week that covers it is a cheap one: where nobody missed anything, it lets the first be thought less, not more.
    """
    weeks = dict(zip(WEEKS, [(30, 1, 1), second, (30, 7, 5), (30, 9, 6)], strict=True))
    of_weeks = [attendance(n, 10 * n, missed, often, period=week) for week, (n, missed, often) in weeks.items()]
    possible, missed = (sum(part) for part in zip(*((10 * n, m) for n, m, _ in weeks.values()), strict=True))
    values = pd.concat([*of_weeks, attendance(30, possible, missed, 4, period="YTD")], ignore_index=True)
    periods = pd.DataFrame({"academic_year": YEAR, "whole": "YTD", "part": list(weeks)})
    marts = replace(one_school([30]), measure_value=values, periods=periods)
    bare = of_persistent_absence(marts, period=WEEKS[0])
    assert "primary" in {b.kind for b in attacked(published(marts, {"measure_value": bare}))}
    hidden = suppressed(marts)["measure_value"]
    assert bare < hidden
    assert attacked(published(marts, {"measure_value": hidden})) == []
    assert not [key for key in hidden if "|YTD|" in key or "|severe_absence_rate|" in key]


@pytest.mark.parametrize(
    "weeks",
    [
        [(300, 1, 1, 0), (300, 9, 2, 1), (300, 8, 2, 1), (300, 10, 2, 1)],
        [(292, 1, 1, 1), (300, 9, 4, 0), (300, 8, 4, 0), (300, 10, 4, 0)],
    ],
    ids=["the week that covers it", "the week itself"],
)
def test_a_number_of_pupils_that_no_row_is_left_to_show_is_hidden_as_a_number(
    weeks: list[tuple[int, int, int, int]],
) -> None:
    """Both shares of a week are of one or two pupils and its sessions cover others: nothing shows how many they are."""
    frames = [
        attendance(30, possible, missed, often, severely, period=week)
        for week, (possible, missed, often, severely) in zip(WEEKS, weeks, strict=True)
    ]
    possible, missed = (sum(week[place] for week in weeks) for place in (0, 1))
    values = pd.concat([*frames, attendance(30, possible, missed, 4, period="YTD")], ignore_index=True)
    periods = pd.DataFrame({"academic_year": YEAR, "whole": "YTD", "part": WEEKS})
    marts = replace(one_school([30]), measure_value=values, periods=periods)
    assert attacked(published(marts, suppressed(marts))) == []


def test_a_share_whose_sessions_are_hidden_is_not_left_none_or_one_by_a_school_that_had_none() -> None:
    """Its sessions no longer say that it is one at the most: the trust's other schools must not say so either, and what
    covers it is the school that can, not the cheaper one that cannot."""
    schools = pd.DataFrame({"school_key": ["1", "2", "3"], "urn": ["1", "2", "3"], "trust": "T1", "la": "301"})
    sizes = [(30, 1, 1), (12, 8, 0), (30, 9, 5)]
    of_schools = [
        attendance(n, 9 * n, missed, often, period=WEEKS[0], unit_code=urn)
        for urn, (n, missed, often) in zip(schools["urn"], sizes, strict=True)
    ]
    n, missed, often = (sum(part) for part in zip(*sizes, strict=True))
    whole = attendance(n, 9 * n, missed, often, period=WEEKS[0], level="trust", unit_code="T1")
    marts = replace(one_school([30]), measure_value=pd.concat([*of_schools, whole], ignore_index=True), schools=schools)
    hidden = suppressed(marts)["measure_value"]
    assert hidden & of_persistent_absence(marts) == {
        key for urn in ("1", "3") for key in of_persistent_absence(marts, unit_code=urn)
    }
    assert attacked(published(marts, {"measure_value": hidden})) == []


def test_a_column_of_noughts_is_no_evidence_of_a_sum() -> None:
    """Where every shown cell has 0 of a sort, absent + unauthorised = authorised holds there and is not so."""
    schools = [one_school([30 + number, 12, 4]) for number in range(30)]
    frames = []
    for number, marts in enumerate(schools):
        for column, sessions in (("overall_absence", 9), ("authorised_absence", 9), ("unauthorised_absence", 0)):
            values = marts.measure_value.assign(unit_code=str(number), measure_id=f"{column}_rate")
            values = values.assign(numerator=float(sessions) * values["n"], denominator=100.0 * values["n"])
            frames.append(values)
    keys = [str(number) for number in range(30)]
    units = pd.DataFrame({"school_key": keys, "urn": keys, "trust": [f"T{key}" for key in keys], "la": "301"})
    several = replace(schools[0], measure_value=pd.concat(frames, ignore_index=True), schools=units)
    hidden = hide(several, ["0", "1", "2"])
    values = several.measure_value
    everybody = values["unit_code"].eq("0") & values["measure_id"].ne("overall_absence_rate")
    hidden["measure_value"] |= set(row_keys(values, "measure_value")[everybody])
    assert [b.sentence() for b in attacked(published(several, hidden)) if "sessions" in b.quantity] == []


def test_that_nobody_missed_anything_is_no_secret_where_the_school_says_so() -> None:
    marts = with_sessions(one_school([40, 12, 4]), [0, 0, 0])
    hidden = suppressed(marts)
    assert hidden["measure_value"] == hide(marts, ["1", "2"])["measure_value"]
    assert attacked(published(marts, hidden)) == []


def test_that_nobody_missed_anything_is_no_secret_where_the_trust_says_so_of_every_group() -> None:
    """The trust's groups are shown at 0 and its total is not: they say of everybody in the school what it says."""
    school = with_sessions(one_school([40, 12, 14]), [0, 0, 0])
    values = [school.measure_value.assign(unit_code=code) for code in "12"]
    trust = values[0].assign(
        level="trust", unit_code="T1", n=2 * values[0]["n"], denominator=2 * values[0]["denominator"]
    )
    schools = pd.DataFrame({"school_key": ["1", "2"], "urn": ["1", "2"], "trust": "T1", "la": "301"})
    marts = replace(school, measure_value=pd.concat([*values, trust], ignore_index=True), schools=schools)
    frame = marts.measure_value
    gone = frame["unit_code"].eq("1") | (frame["unit_code"].eq("T1") & frame["group_value"].eq("all"))
    hidden = {"measure_value": set(row_keys(frame, "measure_value")[gone])}
    assert [breach for breach in attacked(published(marts, hidden)) if "unauthorised" in breach.quantity] == []


@pytest.mark.parametrize("tier", ["public", "leaders"])
@pytest.mark.parametrize("counts", [[1], [4], [60], [1, 0], [60, 0], [0, 0, 5], [4, 3]])
def test_one_pupil_one_group_and_a_group_that_is_everyone_give_nothing_away(counts: list[int], tier: str) -> None:
    marts = one_school(counts)
    assert attacked(published(marts, suppressed(marts, tier)), tier) == []


@pytest.mark.parametrize("tier", ["public", "leaders"])
def test_a_table_without_totals_gives_nothing_away(tier: str) -> None:
    marts = one_school([80, 3, 150])
    without = replace(marts, measure_value=marts.measure_value[marts.measure_value["group_dimension"].ne("all")])
    hidden = suppressed(without, tier)
    assert len(hidden["measure_value"]) == 1
    assert attacked(published(without, hidden), tier) == []
