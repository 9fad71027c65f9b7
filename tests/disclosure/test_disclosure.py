"""No hidden figure can be worked out from what is shown, however the rows are ordered."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.registry import read_registry
from orchestration.ledger import write_patterns
from quality.disclosure import (
    GAP_KEY,
    MEASURE_VALUE_KEY,
    PATTERN_COLUMNS,
    Marts,
    decide,
    decide_pattern,
    write_pattern,
)
from quality.disclosure.cells import read_marts
from quality.disclosure.pattern import Before
from quality.disclosure.secondary import Choice, Limits, Problem, choose
from quality.ledger.decision import NO_LEDGER_SQL
from tests.disclosure.trusts import PROPORTIONS, YEAR, breaches, random_trust, row_key

REGISTRY = read_registry(Path(__file__).parents[2] / "dbt_project" / "registry")
SCHOOLS = pd.DataFrame({"school_key": ["1"], "urn": ["1"], "trust": ["T1"], "la": ["301"]})
NO_PROGRESS = pd.DataFrame(columns=["academic_year", "measure_id", "school_key", "urn", "n"])
NO_MODEL = pd.DataFrame(columns=["academic_year", "measure_id", "method", "n_pupils"])
FEW_TRUSTS = (0, 5, 6, 7, 1)
NO_PERIODS = pd.DataFrame(columns=["academic_year", "whole", "part"])


def marts_of(rows: list[dict[str, object]], schools: pd.DataFrame = SCHOOLS, **tables: pd.DataFrame) -> Marts:
    """Rows of measure_value, each only as far as it differs from one school's mean score of everybody."""
    common = {
        "academic_year": YEAR,
        "period": "YTD",
        "level": "school",
        "unit_code": "1",
        "measure_id": "mean_score_reading",
        "definition_version": 1,
        "group_definition": "all",
        "group_dimension": "all",
        "group_value": "all",
        "numerator": np.nan,
        "denominator": np.nan,
    }
    gap = pd.DataFrame(columns=[*GAP_KEY, "n_group", "n_comparator"])
    given_tables = {
        "gap": gap,
        "progress_school": NO_PROGRESS,
        "progress_model": NO_MODEL,
        "periods": NO_PERIODS,
        **tables,
    }
    return Marts(measure_value=pd.DataFrame([{**common, **row} for row in rows]), schools=schools, **given_tables)


def groups(counts: list[int], dimension: str = "sen") -> list[dict[str, object]]:
    """A school's groups and, last, everybody."""
    parts = [
        {"group_definition": dimension, "group_dimension": dimension, "group_value": str(i), "n": count}
        for i, count in enumerate(counts)
    ]
    return [*parts, {"n": sum(counts)}]


def hidden_groups(marts: Marts, tier: str = "public") -> set[str]:
    return {key.split("|")[-1] for key in decide_pattern(marts, REGISTRY, tier)["row_key"]}


def test_a_lone_small_group_takes_the_next_smallest_along() -> None:
    """[80, 3, 150] with its total: hiding 3 alone gives it back as 233 - 80 - 150."""
    assert hidden_groups(marts_of(groups([80, 3, 150]))) == {"0", "1"}


def test_a_small_group_beside_an_empty_one_takes_the_total_along() -> None:
    """[3, 0]: an empty group covers nothing, so what everybody comes to is hidden too."""
    assert hidden_groups(marts_of(groups([3, 0]))) >= {"0", "all"}
    assert hidden_groups(marts_of(groups([60, 0, 3]))) == {"0", "2"}


def test_hidden_groups_together_come_to_at_least_the_minimum() -> None:
    assert hidden_groups(marts_of(groups([2, 3, 40, 90]))) == {"0", "1", "2"}
    assert hidden_groups(marts_of(groups([7, 8, 40, 90]))) == {"0", "1"}


def test_leaders_see_what_the_public_does_not() -> None:
    marts = marts_of(groups([80, 7, 150]))
    assert hidden_groups(marts, "leaders") == set()
    assert hidden_groups(marts, "public") == {"0", "1"}


def test_a_trust_of_one_school_is_hidden_with_it() -> None:
    marts = marts_of(
        [{"n": 4}, {"n": 4, "level": "trust", "unit_code": "T1"}, {"n": 4, "level": "la", "unit_code": "301"}]
    )
    assert len(decide_pattern(marts, REGISTRY, "leaders")) == 3


def test_an_authority_that_outnumbers_a_trust_by_one_school_does_not_give_it_away() -> None:
    schools = pd.DataFrame(
        {"school_key": list("1234"), "urn": list("1234"), "trust": ["T1", "T1", "T1", None], "la": ["301"] * 4}
    )
    rows = [{"unit_code": str(i), "n": n} for i, n in zip(range(1, 5), [200, 150, 180, 5], strict=True)]
    rows += [{"level": "trust", "unit_code": "T1", "n": 530}, {"level": "la", "unit_code": "301", "n": 535}]
    keys = set(decide_pattern(marts_of(rows, schools), REGISTRY, "public")["row_key"])
    assert f"{YEAR}|YTD|school|4|mean_score_reading|1|all|all|all" in keys
    trust_or_authority = {key.split("|")[2] for key in keys} & {"trust", "la"}
    assert trust_or_authority, "LA less trust is school 4, whatever other schools are hidden"


