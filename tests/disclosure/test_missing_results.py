"""Coverage beside a number of pupils does not say that one or two have no result, nor how few all of those are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from quality.attacker import attack
from quality.attacker.cells import TABLE_KEYS
from quality.attacker.cells import row_keys as joined_keys
from quality.disclosure import MEASURE_VALUE_KEY, Marts, write_pattern
from quality.disclosure.cells import GAP_KEY, row_key
from quality.disclosure.missing_results import coverage_pattern, lacking_rows, missing_problem
from quality.disclosure.problems import share_stages
from quality.disclosure.secondary import Choice
from tests.disclosure.test_disclosure import NO_MODEL, NO_PERIODS, REGISTRY, warehouse
from tests.disclosure.trusts import YEAR

SCORE, ADDED, OTHER = "mean_score_reading", "value_added_reading", "mean_score_maths"
SEX, SEN = ("sex@census", "sex"), ("sen@census", "sen")
Pupils = dict[tuple[str, str, str], tuple[int, int]]  # school, sex, SEN: expected, without a score
# Two schools and two groups of either sort; whoever is in which, only one boy with K in school 1 has no score.
ONE_WITHOUT: Pupils = {
    (school, sex, sen): (31, int((school, sex, sen) == ("1", "M", "K")))
    for school in "123"
    for sex in "FM"
    for sen in "KN"
}
TIERS = ("public", "leaders")


def due_of(pupils: Pupils, extra: int = 0) -> pd.DataFrame:
    """Figures of a trust with what was due. extra: of how many of each lot value added is not known besides."""
    rows = []
    for (school, sex, sen), (expected, without) in pupils.items():
        for level, code in (("school", school), ("trust", "T1"), ("la", "301")):
            for (definition, dimension), value in ((("all", "all"), "all"), (SEX, sex), (SEN, sen)):
                for measure, lack in ((SCORE, without), (ADDED, without and without + extra)):
                    rows.append((level, code, measure, definition, dimension, value, expected, expected - lack))
    columns = ["level", "unit_code", "measure_id", "group_definition", "group_dimension", "group_value"]
    frame = pd.DataFrame(rows, columns=[*columns, "expected", "received"]).groupby(columns, as_index=False).sum()
    frame = frame.assign(academic_year=YEAR, period="YTD", definition_version=1)
    return frame[[*MEASURE_VALUE_KEY, "expected", "received"]].astype({"expected": float, "received": float})


def marts_of(due: pd.DataFrame) -> Marts:
    """What the marts hold of these pupils: their figures, gaps between the sexes, value added by school."""
    values = due.assign(
        n=due["received"].astype("int64"), numerator=due["received"] / 2, denominator=due["received"], status="ok"
    ).drop(columns=["expected", "received"])
    sexes = values[values["group_dimension"].eq("sex")]
    key = [column for column in MEASURE_VALUE_KEY if column != "group_value"]
    own, other = (sexes[sexes["group_value"].eq(value)] for value in "MF")
    gap = own.merge(other[[*key, "n"]], on=key, suffixes=("_group", "_comparator")).assign(comparator="F")
    added = values[values["level"].eq("school") & values["group_dimension"].eq("all") & values["measure_id"].eq(ADDED)]
    progress = added[["academic_year", "measure_id", "n"]].assign(school_key=added["unit_code"], urn=added["unit_code"])
    codes = sorted(set(due.loc[due["level"].eq("school"), "unit_code"]))
    schools = pd.DataFrame({"school_key": codes, "urn": codes, "trust": "T1", "la": "301"})
    return Marts(values, gap, progress.reset_index(drop=True), NO_MODEL, schools, NO_PERIODS)


def hidden_of(due: pd.DataFrame) -> pd.DataFrame:
    return coverage_pattern(due.assign(status="ok"), marts_of(due), REGISTRY, dict.fromkeys(TIERS, ()), {})


def published(due: pd.DataFrame, hidden: Mapping[str, set[str]]) -> dict[str, pd.DataFrame]:
    """The tables of a tier that hides of each table these rows' coverage."""
    marts = marts_of(due)
    values = marts.measure_value.assign(coverage=100 * due["received"] / due["expected"], value=0.5)
    values["coverage"] = values["coverage"].round(7)
    sexes = due[due["group_dimension"].eq("sex") & due["group_value"].isin(["F", "M"])]
    sexes = sexes.drop(columns=["group_value", "group_definition"])
    both = sexes.groupby([column for column in MEASURE_VALUE_KEY if column in sexes], as_index=False).sum()
    gap = marts.gap.merge(both).assign(coverage=lambda rows: 100 * rows["received"] / rows["expected"])
    gap = gap.drop(columns=["expected", "received"])
    everybody = due[due["level"].eq("school") & due["group_dimension"].eq("all")].assign(school_key=due["unit_code"])
    progress = marts.progress_school.merge(everybody[["measure_id", "school_key", "expected", "received"]])
    progress = progress.assign(coverage=100 * progress["received"] / progress["expected"], status="ok")
    scores = everybody[everybody["measure_id"].isin([SCORE, OTHER])]
    sent = scores.groupby(["academic_year", "period", "school_key"], as_index=False)[["expected", "received"]].sum()
    sent = sent.assign(feed="assessment_results", share=np.nan, status="ok")
    tables = {"measure_value": values, "gap": gap, "progress_school": progress.drop(columns=["expected", "received"])}
    for name, frame in tables.items():
        gone = joined_keys(frame, TABLE_KEYS[name]).isin(hidden.get(f"{name}.coverage", set()))
        tables[name] = frame.assign(coverage=frame["coverage"].mask(gone))
    sent = sent[~joined_keys(sent, TABLE_KEYS["coverage"]).isin(hidden.get("coverage", set()))]
    schools = marts.schools.rename(columns={"trust": "trust_code", "la": "la_code"}).assign(laestab="")
    return {
        **tables,
        "coverage": sent[[*TABLE_KEYS["coverage"], "expected", "received", "share", "status"]],
        "dim_school": schools,
    }


