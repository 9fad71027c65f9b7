"""Run a command and say how long it took and how much memory its processes held together at most."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

SAMPLE_SECONDS = 0.05


@dataclass(frozen=True)
class Measurement:
    """One command's cost: wall seconds, peak bytes of resident memory over the process and all below it, its output."""

    seconds: float
    peak_bytes: int
    output: str = field(default="", repr=False)


class CommandFailed(RuntimeError):
    """A timed command that ended with another exit code than expected; its time means nothing."""


def run(command: list[str], *, environment: dict[str, str] | None = None, folder: Path | None = None) -> Measurement:
    """Runs one command to its end.

    Parameters: `command`, program and arguments; `environment`, added to the present one; `folder`, where it runs.
    Raises: `CommandFailed` with the last lines of its output where the exit code is not 0.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    peak = _PeakMemory(process.pid)
    peak.start()
    output, _ = process.communicate()
    seconds = time.perf_counter() - started
    peak.join()
    if process.returncode != 0:
        last = "\n".join(output.splitlines()[-15:])
        raise CommandFailed(f"'{' '.join(command)}' ended with {process.returncode}:\n{last}")
    return Measurement(seconds, peak.bytes, output)


class _PeakMemory(threading.Thread):
    """Samples the resident memory of a process tree until its root ends. Pages that two processes share count twice."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.bytes = 0
        self._root = psutil.Process(pid)

    def run(self) -> None:
        while True:
            try:
                if self._root.status() == psutil.STATUS_ZOMBIE:
                    return
                tree = [self._root, *self._root.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            self.bytes = max(self.bytes, sum(_resident(process) for process in tree))
            time.sleep(SAMPLE_SECONDS)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


def best_of(times: int, command: list[str], **options: Any) -> Measurement:
    """The fastest of several runs: for short commands, where anything slower is another process's doing."""
    return min((run(command, **options) for _ in range(times)), key=lambda measurement: measurement.seconds)


@dataclass(frozen=True)
class Machine:
    """What the figures were measured on."""

    processor: str
    cores: int
    memory_gb: float
    load_before: float
    python: str
    duckdb: str


def this_machine() -> Machine:
    """This machine's figures, and how busy it was before the first row."""
    import duckdb

    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=round(psutil.virtual_memory().total / 1e9, 1),
        load_before=round(os.getloadavg()[0], 2),
        python=platform.python_version(),
        duckdb=duckdb.__version__,
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def as_json(value: Machine | Measurement) -> dict[str, Any]:
    """A plain dictionary, without a command's output."""
    return {key: item for key, item in asdict(value).items() if key != "output"}


def everypupil(*arguments: str) -> list[str]:
    """The command line of the installation that runs these benchmarks."""
    return [str(Path(sys.executable).parent / "everypupil"), *arguments]


def python_module(module: str, *arguments: str) -> list[str]:
    """`python -m module …` with the interpreter that runs these benchmarks."""
    return [sys.executable, "-m", module, *arguments]