def test_a_term_does_not_come_back_as_the_year_less_the_other_terms() -> None:
    rows = [{"measure_id": "attendance_rate", "period": period, "n": n} for period, n in [("AUT", 4), ("SPR", 60)]]
    rows.append({"measure_id": "attendance_rate", "period": "YTD", "n": 62})
    nests = pd.DataFrame({"academic_year": YEAR, "whole": "YTD", "part": ["AUT", "SPR"]})
    keys = decide_pattern(marts_of(rows, periods=nests), REGISTRY, "public")["row_key"]
    assert {key.split("|")[1] for key in keys} == {"AUT", "SPR"}


@pytest.mark.parametrize(
    ("numerator", "is_hidden"), [(0, False), (1, True), (2, True), (3, False), (57, False), (58, True)]
)
def test_a_share_of_one_or_two_pupils_or_of_all_but_one_or_two_is_hidden(numerator: int, is_hidden: bool) -> None:
    row = {"measure_id": "persistent_absence_rate", "n": 60, "numerator": numerator, "denominator": 60}
    pattern = decide_pattern(marts_of([row]), REGISTRY, "leaders")
    assert list(pattern["rule_id"]) == (["DC-002"] if is_hidden else [])


def test_a_gap_goes_with_either_side() -> None:
    rows = groups([80, 3, 150, 40])
    gap = pd.DataFrame(
        [
            {
                **{key: marts_of(rows).measure_value.iloc[int(group)][key] for key in MEASURE_VALUE_KEY},
                "comparator": other,
            }
            | {"n_group": 50, "n_comparator": 50}
            for group, other in [("1", "2"), ("2", "1"), ("2", "0"), ("0", "2")]
        ]
    )
    pattern = decide_pattern(marts_of(rows, gap=gap), REGISTRY, "public")
    sides = {tuple(key.split("|")[-2:]) for key in pattern.loc[pattern["table_name"].eq("gap"), "row_key"]}
    hidden = set(pattern.loc[pattern["table_name"].eq("measure_value"), "row_key"].str.split("|").str[-1])
    assert hidden == {"1", "3"}
    assert sides == {("1", "2"), ("2", "1")}


def test_a_school_hidden_in_value_added_is_hidden_in_progress_and_the_model_total_does_not_give_it_back() -> None:
    schools = pd.DataFrame(
        {"school_key": ["k1", "k2", "k3"], "urn": ["1", "2", "3"], "trust": [None] * 3, "la": [None] * 3}
    )
    n = [70, 2, 90]
    rows = [{"unit_code": str(i + 1), "measure_id": "value_added_reading", "n": n[i]} for i in range(3)]
    progress = pd.DataFrame(
        {
            "academic_year": YEAR,
            "measure_id": "value_added_reading",
            "school_key": ["k1", "k2", "k3"],
            "urn": ["1", "2", "3"],
            "n": n,
        }
    )
    model = pd.DataFrame(
        {"academic_year": [YEAR], "measure_id": ["value_added_reading"], "method": ["REML"], "n_pupils": [sum(n)]}
    )
    pattern = decide_pattern(
        marts_of(rows, schools, progress_school=progress, progress_model=model), REGISTRY, "leaders"
    )
    by_table = (
        pattern.groupby("table_name")["row_key"].apply(lambda keys: {key.split("|")[-1] for key in keys}).to_dict()
    )
    assert by_table["progress_school"] == {"k1", "k2"}
    assert set(pattern["table_name"]) == {"measure_value", "progress_school"}


def test_of_many_equal_schools_one_covers_the_smallest_in_every_measure() -> None:
    """Who has value added has a mean score, so the other school is the same in both: another covers none.

    Schools of girls, of boys and of both, as in London, where one of two pupils made nearly all 65 be hidden.
    """
    sexes = [{"F": 2}, *[({"F": 30, "M": 30}, {"F": 60}, {"M": 60})[i % 3] for i in range(64)]]
    numbers = [str(i + 1) for i in range(len(sexes))]
    n = [sum(by_sex.values()) for by_sex in sexes]
    units = [("school", number, by_sex) for number, by_sex in zip(numbers, sexes, strict=True)]
    units.append(("la", "301", {sex: sum(by_sex.get(sex, 0) for by_sex in sexes) for sex in "FM"}))
    rows: list[dict[str, object]] = []
    for measure in ("mean_score_reading", "value_added_reading"):
        for level, unit, by_sex in units:
            of_unit = {"level": level, "unit_code": unit, "measure_id": measure}
            rows.append({**of_unit, "n": sum(by_sex.values())})
            in_group = {**of_unit, "group_definition": "sex@census", "group_dimension": "sex"}
            rows += [{**in_group, "group_value": sex, "n": count} for sex, count in by_sex.items()]
    schools = pd.DataFrame({"school_key": numbers, "urn": numbers, "trust": None, "la": "301"})
    fitted = {"academic_year": YEAR, "measure_id": "value_added_reading"}
    marts = marts_of(
        rows,
        schools,
        progress_school=pd.DataFrame({**fitted, "school_key": numbers, "urn": numbers, "n": n}),
        progress_model=pd.DataFrame([{**fitted, "method": "REML", "n_pupils": sum(n)}]),
    )
    decision = decide(marts, REGISTRY, ["leaders"])["leaders"]
    values = decision.pattern.loc[decision.pattern["table_name"].eq("measure_value"), "row_key"].str.split("|")
    # Of two schools: everybody and girls in both measures, and both rows of progress.
    assert len(decision.pattern) == 10
    assert set(values.str[2]) == {"school"}
    assert values.str[3].nunique() == 2
    assert set(decision.blocks["method"]) == {"integer programme"}
    # School after school, a round for each, is what this must not be.
    assert decision.blocks["rounds"].max() < 6