def by_table(pattern: pd.DataFrame, tier: str) -> dict[str, set[str]]:
    mine = pattern[pattern["tier"].eq(tier)]
    return {str(table): set(rows["row_key"]) for table, rows in mine.groupby("table_name")}


def told(due: pd.DataFrame, hidden: Mapping[str, set[str]], tier: str) -> set[tuple[float | None, float | None]]:
    """What the attacker finds out of pupils without a result."""
    found = attack(published(due, hidden), REGISTRY, tier)
    return {(b.low, b.high) for b in found}


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("without", [1, 2])
def test_one_or_two_without_a_result_are_not_told(tier: str, without: int) -> None:
    due = due_of(ONE_WITHOUT | {("1", "M", "K"): (31, without)})
    hidden = by_table(hidden_of(due), tier)
    assert f"{YEAR}|YTD|school|1|{SCORE}|1|all|all|all" in hidden["measure_value.coverage"]
    assert f"{YEAR}|YTD|school|1|{SCORE}|1|{'|'.join(SEX)}|M|F" in hidden["gap.coverage"]
    assert f"{YEAR}|{ADDED}|1" in hidden["progress_school.coverage"]
    assert f"{YEAR}|YTD|assessment_results|1" in hidden["coverage"]
    assert told(due, hidden, tier) == set()


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("shown", ["all", "siblings", "gap.coverage", "progress_school.coverage", "coverage"])
def test_the_attacker_finds_out_what_any_of_it_tells(tier: str, shown: str) -> None:
    lacking_too = {("1", "F", "N"): (31, 5)} if shown == "siblings" else {}
    due = due_of(ONE_WITHOUT | lacking_too)
    pattern = hidden_of(due)
    if shown == "all":
        hidden = {}
    elif shown == "siblings":
        hidden = by_table(pattern[~pattern["reason"].eq("secondary")], tier)
    else:
        hidden = by_table(pattern[~pattern["table_name"].eq(shown)], tier)
    assert (1.0, 1.0) in told(due, hidden, tier)


