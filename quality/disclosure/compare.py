"""Compares the least loss with plainer ways to hide: `python -m quality.disclosure.compare --warehouse FILE`.

Prints, per tier, as a table or as JSON, the rows of measure_value and of the progress tables that are hidden by the
integer programme, by the plain greedy method under the same audit, and by hiding every measure and group of a unit and
period that has a primary cell (before its own secondary suppression, so that figure is the least it could be). Reads
the marts alone.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import duckdb
import pandas as pd

from ingest.registry import Registry, read_registry
from ingest.settings import load_settings
from quality.disclosure.cells import Marts, read_marts
from quality.disclosure.pattern import Decision, decide

_UNIT_AND_PERIOD = [0, 1, 2, 3]  # academic_year, period, level, unit_code within a key of measure_value


def compare(marts: Marts, registry: Registry, tiers: list[str], with_greedy: bool) -> pd.DataFrame:
    """One row per tier and method: rows hidden, primary and secondary; weighted loss and its least; CPU seconds."""
    found = []
    for greedy in [False, True] if with_greedy else [False]:
        started = time.process_time()
        decided = decide(marts, registry, tiers, greedy)
        seconds = time.process_time() - started
        for tier, decision in decided.items():
            method = "plain greedy" if greedy else "integer programme"
            found.append({"tier": tier, "method": method, **_counts(decision), "cpu_seconds": round(seconds, 1)})
            if not greedy:
                found.append({"tier": tier, "method": "whole rows", "hidden": _whole_rows(decision, marts)})
    return pd.DataFrame(found).convert_dtypes().sort_values("tier", kind="stable", ignore_index=True)


def _counts(decision: Decision) -> dict[str, object]:
    rows = decision.pattern[decision.pattern["table_name"].ne("gap")]
    return {
        "hidden": len(rows),
        "primary": int(rows["reason"].eq("primary").sum()),
        "secondary": int(rows["reason"].eq("secondary").sum()),
        "weight": round(float(decision.blocks["weight"].sum()), 1),
        "bound": round(float(decision.blocks["bound"].sum()), 1),
    }


def _whole_rows(decision: Decision, marts: Marts) -> int:
    pattern = decision.pattern
    primary = pattern.loc[pattern["reason"].eq("primary") & pattern["table_name"].eq("measure_value"), "row_key"]
    units = set(primary.str.split("|").map(lambda parts: tuple(parts[i] for i in _UNIT_AND_PERIOD)))
    values = marts.measure_value[["academic_year", "period", "level", "unit_code"]].astype(str)
    return sum(key in units for key in values.itertuples(index=False, name=None))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m quality.disclosure.compare", description="What suppression loses.")
    parser.add_argument("--warehouse", type=Path, required=True)
    parser.add_argument("--registry", type=Path, default=load_settings().registry_dir)
    parser.add_argument("--schools", type=int, help="only so many schools, with the sums over them")
    parser.add_argument("--no-greedy", action="store_true", help="leave the plain greedy method out")
    parser.add_argument("--json", action="store_true", help="print JSON in one line")
    chosen = parser.parse_args(arguments)
    registry = read_registry(chosen.registry)
    with duckdb.connect(str(chosen.warehouse), read_only=True) as connection:
        marts = read_marts(connection)
    if chosen.schools:
        marts = first_schools(marts, chosen.schools)
    tiers = list(registry.data["disclosure"]["minimum_pupils"])
    found = compare(marts, registry, tiers, not chosen.no_greedy)
    if chosen.json:
        print(found.to_json(orient="records"))
        return 0
    print(found.astype(object).where(found.notna(), "").to_string(index=False))
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    return 0


def first_schools(marts: Marts, count: int) -> Marts:
    """The marts of the first schools alone, by key: what a trust of that size would publish, its sums added afresh."""
    schools = marts.schools.sort_values("school_key", kind="stable").head(count)
    codes = set(schools["urn"].astype(str)) | set(schools["school_key"].astype(str))
    values = marts.measure_value
    own = values[values["level"].eq("school") & values["unit_code"].astype(str).isin(codes)]
    sums = ["n", "numerator", "denominator"]
    frames = [own]
    for level in ("trust", "la"):
        of_school = dict(zip(schools["urn"].astype(str), schools[level].astype(str), strict=True))
        above = own.assign(level=level, unit_code=own["unit_code"].astype(str).map(of_school))
        key = [column for column in values.columns if column not in sums]
        frames.append(above.groupby(key, as_index=False, sort=True)[sums].sum(min_count=1)[list(values.columns)])
    progress = marts.progress_school[marts.progress_school["school_key"].isin(schools["school_key"])]
    pupils = progress.groupby(["academic_year", "measure_id"], as_index=False)["n"].sum()
    model = marts.progress_model.drop(columns="n_pupils").merge(
        pupils.set_axis([*pupils.columns[:2], "n_pupils"], axis=1)
    )
    values = pd.concat(frames, ignore_index=True)
    return Marts(values, marts.gap.head(0), progress, model, schools, marts.periods, marts.renamed, marts.by_totals)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
