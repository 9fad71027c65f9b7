"""A linear system over counts: variables with bounds, and identities that each carry their name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Block:
    """Identities of one sort: `low <= sum of coefficient * variable <= high` per row.

    row, variable, coefficient: one entry each per term, rows numbered from 0. name: what the sort is called.
    """

    name: str
    row: Integers
    variable: Integers
    coefficient: Floats
    low: Floats
    high: Floats


@dataclass
class System:
    """Variables 0 to n - 1 with their bounds, and blocks of identities over them.

    low, high: what is known of each variable; source_low, source_high: what said so, by variable.
    label: how a variable is called in a sentence.
    """

    low: Floats
    high: Floats
    label: Callable[[int], str]
    blocks: list[Block] = field(default_factory=list)
    sources: dict[int, list[str]] = field(default_factory=dict)

    def add(
        self,
        name: str,
        row: Integers,
        variable: Integers,
        coefficient: Floats | Sequence[float],
        low: float | Floats,
        high: float | Floats,
    ) -> None:
        """Adds a block; rows are renumbered so that none is empty. Terms on no variable (-1) count as nought."""
        row, variable = np.asarray(row, dtype=np.int64), np.asarray(variable, dtype=np.int64)
        coefficient = np.asarray(coefficient, dtype=np.float64)
        present = variable >= 0
        row, variable, coefficient = row[present], variable[present], coefficient[present]
        if not len(row):
            return
        kept, row = np.unique(row, return_inverse=True)
        ends = [np.full(len(kept), end) if np.isscalar(end) else np.asarray(end)[kept] for end in (low, high)]
        self.blocks.append(Block(name, row.astype(np.int64), variable, coefficient, *ends))

    def know(self, variable: int, low: float, high: float, why: str) -> bool:
        """Narrows one variable; says whether that told anything new."""
        narrower = bool(low > self.low[variable] or high < self.high[variable])
        if narrower:
            self.low[variable] = max(low, self.low[variable])
            self.high[variable] = min(high, self.high[variable])
            self.sources.setdefault(variable, []).append(why)
        return narrower

    def rows(self) -> Rows:
        """All identities as one sparse matrix."""
        offsets = np.cumsum([0, *(len(block.low) for block in self.blocks)])
        shape = (int(offsets[-1]), len(self.low))
        if not self.blocks:
            nothing = np.zeros(0)
            return Rows(csr_matrix(shape), nothing, nothing, np.zeros(0, dtype=np.int64), [])
        row = np.concatenate([block.row + offset for block, offset in zip(self.blocks, offsets, strict=False)])
        matrix = csr_matrix(
            (
                np.concatenate([block.coefficient for block in self.blocks]),
                (row, np.concatenate([block.variable for block in self.blocks])),
            ),
            shape=shape,
        )
        sort = np.repeat(np.arange(len(self.blocks)), np.diff(offsets))
        return Rows(
            matrix,
            np.concatenate([block.low for block in self.blocks]),
            np.concatenate([block.high for block in self.blocks]),
            sort,
            [block.name for block in self.blocks],
        )


@dataclass(frozen=True)
class Rows:
    """Identities as `low <= matrix @ x <= high`; sort: the number of each row's name in names."""

    matrix: csr_matrix
    low: Floats
    high: Floats
    sort: Integers
    names: list[str]

    def take(self, chosen: Bools | Integers) -> Rows:
        """Only some of the rows."""
        return Rows(self.matrix[chosen], self.low[chosen], self.high[chosen], self.sort[chosen], self.names)

    def name(self, row: int) -> str:
        return self.names[int(self.sort[row])]