@pytest.mark.parametrize("tier", TIERS)
def test_what_a_school_sent_tells_of_one_measure_less_another(tier: str) -> None:
    """Six results lack, five of them in maths: so one in reading."""
    due = due_of(ONE_WITHOUT)
    maths = due[due["measure_id"].eq(SCORE)].assign(measure_id=OTHER)
    maths["received"] = maths["expected"] - 5 * (maths["expected"] - maths["received"])
    due = pd.concat([due, maths], ignore_index=True)
    hidden = by_table(hidden_of(due), tier)
    assert told(due, hidden, tier) == set()
    assert (1.0, 1.0) in told(due, hidden | {"coverage": set()}, tier)


@pytest.mark.parametrize("tier", TIERS)
def test_the_coverage_of_one_measure_tells_who_lacks_the_other_of_its_assessment(tier: str) -> None:
    due = due_of(ONE_WITHOUT)
    of_score = due["measure_id"].eq(SCORE)
    due.loc[of_score, "received"] = due.loc[of_score, "expected"]
    hidden = by_table(hidden_of(due), tier)
    assert told(due, hidden, tier) == set()
    own = {key for key in hidden["measure_value.coverage"] if ADDED in key}
    assert (1.0, 1.0) in told(due, hidden | {"measure_value.coverage": own}, tier)


def with_maths(due: pd.DataFrame, more_lacking: int = 0, more_expected: int = 0) -> pd.DataFrame:
    """Maths besides: of as many pupils and `more_expected` in every school's boys with K, so many more lacking one."""
    maths = due[due["measure_id"].eq(SCORE)].assign(measure_id=OTHER, received=lambda rows: rows["expected"])
    lots = {"school": 1, "trust": 3, "la": 3}
    has_them = maths["group_value"].isin(["all", "M", "K"])
    maths["expected"] += more_expected * has_them * maths["level"].map(lots)
    maths["received"] += (more_expected - more_lacking) * has_them * maths["level"].map(lots)
    return pd.concat([due, maths], ignore_index=True)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("more_lacking", [0, 5])
def test_the_coverage_of_maths_tells_who_lacks_a_result_in_reading(tier: str, more_lacking: int) -> None:
    """Both subjects expect the same pupils, so one's coverage and the other's number say how many have none."""
    due = with_maths(due_of(ONE_WITHOUT), more_lacking)
    hidden = by_table(hidden_of(due), tier)
    assert told(due, hidden, tier) == set()
    of_reading = {name: {key for key in keys if OTHER not in key} for name, keys in hidden.items()}
    assert of_reading != hidden
    assert (1.0, 1.0) in told(due, of_reading, tier)


@pytest.mark.parametrize("tier", TIERS)
def test_two_subjects_that_expect_other_pupils_are_not_taken_for_one(tier: str) -> None:
    """What is presumed of two subjects and turns out wrong refuses no release."""
    due = with_maths(due_of(ONE_WITHOUT), more_expected=4)
    assert told(due, by_table(hidden_of(due), tier), tier) == set()
    untrue = due[~due["level"].eq("la")]
    assert told(untrue, by_table(hidden_of(untrue), tier), tier) == set()


@pytest.mark.parametrize("tier", TIERS)
def test_a_school_whose_subjects_expect_other_pupils_keeps_no_other_school_safe(tier: str) -> None:
    due = with_maths(due_of(ONE_WITHOUT))
    elsewhere = due["unit_code"].isin(["3", "T1", "301"]) & due["group_value"].isin(["all", "F", "N"])
    due.loc[elsewhere & due["measure_id"].eq(OTHER), ["expected", "received"]] += 4
    hidden = by_table(hidden_of(due), tier)
    assert told(due, hidden, tier) == set()
    of_reading = {name: {key for key in keys if OTHER not in key} for name, keys in hidden.items()}
    assert (1.0, 1.0) in told(due, of_reading, tier)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("without", [0, 3, 12])