@cache
def pattern_of(seed: int) -> pd.DataFrame:
    return decide_pattern(random_trust(seed), REGISTRY, "public")


def attacked(seed: int, tier: str) -> list[str]:
    marts = random_trust(seed)
    return breaches(marts, decide_pattern(marts, REGISTRY, tier))


@pytest.mark.parametrize("tier", ["public", "leaders"])
def test_an_attacker_with_every_sum_solves_no_hidden_figure_of_a_random_trust(tier: str, soak_factor: int) -> None:
    first = 0 if tier == "public" else 1000
    seeds = range(first, first + 8 * soak_factor)
    assert {seed: found for seed in seeds if (found := attacked(seed, tier))} == {}


def test_the_attacker_catches_suppressors_that_leak() -> None:
    """Each planted fault leaves something that follows from the rest, in at least one of a few trusts."""
    faults: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
        "primary cells only": lambda pattern: pattern[pattern["reason"].eq("primary")],
        "totals always shown": lambda pattern: pattern[~pattern["row_key"].str.endswith("|all|all|all")],
        "trusts always shown": lambda pattern: pattern[~pattern["row_key"].str.contains(r"\|trust\||\|la\|")],
        "years always shown": lambda pattern: pattern[~pattern["row_key"].str.contains(r"\|YTD\|")],
        "count left with another measure": lambda pattern: pattern[~pattern["row_key"].str.contains("severe_absence")],
    }
    for name, fault in faults.items():
        assert any(breaches(random_trust(seed), fault(pattern_of(seed))) for seed in FEW_TRUSTS), name


@given(seed=st.sampled_from([2, 3, 8, 11]), order=st.integers(0, 10**6))
@settings(max_examples=4, deadline=None)
def test_rows_in_any_order_give_the_same_pattern(seed: int, order: int) -> None:
    marts = random_trust(seed)
    mixed = np.random.default_rng(order)
    shuffled = replace(
        marts,
        measure_value=marts.measure_value.iloc[mixed.permutation(len(marts.measure_value))],
        gap=marts.gap.iloc[mixed.permutation(len(marts.gap))],
        schools=marts.schools.iloc[mixed.permutation(len(marts.schools))],
    )
    pd.testing.assert_frame_equal(
        decide_pattern(shuffled, REGISTRY, "public"), decide_pattern(marts, REGISTRY, "public")
    )


def test_what_leaders_may_not_see_the_public_may_not_see_either() -> None:
    for seed in (2, 3, 8):
        marts = random_trust(seed)
        leaders, public = (decide_pattern(marts, REGISTRY, tier) for tier in ("leaders", "public"))
        assert set(zip(leaders["table_name"], leaders["row_key"], strict=True)) <= set(
            zip(public["table_name"], public["row_key"], strict=True)
        )


def test_an_unknown_tier_and_a_trust_without_schools_are_refused() -> None:
    with pytest.raises(ValueError, match="Tier 'press' has no disclosure"):
        decide_pattern(marts_of([{"n": 4}]), REGISTRY, "press")
    with pytest.raises(ValueError, match="no school of trust T9"):
        decide_pattern(marts_of([{"n": 40, "level": "trust", "unit_code": "T9"}]), REGISTRY, "public")


def warehouse(marts: Marts) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("create schema marts; create schema staging")
    frames = {
        "marts.measure_value": marts.measure_value.assign(status="ok"),
        "marts.gap": marts.gap,
        "marts.dim_school": marts.schools.rename(columns={"trust": "trust_code", "la": "la_code"}).assign(
            laestab=marts.schools["urn"]
        ),
        "staging.academic_period": pd.DataFrame(
            {
                "academic_year": YEAR,
                "period": ["YTD", "AUT", "SPR"],
                "start_date": pd.to_datetime(["2024-08-01", "2024-08-01", "2025-01-01"]),
                "end_date": pd.to_datetime(["2025-07-31", "2024-12-31", "2025-07-31"]),
                "is_term": [False, True, True],
            }
        ),
    }
    for name, frame in frames.items():
        connection.register("frame", frame)
        connection.execute(f"create table {name} as select * from frame")
        connection.unregister("frame")
    connection.execute(
        """create table marts.progress_school (
            academic_year varchar, measure_id varchar, school_key varchar, urn varchar, n bigint);
        create table marts.progress_model (
            academic_year varchar, measure_id varchar, method varchar, n_pupils bigint);
        create table marts.coverage (academic_year varchar, period varchar, feed varchar, school_key varchar,
            expected bigint, received bigint);
        create schema aggregates;
        create table aggregates.school_unit as
            select school_key, 'school' as level, urn as unit_code from marts.dim_school
            union all select school_key, 'trust', trust_code from marts.dim_school
            union all select school_key, 'la', la_code from marts.dim_school;
        create table aggregates.attendance_enrolment_period (academic_year varchar, period varchar, school_key varchar,
            enrolment_id varchar, expected integer, received integer, possible integer,
            received_of_totals integer, possible_of_totals integer);
        create schema intermediate;
        create table intermediate.int_term_total (academic_year varchar, term varchar, enrolment_id bigint,
            school_key varchar, possible integer);
        create table intermediate.int_term_period (academic_year varchar, term varchar, period varchar);
        create table intermediate.int_enrolment_week (academic_year varchar, term varchar, school_key varchar,
            received integer, possible integer);
        create table aggregates.measure_sum (academic_year varchar, period varchar, school_key varchar,
            measure_id varchar, group_definition varchar, group_dimension varchar, group_value varchar,
            expected bigint, received bigint);
        create table marts.delivery (delivery_id varchar, feed varchar, laestab varchar, rows_read bigint);
        create table marts.data_quality_issue (issue_id varchar, feed varchar, school_key varchar, n_rows bigint)"""
    )
    return connection


