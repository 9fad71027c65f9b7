"""The rows that take a whole trust through the command line: demo, full run, night, nothing new, a workbook."""

from __future__ import annotations

import json
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median, quantiles

from benchmarks import disclosure
from benchmarks.measure import CommandFailed, Measurement, best_of, everypupil, python_module, run
from benchmarks.models import MARTS, SPELLS, mart_seconds
from benchmarks.report import Missing, Row

REGISTERS = "session_marks"
GIGABYTE = 10**9
EXTRACTED = re.compile(r"_(\d{8})T\d{6}$")
ONE_DAY = re.compile(r"register_(\d{4}-\d{2}-\d{2})_\1_")


@dataclass(frozen=True)
class Trust:
    """A synthetic trust's size, and its name in the report."""

    name: str
    schools: int
    pupils: int
    years: int

    def write(self, folder: Path) -> Path:
        """Writes its extracts and returns the landing folder."""
        size = ("--schools", str(self.schools), "--pupils", str(self.pupils), "--years", str(self.years))
        run(everypupil("synth", "--out", str(folder), *size, "--seed", "1"))
        nested = folder / "landing"
        return nested if nested.is_dir() else folder


SMALLEST = Trust("the smallest trust", schools=1, pupils=30, years=1)
DEMO = Trust("demo trust", schools=10, pupils=4_500, years=2)
DEMO_ONE_YEAR = Trust("demo trust, one year", schools=10, pupils=4_500, years=1)
DEMO_FIVE_YEARS = Trust("demo trust, five years", schools=10, pupils=4_500, years=5)
LARGE = Trust("large trust", schools=100, pupils=60_000, years=1)
# Of the large trust's kind, for what grows with the number of schools.
SMALLER = (
    Trust("10 schools of 600", schools=10, pupils=6_000, years=1),
    Trust("30 schools of 600", schools=30, pupils=18_000, years=1),
)


def rows(work: Path, *, large: bool) -> Iterator[Row | Missing]:
    """Every row of the chain, as soon as it is known. Scratch goes to `work`.

    What most are net of is the same command where there is next to nothing to do: starting Python, Dagster and dbt.
    """
    yield _row("clean clone to published demo, after the packages", lambda: _demo(work))
    try:
        empty = _run(work / "smallest", SMALLEST.write(work / "smallest-extracts"))
    except CommandFailed as error:
        yield Missing("every further row, which is net of an empty run", str(error).splitlines()[-1])
        return
    decided: dict[int, float] = {}
    yield from _trust(work, DEMO, empty, {})
    if large:
        yield from _trust(work, LARGE, empty, decided)
        yield from disclosure_rows(work, SMALLER, decided)


def history_row(work: Path) -> Row | Missing:
    """A night of a trust with five years of history beside one with a year of it. Scratch goes to `work`."""
    return _row("a night with five years of history", lambda: _history(work))


def disclosure_rows(
    work: Path, trusts: tuple[Trust, ...], decided: dict[int, float] | None = None
) -> Iterator[Row | Missing]:
    """The rows of disclosure control for trusts of one kind, and how their first decision grows with the schools.

    Parameters: `decided`, seconds of first decisions that were measured already, by number of schools.
    """
    seconds = dict(decided or {})
    for trust in trusts:
        yield from _disclosure(work, trust, seconds)
    yield from disclosure.growth(seconds)


def _disclosure(work: Path, trust: Trust, decided: dict[int, float]) -> Iterator[Row | Missing]:
    """One trust's first decision, and the week that closes after it; its folders are removed afterwards."""
    folder, home = _places(work, trust)
    aside = folder.with_name(folder.name + "-week")
    try:
        landing = trust.write(folder)
        held = hold_back(landing, aside)
        _run(home, landing)
    except (CommandFailed, LookupError) as error:
        for name in (disclosure.first_what(trust.name), disclosure.closing_what(trust.name)):
            yield _missing(name, error)
        return
    yield _first_decision(home, work, trust, decided)
    week = [*held.night, *held.rest_of_week]
    yield _row(disclosure.closing_what(trust.name), lambda: _closing(home, landing, week, trust))
    for place in (home, folder, aside):
        shutil.rmtree(place)


def _places(work: Path, trust: Trust) -> tuple[Path, Path]:
    """Where a trust's extracts go, and its home."""
    name = trust.name.replace(" ", "-")
    return work / name, work / f"{name}-home"


def _first_decision(home: Path, work: Path, trust: Trust, decided: dict[int, float]) -> Row | Missing:
    """Its row; its seconds are noted in `decided`, by number of schools."""
    row = _row(disclosure.first_what(trust.name), lambda: disclosure.first(home, work, trust.name))
    if isinstance(row, Row):
        decided[trust.schools] = row.measured
    return row


