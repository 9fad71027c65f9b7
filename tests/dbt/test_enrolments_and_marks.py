"""What the lists and registers of the small lake become."""

from __future__ import annotations

from datetime import date

from tests.dbt.conftest import (
    AUTUMN,
    CODED,
    CODES,
    GUEST,
    LEAVER,
    MARKED_TWICE,
    MOVER,
    NEW_YEAR,
    RETURNER,
    TWO_REFS,
    Built,
    school_days,
)

ENROLMENT = (
    "select urn, entry_date, leaving_date, leaving_date_basis from marts.fct_enrolment "
    "where pupil_key = ? order by entry_date"
)
TABLES = (
    "select table_schema, table_name from information_schema.tables where table_schema in "
    "('marts', 'exports_public', 'exports_leaders')"
)


def test_a_pupil_whom_the_newest_list_lacks_keeps_the_stay_up_to_then(built: Built) -> None:
    assert built.first.rows(ENROLMENT, [LEAVER]) == [("100002", date(2024, 9, 1), NEW_YEAR, "inferred")]


def test_a_returner_has_two_stays(built: Built) -> None:
    stays = built.incremental.rows(ENROLMENT, [RETURNER])
    assert [(entry, leaving) for _, entry, leaving, _ in stays] == [
        (date(2024, 9, 1), NEW_YEAR),
        (date(2026, 1, 26), None),
    ]


def test_a_mover_has_a_stay_in_each_school_and_counts_once_in_the_trust(built: Built) -> None:
    assert len(built.first.rows(ENROLMENT, [MOVER])) == 2
    pupils = (
        "select n from marts.measure_value where period = 'YTD' and measure_id = "
        "'attendance_rate' and group_dimension = 'all' and level = ?"
    )
    # Guest and the mover's second school: 30 of Ash less the guest without marks, 30 of Birch, the mover in both.
    assert built.first.rows(pupils, ["trust"]) == [(29 + 30,)]


def test_a_late_older_list_changes_nothing_newer(built: Built) -> None:
    status = (
        "select sen_provision, valid_from, valid_to from marts.dim_pupil_status where pupil_key = 4 order by valid_from"
    )
    assert built.incremental.rows(status) == [
        ("E", date(2025, 9, 3), AUTUMN),
        ("N", AUTUMN, date(9999, 12, 31)),
    ]
    unlisted = built.incremental.rows(ENROLMENT, [20])
    assert unlisted == [("100002", date(2024, 9, 1), None, None)]


def test_a_converted_academy_keeps_its_children_and_names_the_urn_of_the_day(built: Built) -> None:
    urns = (
        "select urn, max(session_date) < date '2025-11-01' from marts.fct_session where "
        "pupil_key = 1 group by urn order by urn"
    )
    assert built.first.rows(urns) == [("100001", True), ("100002", False)]


def test_every_code_is_judged_by_its_category(built: Built) -> None:
    marks = built.first.rows(
        (
            "select code, category, is_possible, is_attended, is_missing from marts.fct_session "
            "where pupil_key = ? and session = 'AM' and code is not null"
        ),
        [CODED],
    )
    judged = {code: (category, possible, attended, missing) for code, category, possible, attended, missing in marks}
    assert set(judged) == set(CODES)
    for code in ("D", "Q", "X", "Y", "Y1", "Z", "#"):
        assert judged[code][1:] == (False, False, False), code
    for code in ("C1", "C2", "J1", "E", "H"):
        assert judged[code] == ("authorised", True, False, False), code
    assert judged["J"] == ("aea", True, True, False)
    assert judged["U"] == ("unauthorised", True, False, False)
    assert judged["-"] == ("missing", False, False, True)


def test_a_refused_mark_is_unknown_and_never_present_or_absent(built: Built) -> None:
    refused = (
        "select category, is_possible, is_missing, count(*) from marts.fct_session where "
        "pupil_key = ? and category = 'unknown' group by all"
    )
    assert built.first.rows(refused, [CODED]) == [("unknown", False, True, 1)]


def test_sessions_without_a_mark_are_missing_and_a_guest_is_not_expected(built: Built) -> None:
    assert built.first.rows("select count(*) from marts.fct_session where pupil_key = ?", [GUEST]) == [(0,)]
    ((expected, received, missing),) = built.first.rows(
        "select expected, received, missing from marts.attendance_enrolment_year where pupil_key = ?", [CODED]
    )
    assert missing == expected - received
    assert received == len(CODES) - 1


def test_the_better_of_two_marks_under_two_references_holds(built: Built) -> None:
    """Present, then approved elsewhere, authorised, unauthorised, not possible, administrative; never both."""
    days = list(school_days())
    rows = built.first.rows(
        "select session_date, session, code from marts.fct_session where pupil_key = ? and session_date <= ?"
        " order by session_date, session",
        [TWO_REFS, days[2]],
    )
    better = {(0, "AM"): "/", (0, "PM"): "I", (1, "AM"): "V", (1, "PM"): "\\", (2, "AM"): "O", (2, "PM"): "Y1"}
    assert set(better) == set(MARKED_TWICE)
    assert [(days.index(day), session, code) for day, session, code in rows] == [
        (*key, code) for key, code in better.items()
    ]