def test_a_longer_period_is_the_shorter_one_until_more_is_told() -> None:
    """In October autumn, its first half and the year so far are one; where the second half has begun they are not."""
    told = ["YTD", "AUT", "HT1"]
    connection = warehouse(marts_of([{"period": period, "n": 40} for period in told]))
    connection.execute(
        "insert into staging.academic_period values "
        f"('{YEAR}', 'HT1', date '2024-08-01', date '2024-10-27', false), "
        f"('{YEAR}', 'HT2', date '2024-10-28', date '2024-12-31', false)"
    )
    one = {("AUT", "HT1"), ("AUT", "YTD"), ("HT1", "YTD")}
    assert set(read_marts(connection).renamed[["period", "also"]].itertuples(index=False, name=None)) == one
    again = "select * replace ('HT2' as period, {} as n) from marts.measure_value where period = 'HT1'"
    connection.execute(f"insert into marts.measure_value {again.format(0)}")
    assert set(read_marts(connection).renamed[["period", "also"]].itertuples(index=False, name=None)) == one
    connection.execute(f"insert into marts.measure_value {again.format(3)}")
    left = {("AUT", "YTD")}
    assert set(read_marts(connection).renamed[["period", "also"]].itertuples(index=False, name=None)) == left


def test_the_pattern_in_the_warehouse_is_the_decided_one_each_time() -> None:
    marts = random_trust(3)
    connection = warehouse(marts)
    rows = write_pattern(connection, REGISTRY)
    first = connection.execute("select * from disclosure.pattern").fetchall()
    assert [column[0] for column in connection.description] == PATTERN_COLUMNS
    assert write_pattern(connection, REGISTRY) == rows
    assert connection.execute("select * from disclosure.pattern").fetchall() == first
    expected = pd.concat([decide_pattern(marts, REGISTRY, tier) for tier in ("public", "leaders")])
    assert sorted(first) == sorted(expected.itertuples(index=False, name=None))
    keys = {row_key(row, MEASURE_VALUE_KEY) for _, row in marts.measure_value.iterrows()}
    assert {row[2] for row in first if row[1] == "measure_value"} <= keys
    assert PROPORTIONS.keys() <= {row[2].split("|")[4] for row in first if row[1] == "measure_value"}


