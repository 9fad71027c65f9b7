"""What was decided before, found again by its problem: a closed year whose figures stand is not solved a second time.

A choice is a function of its problem, the limits and this code; the key is a hash of all three, so nothing that was
decided for other figures, another registry or an older method can be taken for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import scipy

from quality import programme
from quality.disclosure import audit, parts, secondary
from quality.disclosure.parts import parts_of, put_together
from quality.disclosure.secondary import Block, Choice, Limits, Problem, choose

Solved = MutableMapping[str, Choice]


class Remembered(dict[str, Choice]):
    """Choices of an earlier run; `used` are those that this run took over or added."""

    def __init__(self, earlier: dict[str, Choice]) -> None:
        super().__init__(earlier)
        self.used: dict[str, Choice] = {}
        self._earlier = frozenset(earlier)

    def __getitem__(self, key: str) -> Choice:
        self.used[key] = super().__getitem__(key)
        return self.used[key]

    @property
    def counts(self) -> tuple[int, int]:
        """How many problems stood, and how many were solved now."""
        stood = len(self._earlier & self.used.keys())
        return stood, len(self.used) - stood


def choose_once(problem: Problem, limits: Limits, greedy: bool, solved: Solved) -> Choice:
    """The choice of a problem, each part of which is taken from `solved` where it stands there and added where not."""

    # A part of a large problem is searched like the whole, not like a small one: whole it takes five times as long.
    size = len(problem.cost)
    few, choices = (limit if size <= limit else 0 for limit in (limits.few, limits.choices))
    of_parts = replace(limits, few=few, choices=choices)

    def choose_part(part: Problem) -> Choice:
        key = problem_key(part, of_parts, greedy)
        if key not in solved:
            solved[key] = choose(part, of_parts, greedy)
        return solved[key]

    found = parts_of(problem)
    # Parts share no decision, and the solver lets other threads run.
    with ThreadPoolExecutor() as pool:
        chosen = pool.map(choose_part, [part for _, part in found])
        return put_together(problem, [(own, choice) for (own, _), choice in zip(found, chosen, strict=True)])


def problem_key(problem: Problem, limits: Limits, greedy: bool) -> str:
    """The hash of everything that a choice depends on."""
    digest = hashlib.sha256()
    ways = [(view.last, view.lowered) for view in problem.views]
    solvers = {"scipy": scipy.__version__, "highs": programme.VERSION}
    settings = {"limits": asdict(limits), "greedy": greedy, "views": ways, **solvers}
    digest.update(json.dumps([problem.name, settings], sort_keys=True).encode())
    for module in (parts, secondary, audit, programme):
        digest.update(Path(str(module.__file__)).read_bytes())
    arrays = [problem.cost, problem.forced, problem.totals, problem.line, problem.in_line]
    for view in problem.views:
        system = view.system
        arrays += [view.decision, system.down, system.up, system.need_down, system.need_up, system.need_width]
        arrays.append(system.need_wide)
        for matrix in (system.sums, system.orders):
            arrays += [np.array(matrix.shape), matrix.indptr, matrix.indices, matrix.data]
        arrays.append(system.slack)
    for array in arrays:
        digest.update(str((array.dtype, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def read_solved(connection: duckdb.DuckDBPyConnection) -> dict[str, Choice]:
    """The choices that stand in `disclosure.solved`; none where there is no such table."""
    found = connection.execute(
        "select 1 from information_schema.tables where table_schema = 'disclosure' and table_name = 'solved' "
        "and table_catalog = current_database()"
    ).fetchone()
    if found is None:
        return {}
    rows = connection.execute("select problem_key, decisions, choice from disclosure.solved").fetchall()
    return {key: _choice(int(decisions), json.loads(text)) for key, decisions, text in rows}


def write_solved(connection: duckdb.DuckDBPyConnection, solved: dict[str, Choice]) -> None:
    """Replaces `disclosure.solved`: what this run decided or took over, so that nothing piles up."""
    connection.execute(
        "create or replace table disclosure.solved (problem_key varchar, decisions bigint, choice varchar)"
    )
    for key in sorted(solved):
        row = [key, len(solved[key].hidden), json.dumps(_as_json(solved[key]))]
        connection.execute("insert into disclosure.solved values (?, ?, ?)", row)


def _as_json(choice: Choice) -> dict[str, object]:
    blocks = [
        {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in vars(block).items()}
        for block in choice.blocks
    ]
    return {"hidden": np.flatnonzero(choice.hidden).tolist(), "blocks": blocks}


def _choice(decisions: int, content: dict[str, Any]) -> Choice:
    hidden = np.zeros(decisions, dtype=bool)
    hidden[np.array(content["hidden"], dtype=np.int64)] = True
    blocks = []
    for block in content["blocks"]:
        fields: dict[str, Any] = {
            name: np.array(value, dtype=np.int64) if isinstance(value, list) else value for name, value in block.items()
        }
        blocks.append(Block(**fields))
    return Choice(hidden, blocks)