def test_that_nobody_or_many_lack_a_result_is_no_secret(tier: str, without: int) -> None:
    due = due_of(ONE_WITHOUT | {("1", "M", "K"): (31, without)})
    assert by_table(hidden_of(due), tier) == {}
    assert told(due, {}, tier) == set()


def test_who_lacks_value_added_is_protected_though_all_have_a_score() -> None:
    """Both measures say how many were expected: neither's coverage is shown beside the other's number of pupils."""
    due = due_of(ONE_WITHOUT)
    of_score = due["measure_id"].eq(SCORE)
    due.loc[of_score, "received"] = due.loc[of_score, "expected"]
    hidden = by_table(hidden_of(due), "leaders")
    keys = {key for key in hidden["measure_value.coverage"] if "|school|1|" in key and key.endswith("|all")}
    assert {key.split("|")[4] for key in keys} == {SCORE, ADDED}


@pytest.mark.parametrize(("silent", "is_hidden"), [(4, True), (12, False)])
def test_few_of_whom_nobody_has_a_result_are_not_told_from_the_others(silent: int, is_hidden: bool) -> None:
    pupils: Pupils = {key: (31, 0) for key in ONE_WITHOUT if key[2] == "N"}
    due = due_of(pupils | {("1", "M", "K"): (silent, silent)})
    hidden = by_table(hidden_of(due), "public")
    assert (hidden != {}) is is_hidden
    assert ((float(silent), float(silent)) in told(due, {}, "public")) is is_hidden
    assert told(due, hidden, "public") == set()


def test_what_leaders_may_not_see_is_hidden_from_the_public_too_and_decided_once() -> None:
    due = due_of(ONE_WITHOUT)
    solved: dict[str, Choice] = {}
    pattern = coverage_pattern(due.assign(status="ok"), marts_of(due), REGISTRY, dict.fromkeys(TIERS, ()), solved)
    leaders, public = by_table(pattern, "leaders"), by_table(pattern, "public")
    assert leaders["measure_value.coverage"] <= public["measure_value.coverage"]
    assert solved


def test_coverage_that_stands_is_neither_chosen_nor_lowered_again(monkeypatch: pytest.MonkeyPatch) -> None:
    due = due_of(ONE_WITHOUT).assign(status="ok")
    solved: dict[str, Choice] = {}
    first = coverage_pattern(due, marts_of(due), REGISTRY, dict.fromkeys(TIERS, ()), solved)
    # What hiding everything would leave known is found out by these ranges too, and takes longest of all.
    monkeypatch.delattr("quality.disclosure.secondary.narrow_ranges")
    again = coverage_pattern(due, marts_of(due), REGISTRY, dict.fromkeys(TIERS, ()), solved)
    pd.testing.assert_frame_equal(again, first)
    with pytest.raises(NameError, match="narrow_ranges"):
        coverage_pattern(due, marts_of(due), REGISTRY, dict.fromkeys(TIERS, ()), {})


def test_a_row_that_is_hidden_as_a_whole_is_not_hidden_again() -> None:
    due = due_of(ONE_WITHOUT)
    gone = set(row_key(due[due["group_value"].eq("M") & due["unit_code"].eq("1")], MEASURE_VALUE_KEY))
    pattern = coverage_pattern(
        due.assign(status="ok"),
        marts_of(due),
        REGISTRY,
        {tier: {("measure_value", key) for key in gone} for tier in TIERS},
        {},
    )
    hidden = by_table(pattern, "leaders")
    assert not hidden["measure_value.coverage"] & gone
    assert f"{YEAR}|YTD|school|1|{SCORE}|1|all|all|all" in hidden["measure_value.coverage"]


