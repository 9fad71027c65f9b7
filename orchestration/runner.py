"""`everypupil run`: decides whether there is anything to do, then executes Dagster's job in this process."""

from __future__ import annotations

import os
from contextlib import redirect_stderr, redirect_stdout
from datetime import date
from pathlib import Path
from typing import Any

from ingest.settings import Settings
from orchestration import progress
from orchestration.errors import ChainError, WrongUse
from orchestration.files import write_whole
from orchestration.fingerprint import run_input
from orchestration.last_run import LastRun, now, read_last_run
from orchestration.releases import current_manifest, require_ledger
from orchestration.writer_lock import writer_lock

_DAGSTER_YAML = """\
telemetry:
  enabled: false
run_monitoring:
  enabled: false
"""


def run_chain(settings: Settings, as_of: date | None = None, *, full_refresh: bool = False) -> LastRun:
    """Takes everything new from landing to a release, and records how that ended in `LAST_RUN.json`.

    Parameters: `as_of`, the day up to which marks, lists and results count (default: today); `full_refresh`, rebuild
    every slice.
    Raises: `WriterBusy` where another process writes to this home; `WrongUse` where the landing folder is missing.
    """
    day = as_of or date.today()
    started_at = now()
    if not settings.landing_dir.is_dir():
        raise WrongUse(
            f"There is no landing folder {settings.landing_dir}; make it and put extracts in it, or give --landing DIR."
        )
    with writer_lock(settings):
        try:
            require_ledger(settings, current_manifest(settings))
        except ChainError as error:
            return _conclude_failed(settings, started_at, error)
        if not full_refresh and is_nothing_new(settings, day):
            return _conclude_nothing_new(settings, started_at)
        progress.say("starting the chain")
        return _execute(settings, day, started_at, full_refresh=full_refresh)


def is_nothing_new(settings: Settings, as_of: date) -> bool:
    """Whether landing holds no file that was not seen and the release in force was made of the very inputs of this run.

    A run that was refused left the release before it in force, so it is tried again.
    """
    from ingest.pipeline import survey

    manifest = current_manifest(settings)
    if manifest is None or not survey(settings).is_empty:
        return False
    return str(manifest["input_fingerprint"]) == run_input(settings, as_of).fingerprint


def _conclude_nothing_new(settings: Settings, started_at: str) -> LastRun:
    from orchestration.conclusion import conclude_nothing_new

    return conclude_nothing_new(settings, started_at, str((current_manifest(settings) or {})["release_id"]))


def _conclude_failed(settings: Settings, started_at: str, error: Exception) -> LastRun:
    from orchestration.conclusion import conclude_failed

    return conclude_failed(settings, "", started_at, error)


def _execute(settings: Settings, as_of: date, started_at: str, *, full_refresh: bool) -> LastRun:
    """Runs the job; whatever happens, the record of the newest run is this run's."""
    from orchestration.conclusion import conclude_failed

    try:
        run_id = _execute_job(settings, as_of, full_refresh=full_refresh)
    except Exception as error:
        return conclude_failed(settings, "", started_at, error)
    recorded = read_last_run(settings)
    if recorded is None or recorded["run_id"] != run_id:
        return conclude_failed(
            settings,
            run_id,
            started_at,
            ChainError("The run was stopped before it ended; run it again."),
        )
    return LastRun(**recorded)


def _execute_job(settings: Settings, as_of: date, *, full_refresh: bool) -> str:
    """Executes the nightly job in this process; returns its run id."""
    prepare_dagster_home(settings)
    with progress.step("loading Dagster and dbt's project"):
        from dagster import DagsterInstance

        from orchestration.build import JOB, build_defs, run_config

        defs = build_defs(settings.model_dump(), as_of)
        job = defs.resolve_job_def(JOB)
    # What dbt and Dagster write for a terminal goes to a file: our own progress says what a person needs.
    with (
        DagsterInstance.get() as instance,
        (settings.state_dir / "console.log").open("w", encoding="utf-8") as console,
        redirect_stdout(console),
        redirect_stderr(console),
    ):
        result = job.execute_in_process(
            instance=instance,
            run_config=run_config(settings, as_of, full_refresh=full_refresh),
            raise_on_error=False,
        )
    return str(result.run_id)


def prepare_dagster_home(settings: Settings) -> Path:
    """Makes Dagster's folder with telemetry off and points this process at it."""
    home = settings.state_dir / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    config = home / "dagster.yaml"
    if not config.exists() or config.read_text(encoding="utf-8") != _DAGSTER_YAML:
        write_whole(config, _DAGSTER_YAML)
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def last_run_as_json(run: LastRun) -> dict[str, Any]:
    """What `everypupil run --json` prints."""
    from dataclasses import asdict

    return asdict(run)
