"""Every row rule has a fixture that triggers it; together they are all rules there are."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from ingest.contracts import LAKE_FEEDS, load_contract
from tests.ingest.landing import OTHER_SCHOOL, SCHOOL, Landing, upn

BAD_UPN = "A801200005001"
TEMPORARY_UPN = "T38040001800L"
MARKS = "UPN,Adno,Date,Session,Mark,Minutes Late"
PUPILS = "UPN,Adno,Surname,DOB,Sex"
RESULTS = "UPN,Adno,Assessment,Subject,Result,Scale,Date"
CALENDAR = "LAESTAB,Date,Session,Status"
SCHOOLS = "URN,LA (code),EstablishmentNumber,EstablishmentName"
TOTALS = "UPN,Adno,Academic year,Term,Possible,Attended,Authorised,Unauthorised,Late"
SUSPENSIONS = "UPN,Adno,Type,Start date,Sessions,Reason"
INTERVENTIONS = "UPN,Adno,Intervention,Start date,End date,Team"
STATISTICS = "time_period,time_identifier,geographic_level,country_code,country_name,education_phase,absence,pupils"
LINKS = "URN,LinkURN,LinkType,LinkEstablishedDate"


@dataclass(frozen=True)
class Fixture:
    """A file with one bad row among good ones: the rule it triggers and the lines it is on."""

    rule_id: str
    header: str
    rows: tuple[str, ...]
    lines: tuple[int, ...]
    name: str = "file_20250910T180000.csv"
    folder: str = SCHOOL


def marks(rule_id: str, *rows: str, lines: tuple[int, ...] = (3,), header: str = MARKS, **kw: str) -> Fixture:
    return Fixture(rule_id, header, (f"{upn(1)},,2025-09-01,AM,/,", *rows), lines, **kw)


def pupils(rule_id: str, *rows: str, lines: tuple[int, ...] = (3,), header: str = PUPILS, **kw: str) -> Fixture:
    good = f"{upn(1)},1,Ali,2014-05-01,F" + "," * (header.count(",") - 4)
    return Fixture(rule_id, header, (good, *rows), lines, **kw)


def results(rule_id: str, *rows: str, lines: tuple[int, ...] = (3,), header: str = RESULTS, **kw: str) -> Fixture:
    good = f"{upn(1)},,Autumn test,Reading,101,standardised-100-15,2025-10-01" + "," * (header.count(",") - 6)
    return Fixture(rule_id, header, (good, *rows), lines, **kw)


def totals(rule_id: str, *rows: str, lines: tuple[int, ...] = (3,), header: str = TOTALS, **kw: str) -> Fixture:
    good = f"{upn(1)},,2025/26,AUT,140,133,5,2,1" + "," * (header.count(",") - 8)
    return Fixture(rule_id, header, (good, *rows), lines, **kw)


def suspended(rule_id: str, *rows: str, lines: tuple[int, ...] = (3,), header: str = SUSPENSIONS) -> Fixture:
    good = f"{upn(1)},,SUSP,2025-10-01,4,DB" + "," * (header.count(",") - 5)
    return Fixture(rule_id, header, (good, *rows), lines)


def interventions(rule_id: str, *rows: str, lines: tuple[int, ...] = (3,), header: str = INTERVENTIONS) -> Fixture:
    good = f"{upn(1)},,Letter home,2025-10-01,,Attendance" + "," * (header.count(",") - 5)
    return Fixture(rule_id, header, (good, *rows), lines)


def statistics(rule_id: str, *rows: str, lines: tuple[int, ...] = (12,)) -> Fixture:
    # Ten good rows: one cell that is no figure does not make its column a group.
    good = (f"2025{n:02d},Academic year,National,E92000001,England,Total,6.{n},100" for n in range(26, 36))
    return Fixture(rule_id, STATISTICS, (*good, *rows), lines, folder="")


U2 = upn(2)
T = f"{U2},,2025/26"
S = f"{U2},,SUSP,2025-10-01"
ACT = f"{U2},,Letter home"
ENGLAND = "Academic year,National,E92000001,England,Total"
A = f"{U2},,Autumn test"
FIXTURES = [
    marks("SM-001", ",,2025-09-01,AM,/,"),
    marks("SM-002", f"{BAD_UPN},,2025-09-01,AM,/,"),
    marks("SM-003", f"{U2},,2025-09-01,AM,ZZ,"),
    marks("SM-004", f"{U2},,31/02/2025,AM,/,", f"{U2},,,AM,/,", lines=(3, 4)),
    marks("SM-005", f"{U2},,2025-09-01,EVE,/,"),
    marks("SM-006", f"{U2},,2024-08-19,AM,H,"),
    marks("SM-007", f"{upn(1)},,2025-09-01,am,/,"),
    marks("SM-008", f"{upn(1)},,01/09/2025,AM,N,", lines=(2, 3)),
    marks(
        "SM-009", *(f"{upn(n)},,2025-09-01,AM,{mark}," for n, mark in ((2, ""), (3, "-"), (4, "*"))), lines=(3, 4, 5)
    ),
    marks("SM-010", f"{U2},,2025-09-01,AM,L,ten"),
    marks("SM-011", f"{U2},,2025-09-01,AM,/,,{OTHER_SCHOOL}", lines=(3,), header=MARKS + ",LAESTAB"),
    marks("SM-012", f"{U2},,2025-09-01"),
    marks("SM-014", f"{BAD_UPN},77,2025-09-01,AM,/,"),
    marks("SM-015", f"{U2},,2025-09-08,AM,/,", name="m_2025-09-01_2025-09-05_20250905T180000.csv"),
    marks("SM-016", f"{U2},,2024-08-16,AM,C1,"),
    marks("SM-017", f"{U2},,2025-09-06,AM,/,"),
    pupils("PU-001", ",,Bo,2014-05-01,M"),
    pupils("PU-002", f"{BAD_UPN},,Bo,2014-05-01,M"),
    pupils("PU-003", f"{BAD_UPN},2,Bo,2014-05-01,M"),
    pupils("PU-004", f"{TEMPORARY_UPN},2,Bo,2014-05-01,M"),
    pupils("PU-005", f"{U2},2,Bo,May 2014,M"),
    pupils("PU-006", f"{U2},2,Bo,2014-05-01,Q"),
    pupils("PU-007", f"{upn(1)},1,Ali,01/05/2014,Female"),
    pupils("PU-008", f"{upn(1)},1,Ali,2014-05-02,F", lines=(2, 3)),
    pupils(
        "PU-009",
        ",9,Bo,,M,1",
        ",9,Cy,,M,2",
        ",10,Di,,F,1",
        lines=(3, 4),
        header=PUPILS + ",Occurrence",
    ),
    pupils("PU-010", f"{U2},2,Bo,2014-05-01,M,soon", header=PUPILS + ",Entry date"),
    pupils("PU-011", f"{U2},2,Bo,2014-05-01,M,2025-09-01,2024-09-01", header=PUPILS + ",Entry date,Leaving date"),
    pupils("PU-012", f"{U2},2,Bo,2014-05-01,M,Z", header=PUPILS + ",SEN status"),
    pupils("PU-013", f"{U2},2,Bo,2014-05-01,M,perhaps", header=PUPILS + ",FSM Eligible"),
    pupils("PU-014", f"{U2},2,Bo,2014-05-01,M,census", header=PUPILS + ",As at"),
    pupils("PU-015", f"{U2},2,Bo,2014-05-01,M,801", header=PUPILS + ",LAESTAB"),
    pupils("PU-016", f"{U2},2,Bo"),
    pupils("PU-017", f"{U2},2,Bo,2014-05-01,M,S - Statement", header=PUPILS + ",SEN status"),
    pupils("PU-018", f"{U2},2,Bo,2026-05-01,M"),
    pupils("PU-019", f"{U2},2,Bo,2014-05-01,M,Year 15", header=PUPILS + ",Year group"),
    pupils("PU-020", f"{U2},2,Bo,2014-05-01,M,{BAD_UPN}", header=PUPILS + ",Former UPN"),
    pupils("PU-021", f"{U2},2,Bo,2014-05-01,M,Q", header=PUPILS + ",Enrolment status"),
    pupils("PU-022", f"{U2},2,Bo,2014-05-01,M,11", header=PUPILS + ",IDACI decile"),
    pupils("PU-024", f"{U2},2,Bo,2014-05-01,M,first", header=PUPILS + ",Occurrence"),
    results("AR-001", ",,Autumn test,Reading,101,standardised-100-15,2025-10-01"),
    results("AR-002", f"{BAD_UPN},,Autumn test,Reading,101,standardised-100-15,2025-10-01"),
    results("AR-003", f"{U2},,,Reading,101,standardised-100-15,2025-10-01"),
    results("AR-004", f"{A},,101,standardised-100-15,2025-10-01"),
    results("AR-005", f"{A},Reading,,standardised-100-15,2025-10-01"),
    results("AR-006", f"{A},Reading,101,standardised-100-15,autumn"),
    results("AR-007", f"{upn(1)},,autumn  Test,READING,101,standardised-100-15,01/10/2025", lines=(3,)),
    results("AR-008", f"{upn(1)},,Autumn test,Reading,99,standardised-100-15,2025-10-01", lines=(2, 3)),
    results("AR-009", f"{A},Reading,good,standardised-100-15,2025-10-01"),
    results("AR-010", f"{A},Reading,1010,standardised-100-15,2025-10-01"),
    results("AR-011", ",5,Autumn test,Reading,101,standardised-100-15,2025-10-01", folder=""),
    results("AR-012", f"{A},Reading"),
    results("AR-013", f"{A},Reading,101,standardised-100-15,2025-10-01,x", header=RESULTS + ",Occurrence"),
    results("AR-014", f"{BAD_UPN},5,Autumn test,Reading,101,standardised-100-15,2025-10-01"),
    results("AR-015", f"{A},Reading,0.12345678901,normal-score,2025-10-01"),
    results("AR-016", f"{A},Reading,101,my-scale,2025-10-01"),
    totals("AT-001", ",,2025/26,AUT,140,133,5,2,1"),
    totals("AT-002", f"{BAD_UPN},,2025/26,AUT,140,133,5,2,1"),
    totals("AT-003", f"{BAD_UPN},77,2025/26,AUT,140,133,5,2,1"),
    totals("AT-004", f"{T},AUT,140,133,5,2,1,{OTHER_SCHOOL}", header=TOTALS + ",LAESTAB"),
    totals("AT-005", f"{T},AUT,140"),
    totals("AT-006", f"{upn(1)},,2025-26,autumn,140,133,5,2,1"),
    totals("AT-007", f"{upn(1)},,2025/26,AUT,140,132,6,2,1", lines=(2, 3)),
    totals("AT-008", f"{T},AUT,140,133,5,2,1,x", header=TOTALS + ",Occurrence"),
    totals("AT-009", f"{U2},,2025/27,AUT,140,133,5,2,1", f"{U2},,,AUT,140,133,5,2,1", lines=(3, 4)),
    totals("AT-010", f"{T},Summer,140,133,5,2,1"),
    totals("AT-011", f"{T},AUT,,133,5,2,1", f"{T},SPR,140,133,five,2,1", f"{T},SUM1,140,133,5,-2,1", lines=(3, 4, 5)),
    totals("AT-012", f"{T},AUT,6,0,5,2,0"),
    totals("AT-013", f"{T},AUT,140,140,5,2,1"),
    totals("AT-014", f"{T},AUT,140,133,5,2,few"),
    totals("AT-015", f"{T},AUT,140,133,5,2,141", f"{T},SPR,140,133,5,2,140", lines=(3,)),
    suspended("SU-001", ",,SUSP,2025-10-01,4,DB"),
    suspended("SU-002", f"{BAD_UPN},,SUSP,2025-10-01,4,DB"),
    suspended("SU-003", f"{BAD_UPN},77,SUSP,2025-10-01,4,DB"),
    suspended("SU-004", f"{S},4,DB,{OTHER_SCHOOL}", header=SUSPENSIONS + ",LAESTAB"),
    suspended("SU-005", f"{U2},,SUSP"),
    suspended("SU-006", f"{upn(1)},,Suspension,01/10/2025,4,db"),
    suspended("SU-007", f"{upn(1)},,SUSP,2025-10-01,5,DB", lines=(2, 3)),
    suspended("SU-008", f"{S},4,DB,x", header=SUSPENSIONS + ",Occurrence"),
    suspended("SU-009", f"{U2},,DETENTION,2025-10-01,4,DB"),
    suspended("SU-010", f"{U2},,PERM,October,4,DB"),
    suspended("SU-011", f"{S},two,DB"),
    suspended("SU-012", f"{S},4,XX"),
    interventions("IV-001", ",,Letter home,2025-10-01,,Attendance"),
    interventions("IV-002", f"{BAD_UPN},,Letter home,2025-10-01,,Attendance"),
    interventions("IV-003", f"{BAD_UPN},77,Letter home,2025-10-01,,Attendance"),
    interventions("IV-004", f"{ACT},2025-10-01,,Attendance,{OTHER_SCHOOL}", header=INTERVENTIONS + ",LAESTAB"),
    interventions("IV-005", f"{ACT}"),
    interventions("IV-006", f"{upn(1)},,letter  HOME,01/10/2025,,Attendance"),
    interventions("IV-007", f"{upn(1)},,Letter home,2025-10-01,,Pastoral", lines=(2, 3)),
    interventions("IV-008", f"{ACT},2025-10-01,,Attendance,x", header=INTERVENTIONS + ",Occurrence"),
    interventions("IV-009", f"{U2},,,2025-10-01,,Attendance"),
    interventions("IV-010", f"{ACT},soon,,Attendance"),
    interventions("IV-011", f"{ACT},2025-10-01,later,Attendance"),
    interventions("IV-012", f"{ACT},2025-10-01,2025-09-01,Attendance"),
    statistics("DS-001", f"25/26,{ENGLAND},6.9,100"),
    statistics("DS-002", "202526,,National,E92000001,England,Total,6.9,100"),
    statistics("DS-003", "202546,Academic year,Planet,E92000001,England,Total,6.9,100"),
    statistics("DS-004", "202547,Academic year,National,,England,Total,6.9,100"),
    statistics("DS-005", f"202548,{ENGLAND},about six,100"),
    statistics("DS-006", f"202549,{ENGLAND},..,100", f"202550,{ENGLAND},,100", lines=(12, 13)),
    statistics("DS-007", f"202526,{ENGLAND},6.26,100"),
    statistics("DS-008", f"202526,{ENGLAND},6.9,100", lines=(2, 12)),
    statistics("DS-009", f"202551,{ENGLAND}"),
    Fixture("CA-001", CALENDAR, (f"{SCHOOL},2025-09-01,AM,open", "80140,2025-09-01,PM,open"), (3,), folder=""),
    Fixture("CA-002", CALENDAR, (f"{SCHOOL},1st,AM,open",), (2,)),
    Fixture("CA-003", CALENDAR, (f"{SCHOOL},2025-09-01,noon,open",), (2,)),
    Fixture("CA-004", CALENDAR, (f"{SCHOOL},2025-09-01,AM,maybe",), (2,)),
    Fixture("CA-005", CALENDAR, (f"{SCHOOL},2025-09-01,AM,open", f"{SCHOOL},01/09/2025,am,Open"), (3,)),
    Fixture("CA-006", CALENDAR, (f"{SCHOOL},2025-09-01,AM,open", f"{SCHOOL},2025-09-01,AM,inset"), (2, 3)),
    Fixture("CA-007", CALENDAR, (f"{SCHOOL},2025-09-01,AM,open,and,more",), (2,)),
    Fixture("CA-008", CALENDAR, (f"{SCHOOL},2025-09-06,AM,open", f"{SCHOOL},2025-09-07,AM,closed"), (2,)),
    Fixture("SC-001", SCHOOLS, ("1,801,4001,A school",), (2,), folder=""),
    Fixture("SC-002", SCHOOLS, ("100001,,4001,A school",), (2,), folder=""),
    Fixture("SC-003", SCHOOLS, ("100001,801,,A school",), (2,), folder=""),
    Fixture("SC-004", SCHOOLS, ("100001,801,4001,",), (2,), folder=""),
    Fixture("SC-005", SCHOOLS + ",Gender (name)", ("100001,801,4001,A school,Both",), (2,), folder=""),
    Fixture("SC-006", SCHOOLS + ",OpenDate", ("100001,801,4001,A school,long ago",), (2,), folder=""),
    Fixture("SC-007", SCHOOLS + ",StatutoryLowAge", ("100001,801,4001,A school,four",), (2,), folder=""),
    Fixture("SC-008", SCHOOLS, ("100001,801,4001,A school", "100001,801,4001,A school"), (3,), folder=""),
    Fixture("SC-009", SCHOOLS, ("100001,801,4001,A school", "100001,801,4001,B school"), (2, 3), folder=""),
    Fixture("SC-010", SCHOOLS, ("100001,801,4001",), (2,), folder=""),
    Fixture("SL-001", LINKS, ("100001,,Predecessor,01-09-2024",), (2,), folder=""),
    Fixture("SL-002", LINKS, ("100001,100000,,01-09-2024",), (2,), folder=""),
    Fixture("SL-003", LINKS, ("100001,100000,Predecessor,then",), (2,), folder=""),
    Fixture("SL-004", LINKS, ("100001,100000,Predecessor,01-09-2024",) * 2, (3,), folder=""),
    Fixture("SL-005", LINKS, ("1000,100000,P,", "100001,100000,P,01-09-2024", "100001,100000,P,"), (3, 4), folder=""),
    Fixture("SL-006", LINKS, ("100001,100000",), (2,), folder=""),
]
FEED_OF = {"SM": "session_marks", "PU": "pupils", "AR": "assessment_results", "CA": "calendar"}
FEED_OF |= {"SC": "schools", "SL": "school_links", "AT": "attendance_totals", "SU": "suspensions"}
FEED_OF |= {"IV": "interventions", "DS": "dfe_statistics"}


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.rule_id)
def test_a_rule_catches_its_fixture_on_its_lines_and_no_other_line(fixture: Fixture, landing: Landing) -> None:
    feed = FEED_OF[fixture.rule_id[:2]]
    contract = load_contract(feed)
    folder = f"{contract.data['landing_folder']}/{fixture.folder}".rstrip("/")
    landing.put(f"{folder}/{fixture.name}", "\n".join((fixture.header, *fixture.rows)) + "\n")

    report = landing.ingest()[contract.data["landing_folder"]]

    assert not report.refused
    assert report.rows_read == len(fixture.rows) == report.rows_accepted + report.rows_quarantined
    accepted, quarantine = landing.accepted(feed), landing.quarantine(feed)
    assert report.rules[fixture.rule_id] == len(fixture.lines)
    if contract.rules[fixture.rule_id].severity == "refuse":
        caught = {row["line"] for row in quarantine if fixture.rule_id in row["rule_ids"].split(",")}
        assert not caught & {row["line"] for row in accepted}
    else:
        caught = {row["line"] for row in accepted if fixture.rule_id in (row["flags"] or "").split(",")}
    assert caught == set(fixture.lines)


def test_every_rule_of_every_contract_has_a_fixture() -> None:
    stated = {rule_id for feed in LAKE_FEEDS for rule_id in load_contract(feed).rules}
    assert stated == {fixture.rule_id for fixture in FIXTURES}


def test_a_quarantined_row_is_kept_whole_with_what_could_be_read(landing: Landing) -> None:
    landing.put(f"session_marks/{SCHOOL}/m_20250905T180000.csv", f"{MARKS},Comment\n{U2},,2025-09-01,AM,ZZ,,ill\n")
    landing.ingest()
    (row,) = landing.quarantine("session_marks")
    assert json.loads(row["raw"]) == {
        "UPN": U2,
        "Adno": "",
        "Date": "2025-09-01",
        "Session": "AM",
        "Mark": "ZZ",
        "Minutes Late": "",
        "Comment": "ill",
    }
    assert (row["laestab"], row["session"], str(row["session_date"])) == (SCHOOL, "AM", "2025-09-01")
    assert row["pupil_ref"] is not None


def test_a_mark_missing_is_a_row_without_a_code(landing: Landing) -> None:
    landing.put(f"session_marks/{SCHOOL}/m_20250905T180000.csv", f"{MARKS}\n{U2},,2025-09-01,AM,-,\n")
    landing.ingest()
    (row,) = landing.accepted("session_marks")
    assert row["code"] is None
    assert row["flags"] == "SM-009"


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("/", "/"),
        ("\\", "\\"),
        ("\\\\", "\\"),
        ("l ", "L"),
        ("c1", "C1"),
        ("I - Illness", "I"),
        (" n", "N"),
        ("#", "#"),
    ],
)
def test_marks_are_read_through_the_artefacts_of_exports(written: str, code: str, landing: Landing) -> None:
    landing.put(f"session_marks/{SCHOOL}/m_20250905T180000.csv", f"{MARKS}\n{U2},,2025-09-01,AM,{written},\n")
    landing.ingest()
    assert [row["code"] for row in landing.accepted("session_marks")] == [code]


def test_codes_that_england_withdrew_are_in_use_in_wales(landing: Landing) -> None:
    rows = f"{MARKS}\n{U2},,2025-09-01,AM,Y,\n{U2},,2025-09-01,PM,C1,\n"
    landing.put("session_marks/6604001/m_20250905T180000.csv", rows)
    landing.ingest()
    assert [row["flags"] for row in landing.accepted("session_marks")] == [None, "SM-016"]


def test_children_who_share_a_school_id_are_told_apart_by_their_occurrence(landing: Landing) -> None:
    landing.put(f"pupils/{SCHOOL}/p_20250905T180000.csv", "Adno,Occurrence,Surname,Sex\n9,1,Bo,M\n9,2,Cy,F\n")
    landing.ingest()
    accepted = landing.accepted("pupils")
    assert [row["flags"] for row in accepted] == ["PU-009", "PU-009"]
    assert len({row["pupil_ref"] for row in accepted}) == 2


def test_unknown_columns_are_kept_and_reported(landing: Landing) -> None:
    text = "Adno,Surname,House,Locker\n1,Bo,Red,\n2,Cy,,12\n3,Di,,\n"
    landing.put(f"pupils/{SCHOOL}/p_20250905T180000.csv", text)
    assert landing.ingest()["pupils"].extra_columns == ("House", "Locker")
    assert [row["extra"] for row in landing.accepted("pupils")] == ['{"House": "Red"}', '{"Locker": "12"}', None]


def test_totals_are_counted_in_the_terms_of_the_census(landing: Landing) -> None:
    text = f"{TOTALS}\n{U2},,202526,Summer first half,50,,3,1,\n"
    landing.put(f"attendance_totals/{SCHOOL}/census_20260901T080000.csv", text)
    landing.ingest()
    (row,) = landing.accepted("attendance_totals")
    wanted = {"academic_year": "2025/26", "term": "SUM1", "possible": 50, "attended": None, "authorised": 3}
    assert {name: row[name] for name in wanted} == wanted


def test_more_late_sessions_than_possible_ones_are_left_out_and_the_rest_is_taken(landing: Landing) -> None:
    rows = "".join(f"{upn(n)},,2025/26,AUT,140,133,5,2,{late}\n" for n, late in ((1, 140), (2, 141)))
    landing.put(f"attendance_totals/{SCHOOL}/totals_20260105T080000.csv", f"{TOTALS}\n{rows}")
    landing.ingest()
    taken = [(row["possible"], row["late"], row["flags"]) for row in landing.accepted("attendance_totals")]
    assert taken == [(140, 140, None), (140, None, "AT-015")]


def test_published_figures_keep_their_markers_beside_no_value(landing: Landing) -> None:
    figures = (("5.88", "c"), ("low", "1299079364"), ("z", "u"), ("k", "x"))
    rows = "".join(f"2025{n:02d},{ENGLAND},{a},{b}\n" for n, (a, b) in enumerate(figures, start=26))
    landing.put("dfe_statistics/absence_2026-07-23.csv", f"{STATISTICS}\n{rows}")
    landing.ingest()
    accepted = landing.accepted("dfe_statistics")
    assert {row["filters"] for row in accepted} == {'{"education_phase": "Total"}'}
    assert {(row["location_code"], row["location_name"]) for row in accepted} == {("E92000001", "England")}
    assert [[(cell["value"], cell["status"]) for cell in row["cells"]] for row in accepted] == [
        [(5.88, "ok"), (None, "c")],
        [(None, "low"), (1299079364.0, "ok")],
        [(None, "z"), (None, "u")],
        [(None, "low"), (None, "x")],
    ]


def test_a_place_is_known_by_the_code_of_its_level(landing: Landing) -> None:
    header = "time_period,time_identifier,geographic_level,country_code,region_code,region_name,new_la_code,la_name,n"
    rows = (
        "202526,Week 1,National,E92000001,,,,,1",
        "202526,Week 1,Regional,E92000001,E12000007,London,,,2",
        "202526,Week 1,Local authority,E92000001,E12000007,London,E09000030,Tower Hamlets,3",
    )
    landing.put("dfe_statistics/absence_2026-07-23.csv", "\n".join((header, *rows)) + "\n")
    landing.ingest()
    places = [(row["location_code"], row["location_name"]) for row in landing.accepted("dfe_statistics")]
    assert places == [("E92000001", None), ("E12000007", "London"), ("E09000030", "Tower Hamlets")]


@pytest.mark.parametrize("name", ["EES_ytd_2026-07-23.csv", "ees ytd_20260901T060000.csv", "ees_ytd.csv"])
def test_editions_of_a_publication_are_known_by_its_name_without_dates(name: str, landing: Landing) -> None:
    landing.put(f"dfe_statistics/{name}", f"{STATISTICS}\n202526,{ENGLAND},6.9,100\n")
    landing.ingest()
    (parse,) = landing.parses("dfe_statistics")
    assert (parse.manifest["publication"], parse.manifest["academic_year"]) == ("ees-ytd", "2025/26")


def test_the_published_sample_is_taken_whole(landing: Landing) -> None:
    sample = (Path(__file__).parents[1] / "published" / "attendance_sample.csv").read_bytes()
    landing.put("attendance_2026-07-23.csv", sample)
    report = landing.ingest()["dfe_statistics"]
    assert (report.rows_read, report.rows_accepted, report.rules) == (34, 34, {})
    cells = [cell for row in landing.accepted("dfe_statistics") for cell in row["cells"]]
    assert len(cells) == 34 * 56
    assert sum(cell["status"] == "c" for cell in cells) == 4 * 54
