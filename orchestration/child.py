"""Becomes another program that dies with its parent: `python -m orchestration.child PROGRAM ARGUMENT…`.

A run that is killed must not leave dbt or the gate behind: either would hold the warehouse's lock, and dbt would go on
writing, while the next run begins.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

# prctl(2): the signal this process gets when the one that started it is gone; it outlives the exec below.
_PR_SET_PDEATHSIG = 1


def become(program: Sequence[str]) -> None:
    """Asks to be killed with the parent, then runs the program in this process's place."""
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
    os.execv(program[0], list(program))


if __name__ == "__main__":
    become(sys.argv[1:])