def test_what_stands_as_it_was_is_not_solved_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second time, with the figures of one family changed, only what those figures are in is solved."""
    connection = warehouse(random_trust(3))
    write_pattern(connection, REGISTRY)
    first = connection.execute("select * from disclosure.pattern order by all").fetchall()
    solved = []

    def choose_and_count(problem: Problem, limits: Limits, greedy: bool) -> Choice:
        solved.append(problem.name)
        return choose(problem, limits, greedy)

    monkeypatch.setattr("quality.disclosure.solved.choose", choose_and_count)
    write_pattern(connection, REGISTRY)
    assert solved == []
    assert connection.execute("select * from disclosure.pattern order by all").fetchall() == first
    connection.execute("update marts.measure_value set numerator = 0 where measure_id = 'persistent_absence_rate'")
    write_pattern(connection, REGISTRY)
    assert solved
    assert all("numerators of shares" in name for name in solved)
    (kept,) = connection.execute("select count(*) from disclosure.solved").fetchone() or (0,)
    assert kept == len(REGISTRY.data["disclosure"]["minimum_pupils"]) * 2


def test_where_nothing_is_held_back_the_chain_decides_both_tiers_together() -> None:
    connection = warehouse(random_trust(3))
    connection.execute(NO_LEDGER_SQL)
    write_pattern(connection, REGISTRY)
    together = connection.execute("select * from disclosure.pattern order by all").fetchall()
    write_patterns(connection, REGISTRY)
    assert connection.execute("select * from disclosure.pattern order by all").fetchall() == together
    assert {row[0] for row in together} == {"public", "leaders"}


def held_back(marts: Marts, told: Marts, standing: pd.DataFrame | None = None) -> duckdb.DuckDBPyConnection:
    """A warehouse in which the public is told of other figures than came; standing: rows as they were published."""
    connection = warehouse(marts)
    connection.execute(NO_LEDGER_SQL)
    connection.execute("create schema public_basis; insert into ledger.apart_year values (?)", [YEAR])
    values = told.measure_value.assign(status="ok")
    if standing is not None:
        connection.register("standing", standing)
        connection.execute("create table ledger.published_measure_value as from standing")
        values = pd.concat([values, standing.drop(columns=["hidden_key", "hidden_reason", "hidden_rule"])])
    connection.register("told", values)
    connection.execute("create table public_basis.measure_value as from told")
    return connection


def hidden_from(connection: duckdb.DuckDBPyConnection, tier: str) -> set[str]:
    query = "select row_key from disclosure.pattern where tier = ? and table_name = 'measure_value'"
    return {str(key).split("|")[-1] for (key,) in connection.execute(query, [tier]).fetchall()}


def test_what_leaders_may_not_see_is_hidden_from_the_public_too_where_corrections_wait() -> None:
    """Of twelve pupils that the public was told of four are left: the public figure of twelve would be shown."""
    connection = held_back(marts_of(groups([80, 4, 150])), marts_of(groups([80, 12, 150])))
    write_patterns(connection, REGISTRY)
    assert hidden_from(connection, "leaders") == {"0", "1"}
    assert hidden_from(connection, "public") == {"0", "1"}
    (lost,) = connection.execute(
        "select hidden from disclosure.loss where tier = 'public' and table_name = 'measure_value' and reason = 'any'"
    ).fetchone() or (0,)
    assert lost == 2


def test_what_hides_a_cell_from_leaders_alone_is_protected_among_the_public_figures_too() -> None:
    """Leaders lose a cell whose company, in the public figures, is another: it is not left to be the rest of a sum."""
    told = [*groups([80, 12, 150]), *(row | {"period": "AUT"} for row in groups([80, 12, 150]))]
    came = [*groups([80, 4, 150]), *(row | {"period": "AUT"} for row in groups([4, 80, 150]))]
    connection = held_back(marts_of(came), marts_of(told))
    write_patterns(connection, REGISTRY)
    keys = connection.execute("select tier, row_key from disclosure.pattern").fetchall()
    by_tier = {tier: {key for of, key in keys if of == tier} for tier in ("public", "leaders")}
    assert by_tier["leaders"]
    assert by_tier["leaders"] <= by_tier["public"]
    for period in ("YTD", "AUT"):
        assert len([key for key in by_tier["public"] if f"|{period}|" in key]) >= 2


def test_what_stands_as_it_was_published_stays_hidden_with_its_reason_and_is_counted() -> None:
    rows = marts_of([row | {"measure_id": "mean_score_maths"} for row in groups([80, 3, 150])]).measure_value
    standing = rows.assign(status=["c", "c", "ok", "ok"], n=pd.Series([pd.NA, pd.NA, 150, 233], dtype="Int64"))
    key = standing.apply(lambda row: row_key(row, MEASURE_VALUE_KEY), axis=1)
    standing = standing.assign(
        hidden_key=key.where(standing["status"].eq("c")),
        hidden_reason=pd.Series(["secondary", "primary", None, None], dtype=object),
        hidden_rule=pd.Series(["DC-003", "DC-001", None, None], dtype=object),
    )
    connection = held_back(marts_of(groups([80, 90, 150])), marts_of(groups([80, 90, 150])), standing)
    write_patterns(connection, REGISTRY)
    found = connection.execute(
        "select row_key, reason, rule_id from disclosure.pattern where tier = 'public' order by all"
    ).fetchall()
    assert found == sorted(zip(key[:2], ["secondary", "primary"], ["DC-003", "DC-001"], strict=True))
    counted = connection.execute(
        "select reason, cells, hidden from disclosure.loss where tier = 'public' and table_name = 'measure_value'"
    ).fetchall()
    assert sorted(counted) == [("any", 8, 2), ("derived", 8, 0), ("primary", 8, 1), ("secondary", 8, 1)]


def test_what_stands_is_not_solved_again_for_either_tier_where_corrections_wait(
    caplog: pytest.LogCaptureFixture,
) -> None:
    connection = held_back(random_trust(3), random_trust(3))
    write_patterns(connection, REGISTRY)
    caplog.clear()
    with caplog.at_level("INFO", logger="everypupil"):
        write_patterns(connection, REGISTRY)
    assert len(re.findall(r"[1-9]\d* problems stood as they were decided before, 0 were solved", caplog.text)) == 2


def test_the_rows_that_a_school_sent_do_not_say_how_many_pupils_it_hides() -> None:
    schools = pd.DataFrame({"school_key": list("1234"), "urn": list("1234"), "trust": ["T1"] * 4, "la": ["301"] * 4})
    connection = warehouse(
        marts_of([{"unit_code": u, "n": n} for u, n in zip("123", (2, 60, 70), strict=True)], schools)
    )
    connection.execute(
        f"""insert into marts.coverage values
            ('{YEAR}', 'YTD', 'assessment_results', '1', 2, 2), ('{YEAR}', 'YTD', 'assessment_results', '2', 60, 60),
            ('{YEAR}', 'YTD', 'assessment_results', '4', 4, 0), ('{YEAR}', 'YTD', 'session_marks', '2', 9000, 9000),
            ('{YEAR}', 'YTD', 'session_marks', '4', null, 0);
        insert into marts.delivery values ('d1', 'pupils', '1', 2), ('d2', 'pupils', '2', 60),
            ('d3', 'schools', null, 130), ('d4', 'suspensions', '2', 4), ('d5', 'assessment_results', '4', 4),
            ('d6', 'assessment_results', '2', 60);
        insert into marts.data_quality_issue values ('i1', 'pupils', '1', 2), ('i2', 'pupils', '2', 3),
            ('i4', 'interventions', '2', 3)"""
    )
    write_pattern(connection, REGISTRY)
    found = connection.execute(
        "select table_name, row_key from disclosure.pattern where tier = 'leaders' and table_name <> 'measure_value'"
    ).fetchall()
    assert sorted(found) == [
        ("coverage", f"{YEAR}|YTD|assessment_results|1"),
        ("coverage", f"{YEAR}|YTD|assessment_results|4"),
        ("data_quality_issue", "i1"),
        ("data_quality_issue", "i4"),
        ("delivery", "d1"),
        ("delivery", "d4"),
        ("delivery", "d5"),
    ]


@pytest.mark.parametrize(("pupils", "hidden_from"), [(5, {"public", "leaders"}), (9, {"public"}), (10, set())])
def test_what_was_expected_of_a_small_school_that_sent_nothing_is_hidden_and_the_coverage_of_its_units(
    pupils: int, hidden_from: set[str]
) -> None:
    schools = pd.DataFrame({"school_key": list("123"), "urn": list("123"), "trust": ["T1"] * 3, "la": ["301"] * 3})
    measure = {"measure_id": "attendance_rate", "numerator": 9.0, "denominator": 10.0}
    values = [{"unit_code": u, "n": 40} | measure for u in "12"] + [
        {"level": level, "unit_code": code, "n": 80, "numerator": 18.0, "denominator": 20.0}
        | {"measure_id": "attendance_rate"}
        for level, code in (("trust", "T1"), ("la", "301"))
    ]
    values += [
        row | {"group_definition": "sex@census", "group_dimension": "sex", "group_value": group, "n": 40}
        for row in values[-2:]
        for group in "FM"
    ]
    groups_of_school = {"group_definition": "sex@census", "group_dimension": "sex"}
    values += [measure | groups_of_school | {"unit_code": "1", "group_value": "F", "n": 40}]
    values += [groups_of_school | {"measure_id": "attendance_rate", "unit_code": "1", "group_value": "M", "n": 0}]
    connection = warehouse(marts_of(values, schools))
    stays = [(school, number) for school, n in (("1", 40), ("2", 40), ("3", pupils)) for number in range(n)]
    connection.executemany(
        "insert into aggregates.attendance_enrolment_period "
        "(academic_year, period, school_key, enrolment_id, expected) "
        f"values ('{YEAR}', 'YTD', ?, ?, 120)",
        [(school, f"{school}-{number}") for school, number in stays],
    )
    for school, n, received in (("1", 40, 4800), ("2", 40, 4700), ("3", pupils, 0)):
        connection.execute(
            f"insert into marts.coverage values ('{YEAR}', 'YTD', 'session_marks', ?, ?, ?)",
            [school, 120 * n, received],
        )
        connection.execute(
            f"insert into aggregates.measure_sum values ('{YEAR}', 'YTD', ?, 'attendance_rate', 'all', 'all', 'all', "
            "?, ?)",
            [school, 120 * n, received],
        )
    # Of a group to whom the same happened in a school that sent the others' marks: its own group alone.
    for group, expected_of, received in (("M", 4 * 120, 0), ("F", 36 * 120, 4000)):
        connection.execute(
            f"insert into aggregates.measure_sum values ('{YEAR}', 'YTD', '1', 'attendance_rate', 'sex@census', 'sex', "
            "?, ?, ?)",
            [group, expected_of, received],
        )
    write_pattern(connection, REGISTRY)
    found = connection.execute(
        "select tier, table_name, row_key from disclosure.pattern where row_key not like '%|sex|%'"
    ).fetchall()
    of_groups = connection.execute(
        "select count(*) filter (where row_key like '%|F'), count(*) filter (where row_key like '%|M') "
        "from disclosure.pattern where table_name = 'measure_value.coverage' and row_key like '%|sex|%'"
    ).fetchall()
    # In the school itself, its trust and its authority, for both tiers.
    assert of_groups == [(6, 6)]
    expected = {
        (tier, table, f"{YEAR}|YTD|{key}")
        for tier in hidden_from
        for table, key in (
            ("coverage", "session_marks|3"),
            ("measure_value.coverage", "trust|T1|attendance_rate|1|all|all|all"),
            ("measure_value.coverage", "la|301|attendance_rate|1|all|all|all"),
        )
    }
    assert set(found) == expected


def test_an_empty_warehouse_gives_an_empty_typed_pattern() -> None:
    marts = random_trust(3)
    connection = warehouse(marts)
    connection.execute("delete from marts.measure_value; delete from marts.gap")
    assert write_pattern(connection, REGISTRY) == {"public": 0, "leaders": 0}
    assert connection.execute("select count(*) from disclosure.pattern").fetchall() == [(0,)]


def test_one_school_of_one_pupil_hides_all_that_there_is() -> None:
    rows: list[dict[str, object]] = [
        {"n": 1},
        {"n": 1, "level": "trust", "unit_code": "T1"},
        {"n": 1, "level": "la", "unit_code": "301"},
    ]
    for tier in ("public", "leaders"):
        assert len(decide_pattern(marts_of(rows), REGISTRY, tier)) == len(rows)


def test_a_group_that_is_everyone_is_shown_or_hidden_with_everyone() -> None:
    for n, is_hidden in ((60, False), (4, True)):
        assert (hidden_groups(marts_of(groups([n, 0]))) == {"0", "all"}) is is_hidden


def test_a_table_without_totals_hides_its_small_cells_alone() -> None:
    assert hidden_groups(marts_of(groups([80, 3, 150])[:-1])) == {"1"}


def test_totals_that_contradict_their_parts_are_refused_with_the_table_named() -> None:
    rows = groups([80, 3, 150])
    rows[-1]["n"] = 230
    with pytest.raises(ValueError, match=r"marts\.measure_value contradicts itself"):
        decide_pattern(marts_of(rows), REGISTRY, "public")


def test_contradictory_totals_of_a_warehouse_leave_the_pattern_that_stood() -> None:
    connection = warehouse(marts_of(groups([80, 3, 150])))
    write_pattern(connection, REGISTRY)
    stood = connection.execute("select * from disclosure.pattern order by all").fetchall()
    connection.execute("update marts.measure_value set n = 230 where group_value = 'all'")
    with pytest.raises(ValueError, match=r"^marts\.measure_value contradicts itself: .*; rebuild the marts"):
        write_pattern(connection, REGISTRY)
    assert stood
    assert connection.execute("select * from disclosure.pattern order by all").fetchall() == stood


def test_a_term_is_not_bounded_by_its_year_below_the_minimum() -> None:
    """Nobody joined after autumn: the year's own count of the cover says that it cannot have been more in autumn."""
    rows = [
        row | {"measure_id": "attendance_rate", "period": period}
        for period, counts in (("AUT", [40, 9, 90]), ("YTD", [40, 12, 90]))
        for row in groups(counts)
    ]
    nests = pd.DataFrame({"academic_year": YEAR, "whole": ["YTD"], "part": ["AUT"]})
    keys = decide_pattern(marts_of(rows, periods=nests), REGISTRY, "public")["row_key"]
    hidden = {(key.split("|")[1], key.split("|")[-1]) for key in keys}
    cover = {group for period, group in hidden if period == "AUT"} - {"1"}
    assert cover
    assert {group for period, group in hidden if period == "YTD"} & (cover | {"1"})


