"""How a run tells what it is doing: plain log lines for a file or a service, a live line on a terminal."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

LOGGER = logging.getLogger("everypupil")


def say(message: str) -> None:
    """One line of progress; never a pupil's name, key or value."""
    LOGGER.info(message)


def count(done: int, total: int, name: str) -> None:
    """How far a step is, for the live line alone."""
    live(f"{done:,} of {total:,}: {name}")


def live(message: str) -> None:
    """What a step is at, for the live line alone."""
    LOGGER.info(message, extra={"live": True})


@contextmanager
def step(name: str) -> Iterator[None]:
    """Announces a step, and when it has ended, how long it took."""
    started = time.monotonic()
    LOGGER.info(f"{name} …", extra={"starts": True})
    yield
    LOGGER.info(f"{name}: {time.monotonic() - started:.1f} s", extra={"ends": True})


class _Plain(logging.StreamHandler):  # type: ignore[type-arg]  # the stream's type is not ours to say
    """`HH:MM:SS message`, a line when a step begins and one when it has ended."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        self.addFilter(lambda record: not getattr(record, "live", False))


class _Live(logging.Handler):
    """Ended steps above, the running one on a live line with a spinner."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console

        # The stream itself: a run sends what others write to standard error into a file.
        self.console = Console(file=sys.stderr, highlight=False, markup=False)
        self.status = self.console.status("starting")
        self.status.start()

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "starts", False) or getattr(record, "live", False):
            from rich.markup import escape

            self.status.update(escape(record.getMessage()))
        else:
            self.console.print(record.getMessage())

    def close(self) -> None:
        self.status.stop()
        super().close()


@contextmanager
def shown() -> Iterator[None]:
    """Shows progress on standard error for as long as the block runs."""
    handler: logging.Handler = _Live() if sys.stderr.isatty() else _Plain()
    before = LOGGER.level, LOGGER.propagate
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(before[0])
        LOGGER.propagate = before[1]
        handler.close()
