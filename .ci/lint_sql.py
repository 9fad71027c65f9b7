"""Lints the models as dbt renders them. The registry, which models ask, is handed to the templater as dbt gets it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ingest.registry import load_registry
from ingest.settings import load_settings

RULES = "LT01,LT02,LT05,LT12,CP01,CP02,CP03,AL02,AL03,AM01,CV05,ST03,RF01"


def as_toml(value: Any) -> str:
    """One value in TOML; what is null is left out, since TOML has no word for it."""
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key)} = {as_toml(item)}" for key, item in value.items() if item is not None)
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(as_toml(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def main() -> int:
    settings = load_settings()
    project = json.dumps(str(settings.dbt_project_dir))
    lines = [
        "[tool.sqlfluff.core]",
        'dialect = "duckdb"',
        'templater = "dbt"',
        f'rules = "{RULES}"',
        "max_line_length = 120",
        "large_file_skip_byte_limit = 0",
        "[tool.sqlfluff.templater.dbt]",
        f"project_dir = {project}",
        f"profiles_dir = {project}",
        "[tool.sqlfluff.templater.dbt.context]",
        f"registry = {as_toml(load_registry(settings).data)}",
    ]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "pyproject.toml"
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        command = [str(Path(sys.executable).with_name("sqlfluff")), "lint", "--nocolor", "--config", str(config)]
        paths = sys.argv[1:] or [str(settings.dbt_project_dir / "models")]
        return subprocess.run([*command, *paths], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
