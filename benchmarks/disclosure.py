"""Disclosure control: the first decision over a whole year with the attack on it, a week that closes, what is lost.

`python -m benchmarks.disclosure HOME SCRATCH` decides and attacks what the home's warehouse holds as for the first
time, in a copy under SCRATCH and as a process of its own, so that its peak of memory is its own; it prints JSON.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.measure import CommandFailed, Measurement, python_module, run
from benchmarks.report import Missing, Row
from ingest.registry import load_registry
from ingest.settings import load_settings
from orchestration.ledger import write_patterns
from quality.attacker.verdict import attack_results

GIGABYTE = 10**9
# What a run says of its steps, and disclosure control of its problems.
_STEP = re.compile(r"^\d\d:\d\d:\d\d (.+): ([\d.]+) s$", re.MULTILINE)
_PROBLEMS = re.compile(r"(\d+) problems stood as they were decided before, (\d+) were solved")


def first_what(trust: str) -> str:
    return f"first disclosure decision and attack, {trust}"


def closing_what(trust: str) -> str:
    return f"a closing week decided and attacked, {trust}"


def loss_what(trust: str) -> str:
    return f"figures hidden, {trust}"


def first(home: Path, work: Path, trust: str) -> Row:
    """Nothing decided yet: everything that the home's warehouse holds, in seconds and memory. No target but memory's.

    Raises: `CommandFailed`; `LookupError` where the run before left no time of its gate.
    """
    scratch = work / "first-disclosure"
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        measured = run(python_module("benchmarks.disclosure", str(home), str(scratch)))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    found = json.loads(measured.output.splitlines()[-1])
    return Row(
        first_what(trust),
        found["decision_seconds"] + found["attack_seconds"],
        "the rules of its gate",
        _rules_seconds(home),
        None,
        peak_bytes=measured.peak_bytes,
        peak_at_most_bytes=2 * GIGABYTE,
        note=f"{found['schools']} schools, {found['figures']:,} figures a tier, {found['problems']} problems; "
        f"decided in {found['decision_seconds']:.1f} s, attacked in {found['attack_seconds']:.1f} s",
    )


def closing(measured: Measurement, trust: str) -> Row:
    """A run in which a week closed: its decision and its attack beside the rest of its gate.

    Raises: `LookupError` where the run did not say how long these took.
    """
    seconds = {name: float(took) for name, took in _STEP.findall(measured.output)}
    missing = {"disclosure", "gate", "gate, attack"} - seconds.keys()
    if missing:
        raise LookupError(f"the run did not say how long it took for: {', '.join(sorted(missing))}")
    problems = [(int(kept), int(solved)) for kept, solved in _PROBLEMS.findall(measured.output)]
    if not problems:
        raise LookupError("the run did not say how many problems stood")
    kept, solved = (sum(counts) for counts in zip(*problems, strict=True))
    decided, attacked, gate = seconds["disclosure"], seconds["gate, attack"], seconds["gate"]
    return Row(
        closing_what(trust),
        decided + attacked,
        "the rest of that night's gate",
        gate - attacked,
        1.0,
        peak_bytes=measured.peak_bytes,
        note=f"{solved} problems solved again, {kept} stood; decided in {decided:.1f} s, attacked in {attacked:.1f} s; "
        f"{(decided + attacked) / gate:.2f} of the whole gate; the peak is the whole run's",
    )


def growth(seconds: dict[int, float]) -> Iterator[Row]:
    """How the first decision and attack grow from each number of schools to the next larger one."""
    sizes = sorted(seconds)
    for smaller, larger in pairwise(sizes):
        power = math.log(seconds[larger] / seconds[smaller]) / math.log(larger / smaller)
        yield Row(
            f"first disclosure decision and attack, {larger} schools",
            seconds[larger],
            f"{smaller} schools of the same kind",
            seconds[smaller],
            None,
            note=f"{larger / smaller:.1f} times the schools: the time grows with their number to the power {power:.2f}",
        )


def losses(home: Path, trust: str) -> Iterator[Row | Missing]:
    """What is hidden, beside what the plain greedy method and hiding whole rows would hide; a row per tier and way."""
    warehouse = str(home / "warehouse" / "warehouse.duckdb")
    try:
        measured = run(python_module("quality.disclosure.compare", "--warehouse", warehouse, "--json"))
    except CommandFailed as error:
        yield Missing(loss_what(trust), str(error).splitlines()[-1])
        return
    found: list[dict[str, Any]] = json.loads(measured.output.splitlines()[-1])
    hidden = {(row["tier"], row["method"]): row for row in found}
    for (tier, method), other in hidden.items():
        if method == "integer programme":
            continue
        own = hidden[tier, "integer programme"]
        yield Row(
            f"{loss_what(trust)}, {tier}",
            own["hidden"],
            method,
            other["hidden"],
            1.0,
            unit="rows",
            note=f"{own['primary']:,} of few pupils and {own['secondary']:,} that protect them",
        )


def _rules_seconds(home: Path) -> float:
    """How long the rules of the home's newest gate took."""
    found = sorted((home / "quality").glob("*/gate.json"), key=lambda path: path.stat().st_mtime)
    seconds = json.loads(found[-1].read_text(encoding="utf-8"))["seconds"] if found else {}
    if "rules" not in seconds:
        raise LookupError("the run before left no time of its gate's rules")
    return float(seconds["rules"])


def decide_first(home: Path, scratch: Path) -> dict[str, float | int]:
    """Copies the home's warehouse under `scratch`, forgets what was decided in it, decides and attacks."""
    settings = load_settings(scratch)
    settings.warehouse_path.parent.mkdir(parents=True)
    settings.state_dir.mkdir(parents=True)
    shutil.copy(load_settings(home).warehouse_path, settings.warehouse_path)
    registry = load_registry(settings)
    with duckdb.connect(str(settings.warehouse_path), config=settings.duckdb_config()) as connection:
        connection.execute("drop table if exists disclosure.solved")
        started = time.perf_counter()
        write_patterns(connection, registry)
        decision_seconds = time.perf_counter() - started
        (problems,) = connection.execute("select count(*) from disclosure.solved").fetchone() or (0,)
        (schools,) = connection.execute("select count(*) from marts.dim_school").fetchone() or (0,)
        (figures,) = connection.execute("select count(*) from marts.measure_value").fetchone() or (0,)
    started = time.perf_counter()
    attack_results(settings, registry, settings.quality_dir)
    return {
        "decision_seconds": decision_seconds,
        "attack_seconds": time.perf_counter() - started,
        "problems": int(problems),
        "schools": int(schools),
        "figures": int(figures),
    }


def main() -> None:
    home, scratch = sys.argv[1:3]
    print(json.dumps(decide_first(Path(home), Path(scratch))))


if __name__ == "__main__":
    main()
