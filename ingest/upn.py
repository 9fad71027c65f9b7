"""Unique Pupil Numbers: shape, check letter, temporary numbers."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache

LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"
_SHAPE = re.compile(rf"[{LETTERS}][0-9]{{11}}[0-9{LETTERS}]")
_VALUES = {**{digit: int(digit) for digit in "0123456789"}, **{letter: index for index, letter in enumerate(LETTERS)}}


class UpnStatus(StrEnum):
    """What a text is, taken as a UPN."""

    VALID = "valid"
    TEMPORARY = "temporary"
    BAD_CHECK = "bad_check"
    MALFORMED = "malformed"


def check_letter(body: str) -> str:
    """The check letter of characters 2 to 13: their weighted sum (weights 2 to 13) modulo 23, in the alphabet without
    I, O, S.

    Parameters: `body`, twelve characters, digits but for the last, which may be a letter (a temporary UPN).
    Raises: `ValueError` for any other shape.
    Source: GovTalk UPN definition 2.0.
    """
    if not _SHAPE.fullmatch("A" + body):
        raise ValueError("A UPN has eleven digits and a digit or letter after its check letter.")
    return LETTERS[sum(_VALUES[character] * weight for weight, character in enumerate(body, start=2)) % 23]


@lru_cache(maxsize=262_144)
def upn_status(upn: str) -> UpnStatus:
    """Whether a text (already trimmed, upper case) is a valid, temporary, wrongly checked or malformed UPN."""
    if not _SHAPE.fullmatch(upn):
        return UpnStatus.MALFORMED
    if check_letter(upn[1:]) != upn[0]:
        return UpnStatus.BAD_CHECK
    return UpnStatus.TEMPORARY if upn[12].isalpha() else UpnStatus.VALID
