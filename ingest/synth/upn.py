"""Unique Pupil Numbers by the thousand, with their check letters."""

from __future__ import annotations

import numpy as np

from ingest.synth.config import Bytes, Ints

LETTERS = np.frombuffer(b"ABCDEFGHJKLMNPQRTUVWXYZ", dtype=np.uint8)
"""The 23 letters of a UPN: no I, O or S."""
WEIGHTS = np.arange(2, 14)


def upns(la_code: Ints, establishment: Ints, year: Ints, serial: Ints, temporary: bool = False) -> Bytes:
    """UPNs as an array of 13 bytes each.

    Parameters: LA code (3 digits), establishment number (4), year of allocation (2, of which the last two count) and
    serial number (0 to 999, or to 2299 for a `temporary` UPN, which ends in a letter), one each a pupil.
    Source: GovTalk, Unique Pupil Number definition 2.0: weights 2 to 13 over characters 2 to 13, modulo 23.

    """
    out = np.zeros((len(la_code), 13), dtype=np.uint8)
    values = np.zeros((len(la_code), 12), dtype=np.int64)
    fields = [
        (la_code, 3),
        (establishment, 4),
        (year % 100, 2),
        (serial // 23 if temporary else serial, 2 if temporary else 3),
    ]
    at = 0
    for number, width in fields:
        for place in range(width):
            values[:, at] = (number // 10 ** (width - 1 - place)) % 10
            at += 1
    out[:, 1:] = values + ord("0")
    if temporary:
        values[:, 11] = serial % 23
        out[:, 12] = LETTERS[values[:, 11]]
    out[:, 0] = LETTERS[(values @ WEIGHTS) % 23]
    return out