def test_every_block_says_how_it_was_decided_and_what_it_lost() -> None:
    decision = decide(marts_of(groups([80, 3, 150])), REGISTRY, ["leaders"])["leaders"]
    assert list(decision.blocks["method"]) == ["integer programme"]
    assert list(decision.blocks["secondary_rows"]) == [1]
    assert (decision.blocks["gap"] <= REGISTRY.data["disclosure"]["programme"]["gap"]).all()
    secondary = decision.pattern[decision.pattern["reason"].eq("secondary")]
    assert set(secondary["block_id"]) == set(decision.blocks["block_id"])


def test_the_programme_loses_no_more_than_the_plain_greedy_method_and_less_somewhere() -> None:
    losses = []
    for seed in (0, 2, 3, 6):
        marts = random_trust(seed)
        exact, greedy = (decide(marts, REGISTRY, ["leaders"], plain)["leaders"].blocks for plain in (False, True))
        losses.append((exact["weight"].sum(), greedy["weight"].sum()))
    assert all(least <= plain * 1.05 for least, plain in losses)
    assert sum(least for least, _ in losses) < sum(plain for _, plain in losses)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_changes_nothing(threads: int) -> None:
    connection = warehouse(random_trust(3))
    connection.execute(f"set threads = {threads}")
    write_pattern(connection, REGISTRY)
    measured = connection.execute(
        "select * from disclosure.pattern where tier = 'leaders' and table_name <> 'coverage' order by all"
    ).fetchall()
    expected = decide_pattern(random_trust(3), REGISTRY, "leaders")
    assert measured == sorted(expected.itertuples(index=False, name=None))


