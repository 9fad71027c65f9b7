"""A bad file is one sentence that says file, line and remedy; every good file beside it lands."""

import gzip
import os
from pathlib import Path

import pytest

from ingest.check import check_file
from ingest.lake import Lake
from ingest.pipeline import UNRECOGNISED, NewFile, ingest_all, survey
from ingest.settings import load_settings
from tests.ingest.landing import SCHOOL, Landing, upn

MARKS = "UPN,Date,Session,Mark"
GOOD = f"{MARKS}\n{upn(1)},2025-09-01,AM,/\n"
FOLDER = f"session_marks/{SCHOOL}"

BAD_FILES: list[tuple[str, str, bytes, str]] = [
    ("empty", f"{FOLDER}/empty.csv", b"", "empty.csv: the file is empty; export it again."),
    ("blank", f"{FOLDER}/blank.csv", b"\n\n  \n", "blank.csv: the file is empty; export it again."),
    ("binary", f"{FOLDER}/binary.csv", b"\x7fELF\0\0\1\0\0\0", "binary.csv, line 1: this is not text"),
    ("undecodable", f"{FOLDER}/odd.csv", GOOD.encode() + b"\x81\x8d\n", "odd.csv, line 3: this is not text"),
    ("damaged gzip", f"{FOLDER}/cut.csv.gz", gzip.compress(GOOD.encode() * 99)[:40], "the gzip archive is damaged"),
    ("damaged workbook", f"{FOLDER}/book.xlsx", b"PK\x03\x04nothing", "book.xlsx: the workbook is damaged"),
    ("unknown feed", "other.csv", b"Name,Colour\nBo,red\n", "other.csv, line 1: the header is that of no feed"),
    (
        "semicolons",
        f"{FOLDER}/semi.csv",
        GOOD.replace(",", ";").encode(),
        "semi.csv, line 1: its cells are parted by ';'",
    ),
    ("bars, no folder", "bars.csv", GOOD.replace(",", "|").encode(), "bars.csv, line 1: its cells are parted by '|'"),
    (
        "title",
        f"{FOLDER}/title.csv",
        f"Oak School\n{GOOD}".encode(),
        "title.csv, line 1 has one cell only; the headings",
    ),
    ("title of cells", "top.csv", f"Oak School,,,\n{GOOD}".encode(), "top.csv, line 1 has one cell only; the headings"),
    (
        "list of nobody",
        f"pupils/{SCHOOL}/list.csv",
        b"UPN,Surname,Forename,DOB,Sex,Year,Reg,Entry date\n",
        "list.csv: the file has headings and no row; export it again.",
    ),
    ("unknown folder", "mystery/a.csv", GOOD.encode(), "a.csv: the folder 'mystery' is no feed; use one of schools"),
    ("folder of no school", "session_marks/Oak/a.csv", GOOD.encode(), "the folder 'Oak' is no LAESTAB of seven digits"),
    (
        "missing column",
        f"{FOLDER}/m.csv",
        b"UPN,Date,Mark\nx,y,z\n",
        "m.csv, line 1: the session_marks feed needs 'Session'",
    ),
    ("no pupil id", f"{FOLDER}/i.csv", b"Date,Session,Mark\nx,y,z\n", "needs 'UPN' or 'Unique Pupil Number'"),
    ("no school", "session_marks/s.csv", GOOD.encode(), "s.csv: the school is not known; put the file in a folder"),
    (
        "duplicate headers",
        f"{FOLDER}/d.csv",
        b"UPN,Date,Session,Mark,mark\n",
        "d.csv, line 1: the header names 'mark' twice",
    ),
    (
        "truncated",
        f"{FOLDER}/t.csv",
        GOOD.encode() + b"B80120000",
        "t.csv, line 3: the file is cut off inside this row",
    ),
    ("truncated in quotes", f"{FOLDER}/q.csv", GOOD.encode() + b'"B80120', "q.csv, line 3: the file is cut off inside"),
    ("hostile name", f"{FOLDER}/..\\..\\x.csv", GOOD.encode(), "the name is like a path out of the folder"),
    ("encoded path", f"{FOLDER}/a%2F..%2Fx.csv", GOOD.encode(), "the name is like a path out of the folder"),
]


@pytest.mark.parametrize(
    ("path", "content", "sentence"), [bad[1:] for bad in BAD_FILES], ids=[bad[0] for bad in BAD_FILES]
)
def test_a_bad_file_is_refused_in_one_sentence_and_its_neighbour_lands(
    path: str, content: bytes, sentence: str, landing: Landing
) -> None:
    landing.put(path, content)
    landing.put(f"{FOLDER}/good_20250905T180000.csv", GOOD)

    reports = landing.ingest()

    (refusal,) = [refusal for report in reports.values() for refusal in report.refused]
    assert sentence in refusal.sentence
    assert refusal.sentence.endswith(".")
    assert "\n" not in refusal.sentence
    assert len(landing.accepted("session_marks")) == 1
    recorded = landing.catalogue().execute("SELECT sentence FROM lake.refusal").fetchall()
    assert recorded == [(refusal.sentence,)]
    assert not list((landing.settings.lake_dir / ".tmp").iterdir())


