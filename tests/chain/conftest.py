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

from dashboard.access import open_as
from ingest.settings import load_settings

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

    def sql(self, query: str, role: str = "public") -> list[dict[str, Any]]:
        """Rows of a query on the current release, through the fence that `everypupil sql` reads through."""
        with open_as(load_settings(self.path), role) as release:
            rows: list[dict[str, Any]] = release.query(query).to_pylist()
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


def files_of(landing: Path) -> list[Path]:
    """Every file that landed, in the order of their paths."""
    return sorted(path for path in landing.rglob("*") if path.is_file())


def land(home: Home, landing: Path, files: list[Path]) -> None:
    """Copies files of one landing folder to the same places in the landing folder of `home`."""
    for path in files:
        target = home.landing / path.relative_to(landing)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)


def last_night(landing: Path) -> list[Path]:
    """What a trust's last deliveries bring: the three newest registers and corrections of each of its schools."""
    late = []
    for school in sorted((landing / "session_marks").iterdir()):
        late += sorted(school.iterdir(), key=lambda path: path.stem.rsplit("_", 1)[1])[-3:]
    return late


@pytest.fixture(scope="session")
def home_before_last_night(synthetic_extracts: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The small trust published without the files of its last night. Tests that change it work on a copy."""
    home = Home(tmp_path_factory.mktemp("before") / "home")
    late = last_night(synthetic_extracts)
    land(home, synthetic_extracts, [path for path in files_of(synthetic_extracts) if path not in late])
    home.run("run", "--as-of", AS_OF)
    return home


@pytest.fixture(scope="session")
def trust_home(
    home_before_last_night: Home, synthetic_extracts: Path, tmp_path_factory: pytest.TempPathFactory
) -> Home:
    """The small trust with everything published, its last night as an increment. Who changes it takes a copy."""
    home = home_before_last_night.copy_to(tmp_path_factory.mktemp("trust") / "home")
    land(home, synthetic_extracts, last_night(synthetic_extracts))
    home.run("run", "--as-of", AS_OF)
    return home


@pytest.fixture(scope="session")
def london_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The real 4,059 pupils of 65 schools taken through the whole chain."""
    home = Home(tmp_path_factory.mktemp("london") / "home")
    home.run("example", "london")
    return home
