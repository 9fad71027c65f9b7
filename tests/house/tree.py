"""The repository as git sees it, for tests that judge the house itself."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("ingest", "orchestration", "quality", "dashboard")
BINARY = {".png", ".xlsx", ".parquet", ".gz", ".zst", ".ico"}


@cache
def tracked_files() -> tuple[Path, ...]:
    """Every file that is in the repository or would be with the next `git add`, as absolute paths."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return tuple(ROOT / name for name in sorted(set(listed.split("\0")) - {""}) if (ROOT / name).is_file())


def text_files() -> list[Path]:
    """The tracked files that people read. A file that is no UTF-8 (a fixture in another encoding) is not among them."""
    return [path for path in tracked_files() if path.suffix not in BINARY and _is_text(path)]


def _is_text(path: Path) -> bool:
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    return True


def name(path: Path) -> str:
    """A path as it is written in a message: relative to the repository."""
    return path.relative_to(ROOT).as_posix()


def modules(*packages: str) -> list[Path]:
    """The Python files of import packages (default: all four)."""
    return [
        path
        for path in tracked_files()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in (packages or PACKAGES)
    ]


@cache
def syntax_tree(path: Path) -> ast.Module:
    """The parsed module."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