def test_a_link_out_of_the_landing_folder_is_refused_unread(landing: Landing, tmp_path: Path) -> None:
    outside = tmp_path / "secret.csv"
    outside.write_text(GOOD)
    folder = landing.settings.landing_dir / FOLDER
    folder.mkdir(parents=True)
    (folder / "link.csv").symlink_to(outside)
    (folder / "folder").symlink_to(tmp_path)
    reports = landing.ingest()
    refused = [refusal for report in reports.values() for refusal in report.refused]
    assert sorted(refusal.file_name for refusal in refused) == ["folder", "link.csv"]
    assert all("leads out of the landing folder" in refusal.sentence for refusal in refused)
    assert not landing.parses("session_marks")
    assert not (landing.settings.lake_dir / "originals").exists()


def test_hidden_and_partly_uploaded_files_wait(landing: Landing) -> None:
    landing.put(f"{FOLDER}/.gitkeep", "")
    landing.put(f"{FOLDER}/big.csv.part", "UPN")
    assert survey(landing.settings).is_empty


def test_a_refused_file_is_not_opened_again_but_is_still_named(landing: Landing) -> None:
    landing.put(f"{FOLDER}/empty.csv", "")
    landing.ingest()
    found = survey(landing.settings)
    assert found.is_empty
    assert found.refused == (f"{FOLDER}/empty.csv",)


def test_a_refusal_is_settled_when_the_file_is_mended(landing: Landing) -> None:
    landing.put(f"{FOLDER}/m_20250905T180000.csv", "")
    landing.ingest()
    assert len(Lake(landing.settings).refusals()) == 1
    landing.put(f"{FOLDER}/m_20250905T180000.csv", GOOD)
    landing.ingest()
    assert not Lake(landing.settings).refusals()
    assert len(landing.accepted("session_marks")) == 1


def test_the_bytes_of_a_refused_file_are_kept(landing: Landing) -> None:
    landing.put(f"{FOLDER}/d.csv", b"UPN,Date,Session,Mark,mark\n")
    landing.ingest()
    assert len(list((landing.settings.lake_dir / "originals").glob("*.zst"))) == 1


def test_a_file_that_kills_its_worker_is_refused_and_the_others_land(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        rows = "".join(f"{upn(pupil)},2025-09-0{number + 1},AM,/\n" for pupil in range(20))
        landing.put(f"{FOLDER}/m{number}_20250905T18000{number}.csv", f"{MARKS}\n{rows}")
    monkeypatch.setattr("ingest.pipeline.POOL_FROM_BYTES", 0)
    monkeypatch.setattr("ingest.pipeline.BATCH_FILES", 2)
    monkeypatch.setattr("ingest.pipeline._ingest_batch", _die_of_the_second)
    report = ingest_all(load_settings(landing.settings.home, ingest_workers=2))["session_marks"]
    assert [refusal.file_name for refusal in report.refused] == ["m2_20250905T180002.csv"]
    assert "the process that read this file died" in report.refused[0].sentence
    assert len(landing.parses("session_marks")) == 3


def _die_of_the_second(settings, files: list[NewFile]):  # type: ignore[no-untyped-def]  # stands in for a private function
    from ingest import pipeline

    if any("m2_" in landed.path for landed in files):
        os.kill(os.getpid(), 9)
    return pipeline._ingest_batch(settings, files)


def test_check_judges_a_file_and_writes_nothing(landing: Landing, tmp_path: Path) -> None:
    path = tmp_path / "session_marks" / SCHOOL / "m_20250905T180000.csv"
    path.parent.mkdir(parents=True)
    path.write_text(f"{MARKS},Colour\n{upn(1)},2025-09-01,AM,/,red\n{upn(2)},2025-09-01,AM,ZZ,\n{upn(3)},2025-09-01\n")
    verdict = check_file(landing.settings, path)
    assert (verdict.feed, verdict.extra_columns) == ("session_marks", ("Colour",))
    assert (verdict.rows_read, verdict.rows_accepted, verdict.rows_refused) == (3, 1, 2)
    assert [(rule.rule_id, rule.n_rows, rule.first_lines) for rule in verdict.rules] == [
        ("SM-003", 1, (3,)),
        ("SM-012", 1, (4,)),
    ]
    assert not verdict.is_clean
    assert not landing.settings.lake_dir.exists()


def test_check_says_what_a_file_lacks(landing: Landing, tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("UPN,Date,Mark,House\n")
    verdict = check_file(landing.settings, path, "session_marks")
    assert verdict.missing_columns
    assert "'Session'" in verdict.missing_columns[0]
    assert verdict.extra_columns == ("House",)
    assert verdict.refusal is not None
    assert not verdict.is_clean
    assert check_file(landing.settings, tmp_path / "none.csv").refusal is not None
    with pytest.raises(ValueError, match="There is no feed 'marks'"):
        check_file(landing.settings, path, "marks")


def test_check_names_no_column_of_a_first_line_that_is_no_header(landing: Landing, tmp_path: Path) -> None:
    path = tmp_path / "title.csv"
    path.write_text(f"Oak School\n{GOOD}")
    verdict = check_file(landing.settings, path, "session_marks")
    assert (verdict.missing_columns, verdict.extra_columns) == ((), ())
    assert "delete the title" in (verdict.refusal or "")


def test_files_of_no_feed_are_listed_apart(landing: Landing) -> None:
    landing.put("other.csv", "Name,Colour\n")
    landing.put("calendar.csv", f"LAESTAB,Date,Session,Status\n{SCHOOL},2025-09-01,AM,open\n")
    found = survey(landing.settings)
    assert {feed: len(files) for feed, files in found.new.items()} == {"calendar": 1, UNRECOGNISED: 1}
