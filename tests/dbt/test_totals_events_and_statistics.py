"""Termly totals, suspensions, interventions and published figures: what is in force, and what every file came to."""

from __future__ import annotations

import csv
from datetime import date

from tests.dbt.conftest import CEDAR, PROJECT, TWO_REFS, Built


def test_the_newest_whole_file_of_a_term_holds_and_newer_corrections_lie_over_it(built: Built) -> None:
    totals = built.first.rows(
        "select pupil_key, possible, attended, authorised, late from staging.stg_attendance_total "
        f"where laestab = '{CEDAR}' and term = 'AUT' and told_until is not null and is_current and pupil_key > 200 "
        "order by pupil_key"
    )
    assert totals == [
        (ref, 140, 129 if ref == 203 else 132, 9 if ref == 203 else 6, None if ref == 203 else 1)
        for ref in range(201, 212)
    ]


def test_totals_stand_in_place_of_registers_in_the_term_and_the_year(built: Built) -> None:
    """Cedar's eleven: 140 possible sessions each by its totals, so that no more came; its calendar has 160 in the
    autumn and 60 since."""
    autumn = 11 * 140 - 11 * 8 - 3
    figures = built.first.rows(
        "select period, n, numerator, denominator, round(coverage, 4), status from marts.measure_value "
        "where unit_code = '100004' and measure_id = 'attendance_rate' and group_dimension = 'all' "
        "and period in ('AUT', 'SPR', 'YTD') order by 1"
    )
    assert figures == [
        ("AUT", 11, autumn, 1540, 87.5, "ok"),
        ("SPR", 0, 0, 0, 0.0, "x"),
        ("YTD", 11, autumn, 1540, round(100 * 140 / 220, 4), "ok"),
    ]
    coverage = built.first.rows(
        "select feed, period, expected, received, status from marts.coverage where school_key = '100004' "
        "and feed in ('attendance_totals', 'session_marks') and period in ('AUT', 'SPR', 'YTD') order by all"
    )
    assert coverage == [
        ("attendance_totals", "AUT", 11 * 160, 11 * 140, "ok"),
        ("attendance_totals", "YTD", 11 * 160, 11 * 140, "ok"),
        ("session_marks", "AUT", 11 * 160, 0, "x"),
        ("session_marks", "SPR", 11 * 60, 0, "x"),
        ("session_marks", "YTD", 11 * 220, 0, "x"),
    ]
    late = built.first.rows(
        "select late is null, count(*) from marts.attendance_enrolment_year where school_key = '100004' "
        "group by 1 order by 1"
    )
    assert late == [(False, 10), (True, 1)]
    assert built.first.rows("select count(*) from marts.attendance_reason where unit_code = '100004'") == [(0,)]


def test_totals_that_no_figure_counts_are_an_issue_of_their_own(built: Built) -> None:
    issues = built.first.rows(
        "select rule_id, school_key, n_rows, status from marts.data_quality_issue "
        "where rule_id like 'TOTAL-%' order by all"
    )
    assert issues == [("TOTAL-NOT-ON-ROLL", "100004", 1, "open"), ("TOTAL-YEAR-UNKNOWN", "100004", 1, "open")]


def test_totals_of_a_term_that_has_not_begun_are_not_read(built: Built) -> None:
    assert built.first.rows("select count(*) from staging.stg_attendance_total where term = 'SUM2'") == [(0,)]


def test_a_suspension_sent_again_under_another_reference_is_one_suspension_with_its_newest_length(
    built: Built,
) -> None:
    suspended = "select pupil_key, kind, start_date, sessions, reason from staging.stg_suspension where is_current"
    assert built.first.rows(suspended) == [(TWO_REFS, "SUSP", date(2025, 11, 3), 6, "DB")]


def test_an_intervention_is_known_by_pupil_kind_and_first_day_and_none_is_read_before_it_begins(built: Built) -> None:
    done = "select pupil_key, intervention, start_date, end_date, team from staging.stg_intervention where is_current"
    assert built.first.rows(done) == [(3, "letter-home", date(2025, 11, 3), date(2025, 11, 9), "Attendance")]


def test_each_file_says_how_many_of_its_rows_are_in_force(built: Built) -> None:
    counts = built.first.rows(
        "select feed, extracted_at::date, rows_current, rows_superseded from marts.delivery "
        "where feed in ('attendance_totals', 'suspensions', 'interventions', 'dfe_statistics') order by all"
    )
    assert counts == [
        ("attendance_totals", date(2026, 1, 5), 0, 10),
        ("attendance_totals", date(2026, 1, 6), 0, 1),
        ("attendance_totals", date(2026, 1, 12), 13, 1),
        ("attendance_totals", date(2026, 1, 20), 1, 0),
        ("dfe_statistics", date(2026, 1, 1), 0, 2),
        ("dfe_statistics", date(2026, 1, 1), 1, 0),
        ("dfe_statistics", date(2026, 1, 2), 1, 0),
        ("dfe_statistics", date(2026, 3, 1), 1, 0),
        ("interventions", date(2025, 11, 4), 1, 1),
        ("interventions", date(2025, 11, 10), 2, 0),
        ("suspensions", date(2025, 11, 4), 0, 1),
        ("suspensions", date(2025, 11, 10), 1, 0),
    ]


