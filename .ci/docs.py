"""Writes the models' documentation as one page that asks nothing of the network: build/docs/static_index.html."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from ingest.settings import load_settings
from orchestration.dbt_runner import dbt_environment, dbt_executable, dbt_vars


def main() -> int:
    target = Path("build/docs").absolute()
    settings = load_settings(target / "home")
    settings.warehouse_path.parent.mkdir(parents=True, exist_ok=True)
    folder = str(settings.dbt_project_dir)
    options = [
        *("--vars", json.dumps(dbt_vars(settings, datetime.now(UTC).date()), sort_keys=True)),
        *("--project-dir", folder, "--profiles-dir", folder),
        *("--target-path", str(target), "--log-path", str(target)),
    ]
    # Without compiling, no warehouse is needed: the page describes the models, not one installation's tables.
    for command in (["parse"], ["docs", "generate", "--static", "--empty-catalog", "--no-compile"]):
        done = subprocess.run(
            [dbt_executable(), "--quiet", *command, *options],
            env={**os.environ, **dbt_environment(settings)},
            check=False,
        )
        if done.returncode:
            return done.returncode
    print(f"Written to {(target / 'static_index.html').relative_to(Path.cwd())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
