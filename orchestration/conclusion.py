"""How a run ended, put into `LAST_RUN.json` whoever started it: the command line, the schedule or the sensor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ingest.lake import Lake
from ingest.settings import Settings
from orchestration.dbt_runner import STEPS, step_folder
from orchestration.errors import ChainError, DataRefused, GateBroken, first_line
from orchestration.last_run import LastRun, Outcome, exit_code_of, now, read_last_run, write_last_run
from orchestration.releases import current_id, read_manifest
from quality.dbt_results import read_dbt_results
from quality.results import BrokenGateError

NAMED = 5
"""How many refused files a sentence names: it goes into mails and chat; `everypupil status` names every one."""


def conclude_published(settings: Settings, run_id: str, started_at: str, release_id: str) -> LastRun:
    """Records a published run; a refused file that still lies in landing is named, and makes the exit code 1."""
    manifest = read_manifest(settings, release_id)
    refused = refused_in_landing(settings)
    sentence = f"Published release {release_id}. {manifest['coverage_sentence']}"
    if refused:
        sentence = f"Published release {release_id} without {_named(refused)}"
    sentence += _held(manifest)
    gate = _gate_results(settings, run_id, "warning")
    run = LastRun(
        run_id=run_id,
        started_at=started_at,
        finished_at=now(),
        outcome="published",
        exit_code=exit_code_of("published", len(refused)),
        sentence=sentence,
        refused_files=refused,
        release_id=release_id,
        warnings=gate[1] if gate else [],
    )
    write_last_run(settings, run)
    return run


def conclude_nothing_new(settings: Settings, started_at: str, release_id: str) -> LastRun:
    """Records a run that had nothing to do; a refused file that still lies in landing is named night after night."""
    refused = refused_in_landing(settings)
    manifest, earlier = read_manifest(settings, release_id), read_last_run(settings) or {}
    arrived = "all that arrived and is not held" if manifest["held"] else "all that arrived"
    sentence = f"Nothing new: release {release_id} is made of {arrived}"
    sentence += f" without {_named(refused)}" if refused else "."
    sentence += _held(manifest)
    run = LastRun(
        run_id="",
        started_at=started_at,
        finished_at=now(),
        outcome="nothing_new",
        exit_code=exit_code_of("nothing_new", len(refused)),
        sentence=sentence,
        refused_files=refused,
        release_id=release_id,
        # What its gate warned of is so until another release is published.
        warnings=earlier.get("warnings", []) if earlier.get("release_id") == release_id else [],
    )
    write_last_run(settings, run)
    return run


def refused_in_landing(settings: Settings) -> list[dict[str, str]]:
    """Refused files that still lie in landing, in order of their path there.

    By their folder, for every school may have a file of the same name; in order, for the lake keeps them under a hash
    and a sentence that names the first few would name others on another machine.
    """
    return [
        {
            "file_name": row.path,
            "sentence": f"{row.path}{row.sentence.removeprefix(row.file_name)}"
            if row.sentence.startswith(row.file_name)
            else f"{row.path}: {row.sentence}",
        }
        for row in sorted(Lake(settings).refusals(), key=lambda refusal: refusal.path)
    ]


def _held(manifest: Mapping[str, Any]) -> str:
    """A sentence, with a space before it, where files are held: their rows are in no figure."""
    held = len(manifest["held"])
    return f" {held} file(s) held as partial are in no figure: everypupil status names each." if held else ""


def _named(refused: list[dict[str, str]]) -> str:
    named = f"{len(refused)} refused file(s): {' '.join(row['sentence'] for row in refused[:NAMED])}"
    left = len(refused) - NAMED
    return f"{named} And {left} more: everypupil status names each." if left > 0 else named


def conclude_failed(settings: Settings, run_id: str, started_at: str, error: BaseException) -> LastRun:
    """Records a run that published nothing: refused by the data, by a broken gate, or failed."""
    outcome, failures, sentence = explain(settings, run_id, error)
    run = LastRun(
        run_id=run_id,
        started_at=started_at,
        finished_at=now(),
        outcome=outcome,
        exit_code=exit_code_of(outcome, 0),
        sentence=sentence,
        failures=failures,
        release_id=current_id(settings),
    )
    write_last_run(settings, run)
    return run


def explain(settings: Settings, run_id: str, error: BaseException) -> tuple[Outcome, list[dict[str, Any]], str]:
    """What an error means: the outcome, what refused (counts only), and one sentence."""
    gate = _gate_results(settings, run_id, "critical")
    if isinstance(error, GateBroken) or (gate is not None and gate[0] == "broken"):
        return "gate_broken", [], str(error) if isinstance(error, GateBroken) else (gate or ("", [], ""))[2]
    if gate is not None and gate[0] == "refused":
        return "refused", gate[1], gate[2]
    if isinstance(error, DataRefused):
        return "refused", [], str(error)
    if type(error).__name__ == "DagsterDbtCliRuntimeError":
        return _dbt_failures(settings)
    if isinstance(error, ChainError):
        return "failed", [], str(error)
    return "failed", [], f"The run failed ({type(error).__name__}: {first_line(error)}); the old release stands."


def _gate_results(settings: Settings, run_id: str, severity: str) -> tuple[str, list[dict[str, Any]], str] | None:
    """The gate's outcome, its rules of a severity that failed, and its sentence; None where it did not end."""
    path = settings.quality_dir / run_id / "gate.json"
    if not path.exists():
        return None
    report = json.loads(path.read_text(encoding="utf-8"))
    summed: dict[tuple[str, str], dict[str, Any]] = {}
    for row in report["results"]:
        if not row["success"] and row["severity"] == severity:
            entry = summed.setdefault(
                (row["rule_id"], row["table"]),
                {key: row[key] for key in ("rule_id", "table", "sentence")} | {"n_failing": 0, "schools": []},
            )
            entry["n_failing"] += row["n_failing"]
            if row["school"] is not None:
                entry["schools"] = sorted({*entry["schools"], str(row["school"])})
    return report["outcome"], list(summed.values()), str(report["sentence"])


def _dbt_failures(settings: Settings) -> tuple[Outcome, list[dict[str, Any]], str]:
    """What dbt refused, or that it could not run."""
    paths = [path for step in STEPS if (path := step_folder(settings, step) / "run_results.json").is_file()]
    try:
        results = read_dbt_results(paths)
    except BrokenGateError as error:
        return (
            "failed",
            [],
            f"{str(error).rstrip('.')}; its log is under {settings.state_dir / 'dbt'}, the old release stands.",
        )
    failures = [
        {"rule_id": row.rule_id, "table": row.table, "n_failing": row.n_failing, "sentence": row.sentence}
        for row in results
        if not row.success and row.severity == "critical"
    ]
    if not failures:
        return "failed", [], f"dbt failed before it built anything; its log is under {settings.state_dir / 'dbt'}."
    named = ", ".join(f"{row['rule_id']} on {row['table']} ({row['n_failing']} rows)" for row in failures[:5])
    more = f" and {len(failures) - 5} more" if len(failures) > 5 else ""
    return (
        "refused",
        failures,
        f"Refused by dbt: {named}{more}; mend what they name and run again, the old release stands.",
    )
