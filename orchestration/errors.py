"""Failures that end a command, each with its exit code."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command answers to the shell."""

    DONE = 0
    FAILED = 1
    WRONG_USE = 2
    REFUSED = 3


class ChainError(Exception):
    """A failure told in one sentence that says what to do; ends a command with `exit_code`."""

    exit_code = ExitCode.FAILED


class DataRefused(ChainError):
    """A dbt test, contract, expectation or reconciliation refused the data; the old release stands."""

    exit_code = ExitCode.REFUSED


class GateBroken(ChainError):
    """The gate itself could not judge, so nothing may be published."""


class WrongUse(ChainError):
    """A command was given something it cannot take."""

    exit_code = ExitCode.WRONG_USE


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