def test_a_newer_edition_replaces_a_publication_and_a_marker_stands_beside_no_value(built: Built) -> None:
    figures = built.first.rows(
        "select publication, time_period, academic_year, la_code, indicator, value, status, publication_date "
        "from marts.published_statistic where publication in ('absence', 'terms') order by all"
    )
    second, first = date(2026, 1, 2), date(2026, 1, 1)
    assert figures == [
        ("absence", "202425", "2024/25", "211", "absence", None, "c", second),
        ("absence", "202425", "2024/25", "211", "pupils", 11.0, "ok", second),
        ("terms", "2025", None, "211", "absence", 6.5, "ok", first),
        ("terms", "2025", None, "211", "pupils", 12.0, "ok", first),
    ]


def test_the_figures_that_ship_are_there_with_their_file_and_day(built: Built) -> None:
    shipped = (
        "select value, status, source_file, publication_date, publication_date_basis from marts.published_statistic "
        "where geographic_level = ? and location_name = ? and filters = ? and indicator = ?"
    )
    source = ("EES_ytd_data.csv", date(2026, 7, 23), "shipped")
    total = '{"education_phase": "Total"}'
    (england,) = built.first.rows(shipped, ["National", "England", total, "overall_absence_perc"])
    assert (round(england[0], 2), *england[1:]) == (6.88, "ok", *source)
    (hidden,) = built.first.rows(shipped, ["Local authority", "City of London", total, "pa_perc"])
    assert hidden == (None, "c", *source)


def test_every_shipped_row_is_one_place_and_phase() -> None:
    with (PROJECT / "seeds" / "published_attendance.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    places = {
        (row["time_period"], row["geographic_level"], row["location_code"], row["education_phase"]) for row in rows
    }
    assert len(places) == len(rows) == 647
    assert sum(row["possible_sessions"] == "c" for row in rows) == 4


def test_every_authority_has_ten_statistical_neighbours_among_the_others() -> None:
    with (PROJECT / "seeds" / "la_code.csv").open(encoding="utf-8", newline="") as file:
        authorities = {row["la_code"] for row in csv.DictReader(file)}
    neighbours: dict[str, list[str]] = {}
    with (PROJECT / "seeds" / "statistical_neighbour.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            neighbours.setdefault(row["la_code"], []).append(row["neighbour_la_code"])
            assert row["neighbour_rank"] == str(len(neighbours[row["la_code"]]))
    assert neighbours.keys() == authorities
    for la_code, of_la in neighbours.items():
        assert len(of_la) == len(set(of_la) & (authorities - {la_code})) == 10
    assert neighbours["850"] == ["865", "802", "916", "938", "869", "867", "803", "937", "931", "855"]


def test_the_shipped_figures_of_neighbours_are_averaged_beside_an_authoritys_own(built: Built) -> None:
    """Of Tower Hamlets' neighbours, by the files that ship: added up here in another way."""
    with (PROJECT / "seeds" / "statistical_neighbour.csv").open(encoding="utf-8", newline="") as file:
        neighbours = [row["neighbour_la_code"] for row in csv.DictReader(file) if row["la_code"] == "211"]
    with (PROJECT / "seeds" / "published_attendance.csv").open(encoding="utf-8", newline="") as file:
        secondary = {r["la_code"]: r["pa_perc"] for r in csv.DictReader(file) if r["education_phase"] == "Secondary"}
    figures = [float(secondary[code]) for code in neighbours if secondary[code] != "c"]
    found = built.first.rows(
        "select comparator, comparator_name, places, places_with_figure, round(value, 6), publication_date, edition, "
        "status from exports_public.published_comparator where level = 'la' and unit_code = '211' "
        "and academic_year = '2025/26' and measure_id = 'persistent_absence_rate' order by comparator"
    )
    day = date(2026, 7, 23)
    average = round(sum(figures) / len(figures), 6)
    assert found == [
        ("la", "Tower Hamlets", 1, 1, round(float(secondary["211"]), 6), day, None, "ok"),
        ("national", "England", 1, 1, 23.768034, day, None, "ok"),
        ("neighbours", "Statistical neighbours", 10, len(figures), average, day, "2025-05", "ok"),
    ]