def _row(what: str, measure: Callable[[], Row]) -> Row | Missing:
    try:
        return measure()
    except (CommandFailed, LookupError, ImportError) as error:
        return _missing(what, error)


def _missing(what: str, error: Exception) -> Missing:
    return Missing(what, (str(error) or type(error).__name__).splitlines()[-1])


def _demo(work: Path) -> Row:
    measured = run(everypupil("--home", str(work / "demo"), "demo", "--no-dashboard"))
    return Row(
        "clean clone to published demo, after the packages",
        measured.seconds,
        "90 s on 2 cores",
        90.0,
        1.0,
        peak_bytes=measured.peak_bytes,
        note="gross: nothing is taken off",
    )


def _run(home: Path, landing: Path) -> Measurement:
    return run(everypupil("--home", str(home), "run", "--landing", str(landing)))


def _trust(work: Path, trust: Trust, empty: Measurement, decided: dict[int, float]) -> Iterator[Row | Missing]:
    folder, home = _places(work, trust)
    what = {
        "full": f"whole run, {trust.name}",
        "night": f"a night's delivery, {trust.name}",
        "first": disclosure.first_what(trust.name),
        "closing": disclosure.closing_what(trust.name),
        "loss": disclosure.loss_what(trust.name),
        "lake": f"landing to lake, registers, {trust.name}",
        "marts": f"attendance marts, {trust.name}",
        "spells": f"spells of absence, {trust.name}",
        "nothing": f"run with nothing new, {trust.name}",
        "workbook": f"a school's workbook, {trust.name}",
        "pages": f"a page of the dashboard, {trust.name}",
    }
    try:
        landing = trust.write(folder)
        held = hold_back(landing, folder.with_name(folder.name + "-week"))
        whole_load = _yardstick(work, "load", str(landing))
        full = _run(home, landing)
    except (CommandFailed, LookupError) as error:
        for name in what.values():
            yield _missing(name, error)
        return
    start = empty.seconds
    full_seconds = full.seconds - start
    yield Row(
        what["full"],
        full_seconds,
        "DuckDB loading the same CSV with its defaults",
        whole_load,
        5.0,
        empty_seconds=start,
        peak_bytes=full.peak_bytes,
        peak_at_most_bytes=4 * GIGABYTE,
        note=f"gross {full.seconds:.1f} s; the empty run is {SMALLEST.pupils} pupils of one school, {start:.1f} s",
    )
    yield _first_decision(home, work, trust, decided)
    yield from disclosure.losses(home, trust.name)
    yield _row(what["marts"], lambda: _marts(what["marts"], MARTS, 3.0, work, home))
    yield _row(what["spells"], lambda: _marts(what["spells"], SPELLS, 2.0, work, home))
    yield _row(what["nothing"], lambda: _nothing_new(what["nothing"], home, landing))
    yield _row(what["workbook"], lambda: _workbook(what["workbook"], home, work))
    yield _row(what["pages"], lambda: _pages(what["pages"], home))
    yield _row(what["night"], lambda: _night(what["night"], home, landing, held.night, full_seconds, start))
    yield _row(what["closing"], lambda: _closing(home, landing, held.rest_of_week, trust))
    yield _row(what["lake"], lambda: _landing_to_lake(what["lake"], work, landing))


def _yardstick(work: Path, action: str, *arguments: str) -> float:
    """Seconds of one yardstick, net of opening a database and ending."""
    target = str(work / "yardstick.duckdb")
    empty = best_of(3, python_module("benchmarks.yardsticks", "empty", target))
    measured = run(python_module("benchmarks.yardsticks", action, *arguments, target))
    Path(target).unlink(missing_ok=True)
    return measured.seconds - empty.seconds


@dataclass(frozen=True)
class HeldBack:
    """Files out of a landing folder, as (where it lies, where it belongs): of one night, of the rest of its week."""

    night: list[tuple[Path, Path]]
    rest_of_week: list[tuple[Path, Path]]


def hold_back(landing: Path, aside: Path) -> HeldBack:
    """Takes the first night of the newest week that has one, and what came after it, out of the landing folder.

    A night is a date of extraction at which every file is a register of one day (`register_<day>_<day>_<stamp>.csv`).
    Raises `LookupError` where no night is found.
    """
    by_night: dict[str, list[Path]] = defaultdict(list)
    for path in landing.rglob("*.csv"):
        stamp = EXTRACTED.search(path.stem)
        if stamp:
            by_night[stamp[1]].append(path)
    nights = [night for night, files in by_night.items() if all(ONE_DAY.search(path.stem) for path in files)]
    if not nights:
        raise LookupError("no date in the landing folder at which nothing but registers of one day was extracted")
    chosen = min(night for night in nights if _week(night) == _week(max(nights)))
    held = HeldBack([], [])
    for night in sorted(night for night in by_night if night >= chosen):
        for path in by_night[night]:
            target = aside / path.relative_to(landing)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, target)
            if night == chosen:
                held.night.append((target, path))
            elif _week(night) == _week(chosen):
                held.rest_of_week.append((target, path))
    return held


