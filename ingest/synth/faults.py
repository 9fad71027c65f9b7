"""Named faults, planted into extracts that are otherwise sound, each with what must be found and how often.

A fault of rows changes or adds rows of one file that no other fault touches. A fault of a whole file adds a file, newer
than the others, so that what it would have said is still known from the sound ones.

"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np

from ingest.synth.config import PlantedFault
from ingest.synth.upn import LETTERS

ROWS_PER_FAULT = 3
LONG_WINDOW, SHORT_WINDOW = timedelta(days=20), timedelta(days=2)

Row = dict[str, str]
Edit = Callable[[Row], None]
Fits = Callable[[Row], bool]


def _any(row: Row) -> bool:
    return True


@dataclass(frozen=True)
class Fault:
    """A kind of fault.

    `kind` is `quarantine` or `flag` (rows, under `rule_id` of the feed's contract), `refusal` (the file, with a
    sentence that holds `says`), `hold` (a partial register) or `accepted` (looks odd and is none).

    """

    name: str
    feed: str
    kind: str
    rule_id: str | None
    says: str | None
    summary: str
    plant: Callable[[_Planter], tuple[Path, int]]


class _Planter:
    """Finds files that no fault has touched yet, and rewrites them."""

    def __init__(self, out: Path, rng: np.random.Generator) -> None:
        self._out = out
        self._rng = rng
        self._taken: set[Path] = set()

    def file(self, feed: str, window: timedelta = SHORT_WINDOW) -> Path:
        """An untouched file of a feed, of registers a whole-school one with a window longer than `window`."""
        files = [path for path in sorted((self._out / feed).glob("*/*.csv")) if path not in self._taken]
        if feed == "session_marks":
            files = [path for path in files if _window_of(path) > window]
        if not files:
            raise ValueError(f"The trust has too few {feed} files for so many faults; make more schools or years.")
        chosen = files[int(self._rng.integers(len(files)))]
        self._taken.add(chosen)
        return chosen

    def edit(self, feed: str, change: Edit, fits: Fits = _any) -> tuple[Path, int]:
        """Changes one row each of three pupils."""
        path = self.file(feed)
        header, rows = _read(path)
        for number in self.pick(rows, fits):
            change(rows[number])
        _write(path, header, rows)
        return path, ROWS_PER_FAULT

    def edit_some(self, feed: str, change: Edit) -> tuple[Path, int]:
        """Changes one row each of up to three pupils; for feeds whose files may be that short."""
        path = self.file(feed)
        header, rows = _read(path)
        first_of: dict[str, int] = {}
        for number in self._rng.permutation(len(rows)).tolist():
            first_of.setdefault(rows[number]["UPN"] or rows[number]["Admission Number"], number)
        chosen = list(first_of.values())[:ROWS_PER_FAULT]
        for number in chosen:
            change(rows[number])
        _write(path, header, rows)
        return path, len(chosen)

    def repeat(self, feed: str, change: Edit) -> Path:
        """Adds a changed copy of one row each of three pupils at the end of a file."""
        path = self.file(feed)
        header, rows = _read(path)
        for number in self.pick(rows, _any):
            rows.append(dict(rows[number]))
            change(rows[-1])
        _write(path, header, rows)
        return path

    def add(self, feed: str, rewrite: Callable[[bytes], bytes]) -> Path:
        """Adds a file made of an untouched one, which stays as it is, taken a day later."""
        source = self.file(feed, LONG_WINDOW)
        stem, _, taken = source.stem.rpartition("_")
        later = datetime.strptime(taken, "%Y%m%dT%H%M%S") + timedelta(days=1)
        path = source.with_name(f"{stem}_{later.strftime('%Y%m%dT%H%M%S')}.csv")
        path.write_bytes(rewrite(source.read_bytes()))
        self._taken.add(path)
        return path

    def pick(self, rows: list[Row], fits: Fits) -> list[int]:
        """The positions of one fitting row each of three pupils."""
        first_of: dict[str, int] = {}
        for number in self._rng.permutation(len(rows)).tolist():
            if rows[number]["UPN"] and fits(rows[number]):
                first_of.setdefault(rows[number]["UPN"], number)
            if len(first_of) == ROWS_PER_FAULT:
                return list(first_of.values())
        raise ValueError("A file has too few pupils for this fault; make a larger trust.")


def _window_of(path: Path) -> timedelta:
    """How long a register's window is; zero for corrections of single pupils."""
    window = re.match(r"register_(\d{4}-\d{2}-\d{2})_(\d{4}-\d{2}-\d{2})_", path.name)
    return date.fromisoformat(window[2]) - date.fromisoformat(window[1]) if window else timedelta(0)


