"""Run the benchmarks: a table, and `build/bench/<time>.json`.

`python -m benchmarks [--large] [--only fits|chain|disclosure|history] [--work DIR]`
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from benchmarks import chain
from benchmarks.measure import CommandFailed, python_module, run, this_machine
from benchmarks.report import Missing, Row, in_a_line, show, write

RESULTS = Path("build") / "bench"


def fit_rows() -> Iterator[Row | Missing]:
    """The multilevel fit beside its own query and beside statsmodels."""
    what = ("multilevel fit, 31,022 pupils", "multilevel fit, 9 million pupils", "query and fit, 31,022 pupils")
    try:
        figures = json.loads(run(python_module("benchmarks.fits")).output.splitlines()[-1])
    except CommandFailed as error:
        for name in what:
            yield Missing(name, str(error).splitlines()[-1])
        return
    yield Row(
        what[0],
        figures["fit_seconds"],
        "the query of its cross-products",
        figures["query_seconds"],
        1.5,
        note=f"in process, best of 20; {figures['schools']:,} schools, REML criterion {figures['deviance']:.3f}",
    )
    yield Row(
        what[1],
        figures["national_fit_seconds"],
        "the query of its cross-products",
        figures["national_query_seconds"],
        1.5,
        note="in process, best of 3; 22,000 schools, made-up pupils",
    )
    yield Row(
        what[2],
        figures["query_seconds"] + figures["fit_seconds"],
        "the same fit by statsmodels",
        figures["statsmodels_seconds"],
        0.01,
        note=f"statsmodels' criterion {figures['statsmodels_deviance']:.3f}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--large", action="store_true", help="also the trust of 60,000 pupils and 23 million marks")
    parser.add_argument("--only", choices=("fits", "chain", "disclosure", "history"), help="one part of the rows")
    parser.add_argument(
        "--work", type=Path, help="where scratch files go (default: a temporary folder, removed afterwards)"
    )
    arguments = parser.parse_args()
    machine = this_machine()
    rows: list[Row | Missing] = []
    console = Console(stderr=True, soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="everypupil-bench-", dir=arguments.work) as work:
        for row in _rows(arguments.only, Path(work), large=arguments.large):
            console.print(in_a_line(row), highlight=False, markup=False)
            rows.append(row)
    show(rows, machine)
    Console().print(f"Written to {write(rows, machine, RESULTS)}", highlight=False)


def _rows(only: str | None, work: Path, *, large: bool) -> Iterator[Row | Missing]:
    if only in (None, "fits"):
        yield from fit_rows()
    if only in (None, "chain"):
        yield from chain.rows(work, large=large)
    if only in (None, "history"):
        yield chain.history_row(work)
    if only == "disclosure":
        yield from chain.disclosure_rows(work, (*chain.SMALLER, chain.LARGE) if large else chain.SMALLER)


if __name__ == "__main__":
    main()
