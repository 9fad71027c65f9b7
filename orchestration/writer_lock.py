"""One writer at a time: an advisory lock that dies with its process, so a stale lock file is no lock."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.settings import Settings
from orchestration.errors import ChainError

_held: dict[Path, int] = {}
_guard = threading.Lock()


class WriterBusy(ChainError):
    """Another process is writing to this home."""


def _keep_private(settings: Settings) -> None:
    """Only the owner may enter what holds names or unsuppressed rows; releases alone are for other users to read."""
    for folder in (settings.lake_dir, settings.warehouse_path.parent, settings.state_dir, settings.quality_dir):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)


@contextmanager
def writer_lock(settings: Settings) -> Iterator[None]:
    """Holds the home's writer lock; within one process it may be taken again (the command holds it, the job takes it
    too).

    Raises: `WriterBusy` where another process holds it.
    """
    path = settings.state_dir / "writer.lock"
    with _guard:
        _held[path] = _held.get(path, 0) + 1
        first = _held[path] == 1
    try:
        if not first:
            yield
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+", encoding="utf-8") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                handle.seek(0)
                holder = handle.read().strip() or "unknown"
                raise WriterBusy(
                    f"Another run (process {holder}) is writing to {settings.home}; wait for it to end and run again."
                ) from error
            handle.truncate(0)
            handle.write(str(os.getpid()))
            handle.flush()
            _keep_private(settings)
            yield
    finally:
        with _guard:
            _held[path] -= 1
            if not _held[path]:
                del _held[path]
