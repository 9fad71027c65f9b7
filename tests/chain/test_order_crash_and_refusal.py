"""One release from the same files, whatever the order, the repeats and the crashes; and none from what was refused."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.chain.conftest import AS_OF, EVERYPUPIL, Home, files_of, land, last_night
from tests.conftest import SOAK

pytestmark = pytest.mark.chain

ORDERS = 5 if SOAK else 1
ROOT = Path(__file__).resolve().parents[2]


def with_key_of(home: Home, source: Home) -> Home:
    """The same secret, or pupils would have other keys."""
    shutil.copytree(source.path / "secrets", home.path / "secrets")
    return home


@pytest.mark.parametrize("seed", range(ORDERS))
def test_the_same_files_in_another_order_with_repeats_give_the_same_release(
    seed: int, trust_home: Home, tmp_path: Path
) -> None:
    home = with_key_of(Home(tmp_path / "home"), trust_home)
    files = files_of(trust_home.landing)
    random.Random(seed).shuffle(files)
    half = len(files) // 2
    land(home, trust_home.landing, files[:half])
    home.run("run", "--as-of", AS_OF, expect=None)
    land(home, trust_home.landing, [*files[half:], *files[: half // 4]])
    home.run("run", "--as-of", AS_OF)
    # The public was told of other files first, and what few pupils changed since waits: its tier and the release's id
    # are a function of the files and of what was published before. All else is a function of the files alone.
    assert but_public(home.content_hashes()) == but_public(trust_home.content_hashes())


def but_public(hashes: dict[str, str]) -> dict[str, str]:
    """The hashes of every tier but the public one."""
    return {name: digest for name, digest in hashes.items() if not name.startswith("public/")}


def test_a_full_rebuild_gives_what_the_increments_gave(trust_home: Home, tmp_path: Path) -> None:
    home = trust_home.copy_to(tmp_path / "home")
    before = home.content_hashes()
    assert home.manifest()["previous_release"] is not None, "what is rebuilt must have been built by increments"
    shutil.rmtree(home.path / "warehouse")
    # The lake keeps the ledger of what was published, so the public is told the same again.
    shutil.rmtree(home.path / "releases")
    home.run("run", "--as-of", AS_OF, "--full-refresh")
    assert home.content_hashes() == before


def said(text: str) -> Callable[[Home, Path], bool]:
    return lambda home, log: text in log.read_text(encoding="utf-8")


def building(home: Home, log: Path) -> bool:
    return any((home.path / "releases").glob(".building-*"))


@pytest.mark.parametrize(
    "reached",
    [
        pytest.param(said("ingest calendar:"), id="in ingest"),
        pytest.param(said("catalogue:"), id="in dbt"),
        pytest.param(building, id="in publish"),
    ],
)
def test_a_killed_run_leaves_the_old_release_and_the_next_ends_in_the_same(
    reached: Callable[[Home, Path], bool], home_before_last_night: Home, trust_home: Home, tmp_path: Path
) -> None:
    home = home_before_last_night.copy_to(tmp_path / "home")
    old = home.current
    assert old != trust_home.current
    land(home, trust_home.landing, last_night(trust_home.landing))
    log = tmp_path / "log"
    with log.open("w", encoding="utf-8") as err:
        run = subprocess.Popen(
            [str(EVERYPUPIL), "--home", str(home.path), "run", "--as-of", AS_OF], stdout=err, stderr=err
        )
        until = time.monotonic() + 600
        while run.poll() is None and not reached(home, log) and time.monotonic() < until:
            time.sleep(0.05)
        assert run.poll() is None, log.read_text(encoding="utf-8")
        children = psutil.Process(run.pid).children(recursive=True)
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert [process.name() for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
    assert home.current == old
    home.run("verify")
    home.run("run", "--as-of", AS_OF)
    assert home.current == trust_home.current
    assert home.content_hashes() == trust_home.content_hashes()
    assert list((home.path / "releases").glob(".*")) == []


def test_a_mart_broken_on_purpose_is_refused_and_mended_it_publishes(
    trust_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = trust_home.copy_to(tmp_path / "home")
    old = home.current
    project = tmp_path / "dbt_project"
    shutil.copytree(ROOT / "dbt_project", project, ignore=shutil.ignore_patterns("target", "logs"))
    model = next(project.rglob("fct_enrolment.sql"))
    good = model.read_text(encoding="utf-8")
    model.write_text(f"select * from ({good}) union all select * from ({good})\n", encoding="utf-8")
    monkeypatch.setenv("EVERYPUPIL_DBT_PROJECT_DIR", str(project))
    done = home.run("run", "--as-of", AS_OF, expect=3)
    assert home.current == old
    assert "fct_enrolment" in done.stderr
    last = json.loads((home.path / "releases" / "LAST_RUN.json").read_text(encoding="utf-8"))
    assert (last["outcome"], last["exit_code"], last["release_id"]) == ("refused", 3, old)
    assert any("fct_enrolment" in failure["table"] for failure in last["failures"])
    model.write_text(good, encoding="utf-8")
    home.run("run", "--as-of", AS_OF)
    last = json.loads((home.path / "releases" / "LAST_RUN.json").read_text(encoding="utf-8"))
    assert last["outcome"] in ("published", "nothing_new")


def test_a_run_with_nothing_new_says_so_and_changes_nothing(trust_home: Home) -> None:
    releases = trust_home.path / "releases"
    before = sorted(path for path in releases.rglob("*") if path.name != "LAST_RUN.json")
    done = trust_home.run("run", "--as-of", AS_OF)
    assert "Nothing new" in done.stdout
    assert sorted(path for path in releases.rglob("*") if path.name != "LAST_RUN.json") == before
