"""What to make, and what was made."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Bools = NDArray[np.bool_]
Progress = Callable[[str, int, int], None]
"""Called with what is being written, how many schools are done and how many there are."""

NEVER = 2**31
"""A day number later than any date: a pupil who has not left, a claim that has not begun."""


@dataclass(frozen=True)
class SynthConfig:
    """A trust to make.

    Parameters: `schools` and `pupils` on roll at the start of each year (pupils approximately); `years`, academic years
    up to and including `last_year` (such as `2025/26`); `seed`, every byte follows from it; `faults`, names of
    `ingest.synth.faults.FAULTS`; `without_marks`, how many of the schools (the last) send termly totals and no marks.
    Raises: `ValueError` for a number or a year that makes no trust.

    """

    schools: int = 10
    pupils: int = 4500
    years: int = 2
    seed: int = 1
    faults: tuple[str, ...] = ()
    last_year: str = "2025/26"
    without_marks: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.schools <= 900:
            raise ValueError(f"A synthetic trust has 1 to 900 schools, not {self.schools}; change --schools.")
        if not 0 <= self.without_marks <= self.schools:
            raise ValueError(
                f"Of {self.schools} schools {self.without_marks} cannot be without marks; change the number."
            )
        if self.pupils < 30 * self.schools:
            raise ValueError(
                f"{self.pupils} pupils are too few for {self.schools} schools; give at least {30 * self.schools}."
            )
        if not 1 <= self.years <= 12:
            raise ValueError(f"A synthetic trust has 1 to 12 years, not {self.years}; change --years.")
        matched = re.fullmatch(r"(\d{4})/(\d{2})", self.last_year)
        if not matched or (int(matched[1]) + 1) % 100 != int(matched[2]):
            raise ValueError(f"'{self.last_year}' is no academic year; write it like 2025/26.")

    @property
    def year_starts(self) -> list[int]:
        """The calendar years in which the academic years begin, oldest first."""
        last = int(self.last_year[:4])
        return list(range(last - self.years + 1, last + 1))

    def rng(self, *stream: int) -> np.random.Generator:
        """An independent generator for one purpose, so that one part of the trust does not depend on how much
        another drew."""
        return np.random.default_rng([self.seed, *stream])


@dataclass(frozen=True)
class PlantedFault:
    """One fault as planted: what must be found, where, how often.

    `kind` is `quarantine` or `flag` (`n_rows` rows of the file under `rule_id`), `refusal` (the whole file, in a
    sentence that holds `says`), `hold` (a partial register of `n_rows` rows) or `accepted` (all `n_rows` rows must be
    taken without a word). `path` is relative to the landing folder.

    """

    name: str
    feed: str
    kind: str
    rule_id: str | None
    says: str | None
    n_rows: int
    path: str


@dataclass
class SynthReport:
    """What was written: number of schools, of pupils ever on roll, rows and files by feed, and the faults planted."""

    schools: int
    pupils: int
    rows: dict[str, int] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    faults: list[PlantedFault] = field(default_factory=list)

    def count(self, feed: str, rows: int) -> None:
        """Adds one file of so many data rows."""
        self.rows[feed] = self.rows.get(feed, 0) + rows
        self.files[feed] = self.files.get(feed, 0) + 1
