"""What dbt's own tests found, read from the results that each step left behind: counts only, never a message."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quality.results import BrokenGateError, RuleResult
from quality.rules import Severity

STEPS = (1, 2, 3)
_RESULTS = "run_results.json"
# dbt's words for a table that broke its contract or a constraint; any other error means that the SQL could not run.
_CONTRACT_MARKS = ("enforced contract", "Constraint Error")


def result_paths(state_dir: Path) -> list[Path]:
    """Where the three steps leave their results.

    Raises: `BrokenGateError` where a step left none, or where a later step's results are older than an earlier one's.
    """
    paths = []
    for step in STEPS:
        folder = state_dir / "dbt" / f"step_{step}"
        found = [path for path in (folder / _RESULTS, folder / "target" / _RESULTS) if path.is_file()]
        if not found:
            raise BrokenGateError(f"dbt step {step} left no results ({folder / _RESULTS}); build it, then judge again.")
        paths.append(found[0])
    times = [str(_read(path).get("metadata", {}).get("generated_at", "")) for path in paths]
    if times != sorted(times):
        raise BrokenGateError(
            "The results of a dbt step are older than those of the step before it; build all steps, then judge again."
        )
    return paths


def read_dbt_results(paths: Sequence[Path]) -> list[RuleResult]:
    """The verdict of every dbt test and every broken contract.

    Parameters: `paths`, one `run_results.json` per step; a `manifest.json` beside it says which table a test is about.
    Raises: `BrokenGateError` for a file that is missing, unreadable or empty, for a node that could not run, and for a
    test of the manifests that no step ran though nothing failed: dbt leaves out, silently, a test of two tables of
    which neither needs the other, where they are built in different steps.
    """
    results: list[RuleResult] = []
    known: set[str] = set()
    ran: set[str] = set()
    for path in paths:
        nodes, entries = _nodes(path.with_name("manifest.json")), _read(path)["results"]
        results += _results_of(path, entries, nodes)
        known |= {node for node in nodes if node.startswith("test.")}
        ran |= {str(entry["unique_id"]) for entry in entries}
    refused = any(not result.success and result.severity == "critical" for result in results)
    if (never := sorted(known - ran)) and not refused:
        raise BrokenGateError(
            f"No step ran the dbt test {_name(never[0])} (and {len(never) - 1} more); let the model that it is about "
            "depend on the other, and build again."
        )
    return results


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BrokenGateError(
            f"dbt's results {path} cannot be read ({type(error).__name__}); build that step again."
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("results"), list):
        raise BrokenGateError(f"dbt's results {path} are not what dbt writes; build that step again.")
    return content


def _results_of(path: Path, entries: list[dict[str, Any]], nodes: dict[str, Any]) -> list[RuleResult]:
    if not entries:
        raise BrokenGateError(f"dbt's results {path} name no model and no test; build that step again.")
    verdicts = [verdict for entry in entries if (verdict := _verdict(entry, nodes)) is not None]
    refused = any(not verdict.success and verdict.severity == "critical" for verdict in verdicts)
    skipped = [str(entry["unique_id"]) for entry in entries if entry["status"] == "skipped"]
    if skipped and not refused:
        raise BrokenGateError(
            f"dbt skipped {_name(skipped[0])} and {len(skipped) - 1} more without a failure that explains it; build "
            f"that step again."
        )
    return verdicts


def _nodes(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        nodes = json.loads(path.read_text(encoding="utf-8")).get("nodes", {})
    except (OSError, ValueError) as error:
        raise BrokenGateError(
            f"dbt's manifest {path} cannot be read ({type(error).__name__}); build that step again."
        ) from error
    return dict(nodes)


def _name(unique_id: str) -> str:
    """`test.everypupil.not_null_dim_school_urn.1a2b` → `not_null_dim_school_urn`."""
    return unique_id.split(".")[2] if unique_id.count(".") >= 2 else unique_id


def _table(unique_id: str, nodes: dict[str, Any]) -> str:
    node = nodes.get(unique_id, {})
    parents = [parent for parent in node.get("depends_on", {}).get("nodes", []) if parent in nodes]
    about = nodes.get(node.get("attached_node") or (parents[0] if parents else ""), node)
    return f"{about['schema']}.{about.get('alias') or about.get('name')}" if about.get("schema") else ""


def _verdict(entry: dict[str, Any], nodes: dict[str, Any]) -> RuleResult | None:
    unique_id, status = str(entry["unique_id"]), str(entry["status"])
    kind, name, table = unique_id.split(".")[0], _name(unique_id), _table(unique_id, nodes)
    if status in ("error", "runtime error"):
        if any(mark in str(entry.get("message") or "") for mark in _CONTRACT_MARKS):
            return _result(f"dbt.contract.{name}", table, "critical", 1, f"The table {name} keeps its contract.")
        raise BrokenGateError(f"dbt could not run {name}; look at its log and build that step again.")
    if kind != "test" or status == "skipped":
        return None
    n_failing = int(entry.get("failures") or 0)
    severity: Severity = "warning" if status == "warn" else "critical"
    if status in ("fail", "warn") and n_failing == 0:
        raise BrokenGateError(f"The dbt test {name} failed without a count; build that step again.")
    if status not in ("pass", "fail", "warn"):
        raise BrokenGateError(
            f"The dbt test {name} ended as '{status}', which the gate does not know; build that step again."
        )
    described = str(nodes.get(unique_id, {}).get("description") or "").strip()
    return _result(
        f"dbt.{name}", table, severity, 0 if status == "pass" else n_failing, described or f"The dbt test {name} holds."
    )


def _result(rule_id: str, table: str, severity: Severity, n_failing: int, sentence: str) -> RuleResult:
    # dbt counts failing rows alone; the number it looked at is not known, so at least those that failed.
    return RuleResult(rule_id, "dbt", table, None, severity, n_failing == 0, n_failing, n_failing, sentence)