def _read(path: Path) -> tuple[list[str], list[Row]]:
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    names = header.split(",")
    return names, [dict(zip(names, line.split(","), strict=True)) for line in lines]


def _write(path: Path, header: list[str], rows: list[Row], encoding: str = "utf-8") -> None:
    lines = [",".join(header), *(",".join(row.values()) for row in rows)]
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))


def _set(**values: str) -> Edit:
    """Sets fields, named with _ for a space."""
    return lambda row: row.update({name.replace("_", " "): value for name, value in values.items()})


def _wrong_letter(row: Row) -> None:
    letters = LETTERS.tobytes().decode()
    row["UPN"] = letters[(letters.index(row["UPN"][0]) + 1) % len(letters)] + row["UPN"][1:]


def _wrong_letter_alone(row: Row) -> None:
    _wrong_letter(row)
    row["Admission Number"] = ""


def _saturday(row: Row) -> None:
    day = date.fromisoformat(row["Date"])
    row["Date"] = (day + timedelta(days=5 - day.weekday())).isoformat()


def _another_mark(row: Row) -> None:
    row["Mark"] = "I" if row["Mark"] != "I" else "M"
    row["Minutes Late"] = ""


def _leave_before_entry(row: Row) -> None:
    row["Leaving Date"] = (date.fromisoformat(row["Entry Date"]) - timedelta(days=30)).isoformat()


