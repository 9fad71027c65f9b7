"""Lints every model as dbt renders it: all are built over an empty lake, and their compiled SQL is given to sqlfluff.

sqlfluff's own dbt templater would compile each model again in each of its processes, and takes many times as long. What
compiled SQL no longer shows (tabs, spaces at the end of a line, lines too long) is looked for in the sources.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from ingest.catalogue import write_catalogue
from ingest.registry import load_registry
from ingest.settings import Settings, load_settings
from orchestration.dbt_runner import STEPS, dbt_environment, dbt_executable, dbt_vars
from orchestration.fits import write_fits
from quality.disclosure import write_pattern
from quality.ledger.decision import NO_LEDGER_SQL

# RF02 is left out: the registry names columns without a table, because several models render one expression.
RULES = (
    "AL01,AL02,AL03,AL05,AM01,AM05,AM06,CP01,CP02,CP03,CP04,CP05,CV02,CV05,LT04,LT08,LT10,RF01,RF03,ST01,ST02,ST03,ST08"
)
LINE_LENGTH = 140  # of lines without a macro call, whose arguments do not break well


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(Path(folder) / "home")
        compiled = _compile(settings, Path(folder) / "target")
        faults = [*_missing(settings, compiled), *_layout(settings)]
        config = Path(folder) / ".sqlfluff"
        config.write_text(
            f"[sqlfluff]\ndialect = duckdb\ntemplater = raw\nrules = {RULES}\nlarge_file_skip_byte_limit = 0\n",
            encoding="utf-8",
        )
        sqlfluff = str(Path(sys.executable).with_name("sqlfluff"))
        options = ["--nocolor", "--processes", str(os.cpu_count() or 1), "--config", str(config)]
        found = subprocess.run([sqlfluff, "lint", *options, "models"], cwd=compiled, check=False)
    for fault in faults:
        print(fault, file=sys.stderr)
    return found.returncode or int(bool(faults))


def _compile(settings: Settings, target: Path) -> Path:
    """Builds the steps over an empty lake as a run does. Returns the folder that holds the compiled `models`."""
    settings.warehouse_path.parent.mkdir(parents=True)
    registry = load_registry(settings)
    project = str(settings.dbt_project_dir)
    fillers = (lambda warehouse: write_fits(warehouse, registry), lambda warehouse: write_pattern(warehouse, registry))
    with duckdb.connect(str(settings.warehouse_path)) as warehouse:
        write_catalogue(settings, warehouse)
        warehouse.execute(NO_LEDGER_SQL)
    for step, fill in zip(STEPS, (*fillers, None), strict=True):
        subprocess.run(
            [
                *(dbt_executable(), "--quiet", "build", "--exclude-resource-type", "test", "unit_test"),
                *("--select", f"tag:step_{step}", "--project-dir", project, "--profiles-dir", project),
                *("--vars", json.dumps(dbt_vars(settings, datetime.now(UTC).date()), sort_keys=True)),
                *("--target-path", str(target), "--log-path", str(target)),
            ],
            env={**os.environ, **dbt_environment(settings)},
            check=True,
        )
        if fill is not None:
            with duckdb.connect(str(settings.warehouse_path)) as warehouse:
                fill(warehouse)
    return target / "compiled" / "everypupil"


def _missing(settings: Settings, compiled: Path) -> list[str]:
    """The models that dbt left out: each must be linted."""
    models = settings.dbt_project_dir / "models"
    paths = [path.relative_to(models) for path in models.rglob("*.sql")]
    return [
        f"{path}: dbt compiled no such model; give it a step's tag."
        for path in paths
        if not (compiled / "models" / path).exists()
    ]


def _layout(settings: Settings) -> list[str]:
    """Faults of layout in the sources."""
    faults = []
    for path in sorted(settings.dbt_project_dir.rglob("*.sql")):
        name, text = path.relative_to(settings.dbt_project_dir), path.read_text(encoding="utf-8")
        if "target" in name.parts:
            continue
        if not text.endswith("\n") or text.endswith("\n\n"):
            faults.append(f"{name}: the file must end with one line break.")
        for number, line in enumerate(text.splitlines(), start=1):
            if "\t" in line or line != line.rstrip():
                faults.append(f"{name}:{number}: a tab, or a space at the end of the line; take it out.")
            if len(line) > LINE_LENGTH and not any(brace in line for brace in ("{{", "}}", "{%")):
                faults.append(f"{name}:{number}: {len(line)} characters, {LINE_LENGTH} are allowed; break the line.")
    return faults


if __name__ == "__main__":
    sys.exit(main())