def test_the_warehouse_hides_it_from_both_tiers_beside_what_it_hides_of_figures() -> None:
    due = due_of(ONE_WITHOUT)
    connection = warehouse(replace(marts_of(due), progress_school=marts_of(due).progress_school.head(0)))
    of_schools = due[due["level"].eq("school")].assign(school_key=lambda rows: rows["unit_code"])
    connection.register("due", of_schools)
    connection.execute(
        "insert into aggregates.measure_sum by name select * exclude (level, unit_code, definition_version) from due"
    )
    write_pattern(connection, REGISTRY)
    found = connection.execute("select tier, table_name, row_key from disclosure.pattern order by all").fetchall()
    pattern = hidden_of(due)
    pattern = pattern[~pattern["table_name"].eq("progress_school.coverage")]
    assert found == sorted(pattern[["tier", "table_name", "row_key"]].itertuples(index=False, name=None))


@pytest.mark.parametrize("tier", TIERS)
def test_a_group_of_whom_nobody_has_a_result_has_somebody_in_it(tier: str) -> None:
    """Two pupils with K and three with E have no score, and the others all have one: K are 1 to 4, not 0 to 5."""
    due = due_of({("1", "F", "N"): (20, 0), ("1", "M", "N"): (20, 0), ("1", "M", "K"): (2, 2), ("1", "M", "E"): (3, 3)})
    assert (1.0, 4.0) in told(due, {}, tier)
    assert told(due, by_table(hidden_of(due), tier), tier) == set()


@pytest.mark.parametrize(("status", "is_bound"), [("ok", True), ("u", False)])
def test_the_status_of_value_added_of_few_pupils_does_not_say_how_much_came(status: str, is_bound: bool) -> None:
    """Half of 14 have value added. `ok` says that no more than 7 lack it, `u` may only say that 7 are few."""
    due = due_of({("1", "F", "N"): (7, 3), ("1", "M", "N"): (7, 4)})
    rows = lacking_rows(due.assign(status=status))
    shown = np.zeros(len(rows), dtype=bool)
    (stage,) = share_stages(rows, marts_of(due), REGISTRY)
    system = missing_problem(stage, rows, marts_of(due).gap, REGISTRY, "leaders", shown, shown).views[0].system
    everybody = stage.cells["family"].eq(ADDED) & stage.cells["group_dimension"].eq("all")
    places = np.flatnonzero(everybody)
    assert len(places) == 3
    assert ((system.up[places] == 0) == is_bound).all()


@pytest.mark.parametrize("tier", TIERS)
def test_the_status_of_a_gap_does_not_tell_what_its_hidden_coverage_would(tier: str) -> None:
    """Of 30 boys 10 have a score, of 31 girls 20, and the one of unknown sex has none. Everybody and the girls show
    their coverage. By the gap's status more boys and girls lack a score than have one: 20 boys at the least, of the 21
    who are no girls.
    """
    due = due_of({("1", "M", "N"): (30, 20), ("1", "F", "N"): (31, 11), ("1", "U", "N"): (1, 1)})
    status = np.where(due["received"] == 0, "x", np.where(2 * due["received"] < due["expected"], "u", "ok"))

    def found_out(hidden: Mapping[str, set[str]], status_of_gaps: str) -> set[tuple[float | None, float | None]]:
        tables = published(due, hidden)
        tables["measure_value"]["status"], tables["gap"]["status"] = status, status_of_gaps
        tables["progress_school"]["status"] = "u"
        return {(breach.low, breach.high) for breach in attack(tables, REGISTRY, tier)}

    boys = set(row_key(due[due["group_value"].eq("M")], MEASURE_VALUE_KEY))
    hidden = {"measure_value.coverage": boys, "gap.coverage": set(row_key(marts_of(due).gap, GAP_KEY))}
    assert (1.0, 1.0) not in found_out(hidden, "c")
    assert (1.0, 1.0) in found_out(hidden, "u")
    pattern = coverage_pattern(due.assign(status=status), marts_of(due), REGISTRY, {name: set() for name in TIERS}, {})
    assert found_out(by_table(pattern, tier), "u") == set()
