"""One writer at a time, and a lock that dies with its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.settings import load_settings
from orchestration.writer_lock import WriterBusy, writer_lock

HOLD = """
import sys, time
from ingest.settings import load_settings
from orchestration.writer_lock import writer_lock
with writer_lock(load_settings(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_told_who_writes(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    try:
        with (
            pytest.raises(WriterBusy, match=rf"process {holder.pid}\) is writing"),
            writer_lock(load_settings(tmp_path)),
        ):
            pytest.fail("two writers")
    finally:
        holder.kill()
        holder.wait()


def test_a_killed_writers_lock_is_no_lock(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "state" / "writer.lock").exists()
    with writer_lock(load_settings(tmp_path)):
        pass


def test_the_job_may_take_the_lock_that_its_command_holds(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    with writer_lock(settings):
        with writer_lock(settings):
            pass
        busy = subprocess.run([sys.executable, "-c", HOLD, str(tmp_path)], capture_output=True, text=True, check=False)
        assert "WriterBusy" in busy.stderr
    with writer_lock(settings):
        pass


def test_what_holds_names_is_for_its_owner_alone(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    settings.lake_dir.mkdir(mode=0o755)
    with writer_lock(settings):
        private = (settings.lake_dir, settings.warehouse_path.parent, settings.state_dir, settings.quality_dir)
        assert [oct(folder.stat().st_mode & 0o777) for folder in private] == ["0o700"] * 4
