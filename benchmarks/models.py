"""How long dbt took for marts of attendance, read from its own record of the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FACT = "fct_session"
MARTS = ("attendance_enrolment_year", "attendance_pupil_year")
SPELLS = ("absence_spell",)


def mart_seconds(state: Path, marts: tuple[str, ...]) -> tuple[float, list[str]]:
    """Seconds of every model on the way from the sessions to some marts of attendance, and the models' names.

    `fct_session` is a view over the models that hold the sessions, and the marts read those: the way begins after them.

    Parameters: `state`, the home's state folder, where each dbt step left its results; `marts`, their names.
    Raises: `LookupError` where the results lack the fact or the marts.
    """
    manifest = _one(state, "manifest.json")
    nodes = {name: node for name, node in manifest["nodes"].items() if node["resource_type"] == "model"}
    ids = {node["name"]: name for name, node in nodes.items()}
    missing = {FACT, *marts} - ids.keys()
    if missing:
        raise LookupError(f"dbt's manifest has no {', '.join(sorted(missing))}")
    sessions = {ids[FACT], *(name for name in manifest["parent_map"][ids[FACT]] if name in nodes)}
    after_sessions = _reach(manifest["child_map"], sorted(sessions))
    before_marts = _reach(manifest["parent_map"], [ids[name] for name in marts])
    wanted = (after_sessions & before_marts & nodes.keys()) - sessions
    if not {ids[name] for name in marts} <= wanted:
        raise LookupError(f"{', '.join(marts)} are not made from {FACT} or what it shows, so nothing can be timed")
    seconds = {
        result["unique_id"]: float(result["execution_time"])
        for path in state.rglob("run_results.json")
        for result in json.loads(path.read_text(encoding="utf-8"))["results"]
    }
    if wanted - seconds.keys():
        raise LookupError(
            f"dbt's results have no {', '.join(sorted(nodes[name]['name'] for name in wanted - seconds.keys()))}"
        )
    return sum(seconds[name] for name in wanted), sorted(nodes[name]["name"] for name in wanted)


def _one(state: Path, file_name: str) -> dict[str, Any]:
    found = sorted(state.rglob(file_name), key=lambda path: path.stat().st_mtime)
    if not found:
        raise LookupError(f"no {file_name} under the home's state folder")
    content: dict[str, Any] = json.loads(found[-1].read_text(encoding="utf-8"))
    return content


def _reach(edges: dict[str, list[str]], start: list[str]) -> set[str]:
    seen: set[str] = set(start)
    pending = list(start)
    while pending:
        for name in edges.get(pending.pop(), []):
            if name not in seen:
                seen.add(name)
                pending.append(name)
    return seen