def _week(day: str) -> tuple[int, int]:
    """The ISO year and week of a day, `20260717`."""
    return date.fromisoformat(day).isocalendar()[:2]


def _deliver(files: list[tuple[Path, Path]]) -> None:
    for lies, belongs in files:
        shutil.move(lies, belongs)


def _night(
    what: str, home: Path, landing: Path, night: list[tuple[Path, Path]], full_seconds: float, empty_seconds: float
) -> Row:
    _deliver(night)
    measured = _run(home, landing)
    return Row(
        what,
        measured.seconds - empty_seconds,
        "its full run",
        full_seconds,
        0.1,
        empty_seconds=empty_seconds,
        peak_bytes=measured.peak_bytes,
        note=f"{len(night)} registers; gross {measured.seconds:.1f} s",
    )


def _closing(home: Path, landing: Path, week: list[tuple[Path, Path]], trust: Trust) -> Row:
    """What is still to come of a week is delivered, and nothing after it."""
    if not week:
        raise LookupError("nothing was extracted after the night that ends its week")
    _deliver(week)
    return disclosure.closing(_run(home, landing), trust.name)


def _history(work: Path) -> Row:
    nights = {}
    for trust in (DEMO_ONE_YEAR, DEMO_FIVE_YEARS):
        folder = work / f"history-{trust.years}"
        landing = trust.write(folder)
        held = hold_back(landing, work / f"history-{trust.years}-week")
        home = work / f"history-{trust.years}-home"
        _run(home, landing)
        _deliver(held.night)
        nights[trust.years] = _run(home, landing)
    return Row(
        "a night with five years of history",
        nights[5].seconds,
        "a night with one year of history",
        nights[1].seconds,
        1.3,
        peak_bytes=nights[5].peak_bytes,
        note="demo trust, gross: most of either is start-up",
    )


def _nothing_new(what: str, home: Path, landing: Path) -> Row:
    measured = best_of(3, everypupil("--home", str(home), "run", "--landing", str(landing)))
    return Row(what, measured.seconds, "2 s", 2.0, 1.0, peak_bytes=measured.peak_bytes, note="gross, best of three")


def _marts(what: str, marts: tuple[str, ...], bound: float, work: Path, home: Path) -> Row:
    seconds, models = mart_seconds(home / "state", marts)
    copying = _yardstick(work, "copy", str(home / "warehouse" / "warehouse.duckdb"))
    return Row(
        what, seconds, "one CREATE TABLE AS of fct_session", copying, bound, note=f"as dbt timed {', '.join(models)}"
    )


def _workbook(what: str, home: Path, work: Path) -> Row:
    query = "select urn from exports.dim_school order by urn limit 1"
    first = json.loads(run(everypupil("--home", str(home), "sql", query, "--format", "json")).output)
    target = str(work / "school.xlsx")
    measured = run(
        everypupil(
            *("--home", str(home), "export", "school_pack", "--as", "leaders", "--unit", str(first[0]["urn"])),
            *("--format", "xlsx", "--out", target),
        )
    )
    return Row(what, measured.seconds, "5 s", 5.0, 1.0, peak_bytes=measured.peak_bytes, note="gross")


def _pages(what: str, home: Path) -> Row:
    measured = run(python_module("benchmarks.pages", str(home)))
    found = json.loads(measured.output.splitlines()[-1])
    seconds = found["seconds"]
    return Row(
        what,
        quantiles(seconds, n=20)[-1],
        "1 s",
        1.0,
        1.0,
        peak_bytes=measured.peak_bytes,
        note=f"95th percentile of {len(seconds)} pages, {found['people']} people with {found['think_seconds']:.0f} s "
        f"to think, from a server just started; median {median(seconds):.2f} s, longest {max(seconds):.1f} s; what a "
        "browser draws comes on top",
    )


def _landing_to_lake(what: str, work: Path, landing: Path) -> Row:
    home = work / "lake-home"
    shutil.rmtree(home, ignore_errors=True)
    measured = run(python_module("benchmarks.landing_to_lake", str(home), str(landing), REGISTERS))
    result = json.loads(measured.output.splitlines()[-1])
    if not result["rows_accepted"]:
        raise LookupError("no row of the registers was accepted, so there is nothing to time")
    shutil.rmtree(home, ignore_errors=True)
    loading = _yardstick(work, "load", str(landing), "--text", "--feed", REGISTERS)
    return Row(
        what,
        result["seconds"],
        "DuckDB loading the files as text",
        loading,
        2.5,
        peak_bytes=measured.peak_bytes,
        note=f"in process; {result['rows_accepted']:,} of {result['rows_read']:,} rows accepted",
    )