def _cut_in_half(content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    return b"".join(lines[: len(lines) // 2])


def _date_twice(content: bytes) -> bytes:
    header, *lines = content.splitlines()
    return b"\n".join([header + b",Date", *(line + b"," + line.split(b",")[2] for line in lines)]) + b"\n"


def _weekend(planter: _Planter) -> tuple[Path, int]:
    path = planter.file("session_marks", LONG_WINDOW)
    header, rows = _read(path)
    first_week = (date.fromisoformat(min(row["Date"] for row in rows)) + timedelta(days=6)).isoformat()
    for number in planter.pick(rows, lambda row: row["Date"] <= first_week):
        _saturday(rows[number])
    _write(path, header, rows)
    return path, ROWS_PER_FAULT


def _truncated(planter: _Planter) -> tuple[Path, int]:
    path = planter.add("session_marks", _cut_in_half)
    return path, path.read_bytes().count(b"\n") - 1


def _windows_1252(planter: _Planter) -> tuple[Path, int]:
    path = planter.file("pupils")
    header, rows = _read(path)
    rows[0]["Forename"] = "Zoë"
    _write(path, header, rows, encoding="cp1252")
    return path, len(rows)


def _of_rows(feed: str, change: Edit, fits: Fits = _any) -> Callable[[_Planter], tuple[Path, int]]:
    return lambda planter: planter.edit(feed, change, fits)


def _of_some_rows(feed: str, change: Edit) -> Callable[[_Planter], tuple[Path, int]]:
    return lambda planter: planter.edit_some(feed, change)


def _of_file(feed: str, rewrite: Callable[[bytes], bytes]) -> Callable[[_Planter], tuple[Path, int]]:
    return lambda planter: (planter.add(feed, rewrite), 0)


PUPILS, MARKS, RESULTS = "pupils", "session_marks", "assessment_results"
TOTALS, SUSPENSIONS, INTERVENTIONS = "attendance_totals", "suspensions", "interventions"

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault(
            "no_pupil_identifier",
            PUPILS,
            "quarantine",
            "PU-001",
            None,
            "a listed pupil with neither UPN nor admission number",
            _of_rows(PUPILS, _set(UPN="", Former_UPN="", Admission_Number="")),
        ),
        Fault(
            "bad_upn_check_letter",
            PUPILS,
            "flag",
            "PU-003",
            None,
            "a UPN whose check letter is wrong, beside an admission number",
            _of_rows(PUPILS, _wrong_letter),
        ),
        Fault(
            "unknown_sex_code",
            PUPILS,
            "flag",
            "PU-006",
            None,
            "a sex that is none of M, F, U",
            _of_rows(PUPILS, _set(Sex="Q")),
        ),
        Fault(
            "leaving_before_entry",
            PUPILS,
            "flag",
            "PU-011",
            None,
            "a leaving date before the entry date",
            _of_rows(PUPILS, _leave_before_entry),
        ),
        Fault(
            "unknown_laestab",
            PUPILS,
            "quarantine",
            "PU-015",
            None,
            "a row of a school that is not the folder's",
            _of_rows(PUPILS, _set(LAESTAB="9999999")),
        ),
        Fault(
            "dob_in_future",
            PUPILS,
            "flag",
            "PU-018",
            None,
            "a date of birth after the list was taken",
            _of_rows(PUPILS, _set(DOB="2098-01-01")),
        ),
        Fault(
            "windows_1252_name",
            PUPILS,
            "accepted",
            None,
            None,
            "a list in Windows-1252 with an accented name",
            _windows_1252,
        ),
        Fault(
            "bad_upn_alone",
            MARKS,
            "quarantine",
            "SM-002",
            None,
            "a UPN whose check letter is wrong and no admission number",
            _of_rows(MARKS, _wrong_letter_alone),
        ),
        Fault(
            "unknown_register_code",
            MARKS,
            "quarantine",
            "SM-003",
            None,
            "a mark that no code set knows",
            _of_rows(MARKS, _set(Mark="QZ")),
        ),
        Fault(
            "date_is_no_date",
            MARKS,
            "quarantine",
            "SM-004",
            None,
            "a date that is none",
            _of_rows(MARKS, _set(Date="2025-02-31")),
        ),
        Fault(
            "session_not_am_pm",
            MARKS,
            "quarantine",
            "SM-005",
            None,
            "a session that is neither AM nor PM",
            _of_rows(MARKS, _set(Session="EV")),
        ),
        Fault(
            "withdrawn_code",
            MARKS,
            "flag",
            "SM-006",
            None,
            "an H, withdrawn in August 2024",
            _of_rows(MARKS, _set(Mark="H", Minutes_Late=""), lambda row: row["Date"] > "2024-08-19"),
        ),
        Fault(
            "repeated_rows",
            MARKS,
            "quarantine",
            "SM-007",
            None,
            "rows that stand in the file twice",
            lambda planter: (planter.repeat(MARKS, lambda row: None), ROWS_PER_FAULT),
        ),
        Fault(
            "conflicting_marks",
            MARKS,
            "quarantine",
            "SM-008",
            None,
            "two different marks for one pupil and session",
            lambda planter: (planter.repeat(MARKS, _another_mark), 2 * ROWS_PER_FAULT),
        ),
        Fault(
            "minutes_not_a_number",
            MARKS,
            "flag",
            "SM-010",
            None,
            "minutes late that are words",
            _of_rows(MARKS, _set(Mark="L", Minutes_Late="ten")),
        ),
        Fault(
            "date_outside_window",
            MARKS,
            "quarantine",
            "SM-015",
            None,
            "a date that the file does not claim to cover",
            _of_rows(MARKS, _set(Date="2019-10-01")),
        ),
        Fault("weekend_mark", MARKS, "flag", "SM-017", None, "a mark on a Saturday", _weekend),
        Fault(
            "truncated_register",
            MARKS,
            "hold",
            "partial",
            "accept --partial",
            "a register cut off half way",
            _truncated,
        ),
        Fault(
            "duplicate_headers",
            MARKS,
            "refusal",
            None,
            "twice",
            "a header that names a column twice",
            _of_file(MARKS, _date_twice),
        ),
        Fault(
            "wrong_delimiter",
            MARKS,
            "refusal",
            None,
            "parted by ';'",
            "fields parted by semicolons",
            _of_file(MARKS, lambda content: content.replace(b",", b";")),
        ),
        Fault(
            "binary_file",
            PUPILS,
            "refusal",
            None,
            "not text",
            "a file that is no text",
            _of_file(PUPILS, lambda content: b"\x7fELF\0\1\2\3" + content[::-1].replace(b"\n", b"\0\xff")),
        ),
        Fault(
            "result_is_no_score",
            RESULTS,
            "flag",
            "AR-009",
            None,
            "a result that is neither number nor known code",
            _of_rows(RESULTS, _set(Result="good")),
        ),
        Fault(
            "score_off_scale",
            RESULTS,
            "quarantine",
            "AR-010",
            None,
            "a score beyond its scale",
            _of_rows(RESULTS, _set(Result="412")),
        ),
        Fault(
            "unknown_scale",
            RESULTS,
            "flag",
            "AR-016",
            None,
            "a scale that the registry lacks",
            _of_rows(RESULTS, _set(Scale="made-up-scale")),
        ),
        Fault(
            "total_is_no_number",
            TOTALS,
            "quarantine",
            "AT-011",
            None,
            "possible sessions that are a word",
            _of_some_rows(TOTALS, _set(Possible="many")),
        ),
        Fault(
            "more_missed_than_possible",
            TOTALS,
            "quarantine",
            "AT-012",
            None,
            "more sessions missed than were possible",
            _of_some_rows(TOTALS, _set(Unauthorised="900")),
        ),
        Fault(
            "attended_does_not_add_up",
            TOTALS,
            "quarantine",
            "AT-013",
            None,
            "attended sessions that are not what is left of the possible ones",
            _of_some_rows(TOTALS, _set(Attended="999")),
        ),
        Fault(
            "unknown_exclusion_kind",
            SUSPENSIONS,
            "quarantine",
            "SU-009",
            None,
            "an exclusion of no known kind",
            _of_some_rows(SUSPENSIONS, _set(Type="DETENTION")),
        ),
        Fault(
            "suspended_sessions_in_words",
            SUSPENSIONS,
            "flag",
            "SU-011",
            None,
            "a suspension whose length is a word",
            _of_some_rows(SUSPENSIONS, _set(Sessions="two")),
        ),
        Fault(
            "unnamed_intervention",
            INTERVENTIONS,
            "quarantine",
            "IV-009",
            None,
            "an intervention without a name",
            _of_some_rows(INTERVENTIONS, _set(Intervention="")),
        ),
        Fault(
            "intervention_ends_before_it_starts",
            INTERVENTIONS,
            "flag",
            "IV-012",
            None,
            "an intervention that ends before its first day",
            _of_some_rows(INTERVENTIONS, _set(End_Date="2000-01-01")),
        ),
    )
}


def plant(out: Path, names: tuple[str, ...], seed: int) -> list[PlantedFault]:
    """Plants faults into the extracts below a landing folder.

    Parameters: `names`, of `FAULTS`, or `all`; `seed`, which decides files and rows.
    Raises: `ValueError` for a name that is no fault, or a trust too small to hold them.
    """
    wanted = list(FAULTS) if "all" in names else list(dict.fromkeys(names))
    unknown = [name for name in wanted if name not in FAULTS]
    if unknown:
        raise ValueError(f"No fault is called {', '.join(unknown)}; choose from {', '.join(FAULTS)} or all.")
    planter = _Planter(out, np.random.default_rng([seed, 99]))
    planted = []
    for name in wanted:
        fault = FAULTS[name]
        path, n_rows = fault.plant(planter)
        planted.append(
            PlantedFault(
                name=name,
                feed=fault.feed,
                kind=fault.kind,
                rule_id=fault.rule_id,
                says=fault.says,
                n_rows=n_rows,
                path=path.relative_to(out).as_posix(),
            )
        )
    return planted
