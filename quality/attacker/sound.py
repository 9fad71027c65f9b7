"""Parts of systems that an earlier attack found to give nothing away: a closed year is not solved a second time.

What a part gives away is a function of its relations, its bounds, the rule of its suspects and this code; the key is a
hash of them all, so that nothing else can be taken for a part that was found sound.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from quality import programme
from quality.attacker.breach import Rule


class SoundParts:
    """Keys of sound parts: those of an earlier attack, and in `used` those that this one met or added."""

    def __init__(self, earlier: Collection[str] = ()) -> None:
        self._earlier = frozenset(earlier)
        self.used: set[str] = set()

    def has(self, key: str) -> bool:
        """Whether a part was found sound before."""
        is_known = key in self._earlier
        if is_known:
            self.used.add(key)
        return is_known

    def add(self, key: str) -> None:
        """Notes that a part gives nothing away."""
        self.used.add(key)


def part_key(matrix: csr_matrix, ends: Collection[NDArray[Any]], suspects: NDArray[np.int64], rule: Rule) -> str:
    """The hash of all that a part is asked: its relations, the `ends` of rows and variables, its suspects' rule."""
    digest = hashlib.sha256(_method())
    digest.update(f"{type(rule).__qualname__} {matrix.shape}".encode())
    of_rule = [getattr(rule, field.name) for field in fields(rule)]
    for array in (matrix.indptr, matrix.indices, matrix.data, *ends, suspects, *of_rule):
        digest.update(str((array.dtype, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def read_sound(path: Path) -> SoundParts:
    """What the last attack left; nothing where it left nothing that can be read."""
    try:
        keys = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return SoundParts()
    return SoundParts([str(key) for key in keys] if isinstance(keys, list) else [])


def write_sound(path: Path, sound: SoundParts) -> None:
    """Replaces what the last attack left by what this one met or added, so that nothing piles up."""
    path.parent.mkdir(parents=True, exist_ok=True)
    building = path.with_name(f".{path.name}.building")
    building.write_text(json.dumps(sorted(sound.used), indent=1) + "\n", encoding="utf-8")
    os.replace(building, path)


@cache
def _method() -> bytes:
    """The attacker's code and its solvers."""
    digest = hashlib.sha256(f"{scipy.__version__} {programme.VERSION}".encode())
    for path in (*sorted(Path(__file__).parent.glob("*.py")), Path(str(programme.__file__))):
        digest.update(path.read_bytes())
    return digest.digest()
