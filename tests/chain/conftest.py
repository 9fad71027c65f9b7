"""Homes built once a session by the command line itself, as a person would build them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

EVERYPUPIL = Path(sys.executable).with_name("everypupil")
AS_OF = "2026-09-01"


@dataclass(frozen=True)
class Home:
    """One installation's folder, driven through the command line."""

    path: Path

    def run(self, *arguments: str, expect: int | None = 0, timeout: int = 900) -> subprocess.CompletedProcess[str]:
        """`everypupil --home … ARGUMENTS`; `expect` is the exit code that must come back (None: any)."""
        done = subprocess.run(
            [str(EVERYPUPIL), "--home", str(self.path), *arguments],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, "EVERYPUPIL_HOME": str(self.path)},
        )
        if expect is not None:
            assert done.returncode == expect, (
                f"{arguments} ended {done.returncode}, not {expect}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
            )
        return done

    def sql(self, query: str, *options: str) -> list[dict[str, Any]]:
        """Rows of a query on the current release."""
        rows: list[dict[str, Any]] = json.loads(self.run("sql", query, "--format", "json", *options).stdout)
        return rows

    @property
    def landing(self) -> Path:
        return self.path / "landing"

    @property
    def current(self) -> str:
        return (self.path / "releases" / "CURRENT").read_text(encoding="utf-8").strip()

    def manifest(self, release_id: str | None = None) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            (self.path / "releases" / (release_id or self.current) / "manifest.json").read_text(encoding="utf-8")
        )
        return found

    def content_hashes(self, release_id: str | None = None) -> dict[str, str]:
        """Every table's content hash, by tier and name."""
        return {
            f"{tier}/{name}": table["content_hash"]
            for tier, tables in self.manifest(release_id)["tables"].items()
            for name, table in tables.items()
        }

    def copy_to(self, path: Path) -> Home:
        """The whole home copied, releases' hard links kept out of each other's way."""
        shutil.copytree(self.path, path, symlinks=True)
        return Home(path)


@pytest.fixture(scope="session")
def synthetic_extracts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small trust's extracts, as `everypupil synth` writes them."""
    out = tmp_path_factory.mktemp("extracts") / "landing"
    subprocess.run(
        [
            str(EVERYPUPIL),
            "synth",
            "--out",
            str(out),
            "--schools",
            "3",
            "--pupils",
            "420",
            "--years",
            "1",
            "--seed",
            "7",
        ],
        check=True,
        capture_output=True,
    )
    return out


@pytest.fixture(scope="session")
def trust_home(synthetic_extracts: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The small trust taken through the whole chain and published. Tests that change it work on a copy."""
    home = Home(tmp_path_factory.mktemp("trust") / "home")
    shutil.copytree(synthetic_extracts, home.landing)
    home.run("run", "--as-of", AS_OF)
    return home


@pytest.fixture(scope="session")
def london_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The real 4,059 pupils of 65 schools taken through the whole chain."""
    home = Home(tmp_path_factory.mktemp("london") / "home")
    home.run("example", "london")
    return home
