"""A landed file is opened once: what was swapped for a link after the survey is refused, never followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ingest.arrival import copy_arrival
from ingest.refusal import FileRefused


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing"
    (folder / "pupils").mkdir(parents=True)
    (folder / "pupils" / "list.csv").write_text("UPN\n", encoding="utf-8")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "list.csv").write_text("secret\n", encoding="utf-8")
    (tmp_path / "scratch").mkdir()
    return folder


def test_the_copy_has_the_name_and_the_bytes(landing: Path) -> None:
    copy = copy_arrival(landing, "pupils/list.csv", landing.parent / "scratch")
    assert (copy.name, copy.read_text(encoding="utf-8")) == ("list.csv", "UPN\n")


def test_a_file_swapped_for_a_link_is_refused(landing: Path) -> None:
    path = landing / "pupils" / "list.csv"
    path.unlink()
    path.symlink_to(landing.parent / "outside" / "list.csv")
    with pytest.raises(FileRefused, match="link"):
        copy_arrival(landing, "pupils/list.csv", landing.parent / "scratch")


def test_a_folder_swapped_for_a_link_is_refused(landing: Path) -> None:
    (landing / "pupils" / "list.csv").unlink()
    (landing / "pupils").rmdir()
    (landing / "pupils").symlink_to(landing.parent / "outside")
    with pytest.raises(FileRefused, match="outside"):
        copy_arrival(landing, "pupils/list.csv", landing.parent / "scratch")


def test_a_pipe_is_refused_without_waiting_for_a_writer(landing: Path) -> None:
    os.mkfifo(landing / "pupils" / "pipe.csv")
    with pytest.raises(FileRefused, match="regular"):
        copy_arrival(landing, "pupils/pipe.csv", landing.parent / "scratch")