def test_a_table_that_loses_too_many_school_cells_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    connection = warehouse(marts_of(groups([2, 3, 40, 90])))
    write_pattern(connection, REGISTRY)
    found = connection.execute(
        "select cells, hidden, percent_hidden, is_over_limit from disclosure.loss "
        "where tier = 'public' and table_name = 'measure_value' and reason = 'any'"
    ).fetchall()
    assert found == [(5, 3, 60.0, True)]
    assert "hides 3 of 5 school-level cells of measure_value" in caplog.text


def test_half_terms_and_weeks_of_a_term_of_two_feeds_are_hidden_for_the_school_and_its_units() -> None:
    """One pupil's autumn came by totals and the others' by marks: the term less its halves is that pupil's."""
    schools = pd.DataFrame({"school_key": ["1", "2"], "urn": ["1", "2"], "trust": ["T1", "T1"], "la": ["301", "301"]})
    periods = ("YTD", "AUT", "SPR", "HT1", "HT2", "HT3", "W2024-40", "W2025-05")
    values = [
        {
            "measure_id": "attendance_rate",
            "period": period,
            "level": level,
            "unit_code": code,
            "n": n,
            "denominator": 100.0 * n,
        }
        | {"numerator": 90.0 * n}
        for period in periods
        for level, code, n in (("school", "1", 60), ("school", "2", 70), ("trust", "T1", 130), ("la", "301", 130))
    ]
    connection = warehouse(marts_of(values, schools))
    connection.execute(
        f"""
        insert into staging.academic_period values
            ('{YEAR}', 'HT1', date '2024-08-01', date '2024-10-27', false),
            ('{YEAR}', 'HT2', date '2024-10-28', date '2024-12-31', false),
            ('{YEAR}', 'HT3', date '2025-01-01', date '2025-02-16', false);
        insert into intermediate.int_term_total values ('{YEAR}', 'AUT', 1, '1', 120);
        insert into intermediate.int_term_period values ('{YEAR}', 'AUT', 'AUT'), ('{YEAR}', 'AUT', 'YTD'),
            ('{YEAR}', 'SPR', 'SPR'), ('{YEAR}', 'SPR', 'YTD');
        insert into intermediate.int_enrolment_week values
            ('{YEAR}', 'AUT', '1', 10, 10), ('{YEAR}', 'AUT', '2', 10, 10);
        insert into marts.coverage values ('{YEAR}', 'AUT', 'attendance_totals', '1', 120, 120),
            ('{YEAR}', 'AUT', 'session_marks', '1', 7200, 7080), ('{YEAR}', 'YTD', 'attendance_totals', '1', 120, 120),
            ('{YEAR}', 'YTD', 'session_marks', '1', 9000, 8880), ('{YEAR}', 'SPR', 'session_marks', '1', 1800, 1800),
            ('{YEAR}', 'AUT', 'session_marks', '2', 8400, 8400)
        """
    )
    write_pattern(connection, REGISTRY)
    for tier in ("public", "leaders"):
        hidden = connection.execute(
            "select split_part(row_key, '|', 2), split_part(row_key, '|', 4) from disclosure.pattern "
            "where tier = ? and table_name = 'measure_value'",
            [tier],
        ).fetchall()
        assert set(hidden) == {(period, code) for period in ("HT1", "HT2", "W2024-40") for code in ("1", "T1", "301")}
        # Few by one feed are few by the other, and no period of the school's year is left to tell.
        rows = connection.execute(
            "select row_key from disclosure.pattern where tier = ? and table_name = 'coverage'", [tier]
        ).fetchall()
        assert {key for (key,) in rows} == {
            f"{YEAR}|{key}|1"
            for key in (
                "AUT|attendance_totals",
                "AUT|session_marks",
                "YTD|attendance_totals",
                "YTD|session_marks",
                "SPR|session_marks",
            )
        }


