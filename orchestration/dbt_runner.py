"""What dbt is told: variables, environment, folders, and its manifest, parsed once per state of the code."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

from ingest.registry import load_registry
from ingest.settings import Settings
from orchestration.errors import ChainError
from orchestration.files import write_whole
from orchestration.fingerprint import hash_sources

STEPS = (1, 2, 3)
# Telemetry of every dependency is off, in this process and in each child.
QUIET = {
    "DO_NOT_TRACK": "1",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
}


def dbt_executable() -> str:
    """The `dbt` of this environment, also where the environment is not activated."""
    return str(Path(sys.executable).with_name("dbt"))


def dbt_child(settings: Settings) -> str:
    """A program that is dbt, and dies with the process that started it (see `orchestration.child`)."""
    path = settings.state_dir / "dbt" / "dbt"
    content = (
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m orchestration.child {shlex.quote(dbt_executable())} "$@"\n'
    )
    if not path.exists() or path.read_text(encoding="utf-8") != content:
        write_whole(path, content)
        path.chmod(0o755)
    return str(path)


def step_folder(settings: Settings, step: int) -> Path:
    """Where one step's target and log lie."""
    return settings.state_dir / "dbt" / f"step_{step}"


def dbt_vars(settings: Settings, as_of: date) -> dict[str, Any]:
    """The project's variables: the registry, the as-of date, where the lake lies, and the state of the models."""
    return {
        "registry": load_registry(settings).data,
        "as_of": as_of.isoformat(),
        "lake_dir": str(settings.lake_dir),
        "code_fingerprint": hash_sources([settings.dbt_project_dir]),
    }


def settings_environment(settings: Settings) -> dict[str, str]:
    """The settings as environment variables, for a child process of ours that loads them again."""
    values = {name: value for name, value in settings.model_dump(mode="json").items() if value is not None}
    return {f"EVERYPUPIL_{name.upper()}": str(value) for name, value in values.items()} | QUIET


def dbt_environment(settings: Settings) -> dict[str, str]:
    """Environment variables for dbt and its profile, over those of this process."""
    return {
        **settings_environment(settings),
        "EVERYPUPIL_WAREHOUSE": str(settings.warehouse_path),
        "EVERYPUPIL_DBT_THREADS": str(settings.threads or os.cpu_count() or 1),
        "EVERYPUPIL_TEMP_DIR": str(settings.state_dir / "duckdb_temp"),
        # dbt's log of debug events is megabytes of JSON that take a tenth of a step's time.
        "DBT_LOG_LEVEL_FILE": "info",
    }


def build_arguments(settings: Settings, as_of: date, *, full_refresh: bool = False) -> list[str]:
    """The arguments of one `dbt build`; the selection is added by dagster-dbt."""
    arguments = ["build", "--exclude-resource-type", "unit_test"]
    if full_refresh:
        arguments.append("--full-refresh")
    return [*arguments, "--vars", json.dumps(dbt_vars(settings, as_of), sort_keys=True)]


def load_manifest(settings: Settings, as_of: date) -> dict[str, Any]:
    """dbt's manifest, parsed where the project or the registry changed since the last time.

    Raises: `ChainError` with dbt's own first error where the project does not parse.
    """
    folder = settings.state_dir / "dbt" / "parse"
    stamp, manifest = folder / "fingerprint", folder / "manifest.json"
    wanted = hash_sources([settings.dbt_project_dir])
    if not (manifest.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted):
        shutil.rmtree(folder, ignore_errors=True)
        _parse(settings, as_of, folder)
        write_whole(stamp, wanted)
    content: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
    return content


def _parse(settings: Settings, as_of: date, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    settings.warehouse_path.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [
            *(dbt_executable(), "--quiet", "parse", "--vars", json.dumps(dbt_vars(settings, as_of), sort_keys=True)),
            *("--project-dir", str(settings.dbt_project_dir), "--profiles-dir", str(settings.dbt_project_dir)),
            *("--target-path", str(folder), "--log-path", str(folder)),
        ],
        env={**os.environ, **dbt_environment(settings)},
        cwd=settings.dbt_project_dir,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        detail = " ".join(lines[-3:]) or "no message"
        raise ChainError(f"The dbt project does not parse ({detail}); mend it in {settings.dbt_project_dir}.")


def share_parse(settings: Settings, step: int) -> None:
    """Makes a step's folder with what the step before it (or the parse) has parsed: dbt need not parse again."""
    before = step_folder(settings, step - 1) if step > STEPS[0] else settings.state_dir / "dbt" / "parse"
    parsed = before / "partial_parse.msgpack"
    for later in STEPS[STEPS.index(step) :]:
        # The results of a later step belong to an earlier run: the gate must not find them.
        shutil.rmtree(step_folder(settings, later), ignore_errors=True)
    folder = step_folder(settings, step)
    folder.mkdir(parents=True)
    if parsed.exists():
        shutil.copy(parsed, folder / parsed.name)