def test_marks_of_a_child_on_no_list_are_counted_as_such_and_in_no_figure(built: Built) -> None:
    day = list(school_days())[5]
    unplaced = "select n_not_on_roll from intermediate.int_session_unplaced where session_date = ?"
    assert built.first.rows(unplaced, [day]) == [(2,)]
    issue = (
        "select n_rows, status from marts.data_quality_issue where rule_id = 'NOT-ON-ROLL' and school_key = '100001'"
    )
    for warehouse in (built.first, built.full):
        ((rows, status),) = warehouse.rows(issue)
        ((all_unplaced,),) = warehouse.rows("select sum(n_not_on_roll) from intermediate.int_session_unplaced")
        assert (rows, status) == (all_unplaced, "open")


def test_every_row_in_force_is_a_mark_superseded_unplaced_or_merged(built: Built) -> None:
    ((merged,),) = built.first.rows("select sum(n_merged) from intermediate.int_session_unplaced")
    assert merged == len(MARKED_TWICE)
    assert built.statuses["test.everypupil.every_mark_in_force_is_accounted_for"] == "pass"


def test_a_correction_for_some_pupils_lies_over_the_register_of_the_day(built: Built) -> None:
    codes = built.incremental.rows(
        "select code, is_missing from marts.fct_session where pupil_key = 1 and session_date "
        "= date '2025-09-04' order by session"
    )
    assert codes == [("I", False), (None, True)]


def test_a_school_without_registers_is_not_available_rather_than_zero(built: Built) -> None:
    """Of Cedar nothing came in the spring; of the autumn totals did, which tell no half-term."""
    rows = built.first.rows(
        "select period, value, ci_low, coverage, status from marts.measure_value where unit_code = '100004' "
        "and period in ('SPR', 'HT1', 'HT3') and measure_id = 'attendance_rate' and group_dimension = 'all' order by 1"
    )
    assert rows == [(period, None, None, 0.0, "x") for period in ("HT1", "HT3", "SPR")]
    assert (
        built.first.rows(
            "select status from marts.coverage where school_key = '100004' and feed = 'session_marks' "
            "and period in ('YTD', 'AUT', 'SPR')"
        )
        == [("x",)] * 3
    )


def test_a_unit_says_how_many_schools_and_pupils_its_figure_rests_on(built: Built) -> None:
    """Cedar sent a list and a calendar, and of the spring neither registers nor totals: 29 of Ash without its guest, 31
    of Birch with the mover, 11 of Cedar."""
    units = built.first.rows(
        "select level, unit_code, schools, schools_received, pupils, pupils_received, status "
        "from marts.unit_coverage where academic_year = '2025/26' and period = 'SPR' order by all"
    )
    assert units == [("la", "211", 3, 2, 71, 60, "ok"), ("trust", "T1", 2, 2, None, None, "ok")]
    for tier in ("public", "leaders"):
        told = built.first.rows(f"select * from exports_{tier}.unit_coverage where period = 'SPR' order by all")
        assert [row for row in told if row[0] == "2025/26"] == [
            ("2025/26", "SPR", "la", "211", 3, 2),
            ("2025/26", "SPR", "trust", "T1", 2, 2),
        ]


def test_a_night_rebuilt_by_slices_equals_a_full_build(built: Built) -> None:
    tables = built.full.rows(TABLES)
    assert len(tables) > 20
    for schema, table in tables:
        query = f"select * from {schema}.{table} order by all"
        assert built.incremental.rows(query) == built.full.rows(query), table


def test_a_night_for_one_school_leaves_the_other_slice_alone(built: Built) -> None:
    fingerprint = (
        "select slice_fingerprint from intermediate.slice_ledger where model_name = "
        "'int_session_mark' and school_key = ?"
    )
    assert built.first.rows(fingerprint, ["100003"]) == built.incremental.rows(fingerprint, ["100003"])
    assert built.first.rows(fingerprint, ["100001"]) != built.incremental.rows(fingerprint, ["100001"])
    # The view over marks is left naming the files of the slice that was rebuilt, and no other.
    assert built.incremental.rows("select distinct laestab from raw.session_marks") == [("2114001",)]


def test_hidden_rows_lose_every_figure_in_their_tier_alone(built: Built) -> None:
    row = (
        "select n, value, ci_low, status from exports_{}.measure_value where unit_code = '100003' and period = 'YTD' "
        "and measure_id = 'attendance_rate' and group_dimension = 'all'"
    )
    assert built.first.rows(row.format("public")) == [(None, None, None, "c")]
    assert built.first.rows(row.format("leaders"))[0][3] == "ok"


def test_coverage_that_is_hidden_alone_takes_nothing_else_of_its_row_along(built: Built) -> None:
    row = (
        "select n > 0, value is not null, coverage is null, status from exports_{}.measure_value where level = 'trust' "
        "and period = 'YTD' and measure_id = 'attendance_rate' and group_dimension = 'all'"
    )
    assert built.first.rows(row.format("public")) == [(True, True, True, "ok")]
    assert built.first.rows(row.format("leaders")) == [(True, True, False, "ok")]


def test_coverage_of_value_added_by_school_is_hidden_alone_like_that_of_its_other_row(built: Built) -> None:
    row = "select school_key, n is null, coverage is null, status from exports_{}.progress_school order by all"
    shown, hidden = (built.first.rows(row.format(tier)) for tier in ("leaders", "public"))
    assert [key for key, _, is_without, _ in shown if is_without] == []
    assert [key for key, _, is_without, _ in hidden if is_without] == ["100001"]
    assert [row[::3] + row[1:2] for row in hidden] == [row[::3] + row[1:2] for row in shown]