@pytest.mark.parametrize(
    ("told", "neither", "is_hidden"), [(12, 0, False), (3, 9, True), (9, 3, True), (12, 12, False), (12, 3, True)]
)
def test_few_whom_a_total_tells_and_few_whom_it_leaves_out_hide_what_came_by_each_feed(
    told: int, neither: int, is_hidden: bool
) -> None:
    """A hundred have a register. The totals were to tell of the others, told or not."""
    connection = warehouse(marts_of([{"period": "AUT", "n": 100 + told + neither}]))
    school, pupils = connection.execute(
        "select min(school_key), 100 + ? + ? from marts.dim_school", [told, neither]
    ).fetchall()[0]
    stay = (
        "select '{year}', 'AUT', '{school}', range, 146, {came}, {came}, {of_totals}, {of_totals} "
        "from range({first}, {last})"
    )
    for first, last, came, of_totals in (
        (0, 100, 146, 0),
        (100, 100 + told, 146, 146),
        (100 + told, pupils, 0, 0),
    ):
        text = stay.format(year=YEAR, school=school, came=came, of_totals=of_totals, first=first, last=last)
        connection.execute(f"insert into aggregates.attendance_enrolment_period {text}")
    connection.execute(
        f"""
        insert into intermediate.int_term_total
            select '{YEAR}', 'AUT', range, '{school}', case when range < 100 + {told} then 146 else 0 end
            from range(100, {pupils});
        insert into intermediate.int_term_period values ('{YEAR}', 'AUT', 'AUT');
        insert into marts.coverage values
            ('{YEAR}', 'AUT', 'attendance_totals', '{school}', 146 * ({told} + {neither}), 146 * {told}),
            ('{YEAR}', 'AUT', 'session_marks', '{school}', 146 * {pupils}, 14600)
        """
    )
    write_pattern(connection, REGISTRY)
    hidden = connection.execute(
        "select count(*) from disclosure.pattern where tier = 'leaders' and table_name = 'coverage'"
    ).fetchone()
    assert hidden == (2 if is_hidden else 0,)


def hidden_after(shown: Collection[str], hidden: Collection[str] = ()) -> set[str]:
    """Which of three groups of 80, 3 and 150 and their total the public loses after a release that told of some."""
    marts = marts_of(groups([80, 3, 150]))
    keys = {str(key).rsplit("|", 1)[1]: ("measure_value", str(key)) for key in _keys(marts)}
    told = Before(frozenset(keys[group] for group in hidden), frozenset(keys[group] for group in shown))
    pattern = decide(marts, REGISTRY, ["public"], before={"leaders": told, "public": told})["public"].pattern
    return {key.rsplit("|", 1)[1] for key in pattern["row_key"]}


def _keys(marts: Marts) -> list[str]:
    return [row_key(row, MEASURE_VALUE_KEY) for _, row in marts.measure_value.iterrows()]


def test_what_was_shown_is_not_counted_on_to_hide_anything() -> None:
    assert hidden_after(shown=[]) == {"0", "1"}
    assert hidden_after(shown=["0"]) == {"1", "2"}


def test_what_was_hidden_stays_hidden_and_covers() -> None:
    assert hidden_after(shown=[], hidden=["2"]) == {"1", "2"}


def test_where_all_was_shown_the_small_one_is_covered_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    """A correction made it small: nothing is refused, and the run says what whoever kept the release may do."""
    with caplog.at_level("WARNING", logger="everypupil"):
        assert hidden_after(shown=["0", "2", "all"]) == {"0", "1"}
    assert "what the release before showed leaves too little to hide" in caplog.text
    assert "DA-002" in caplog.text
