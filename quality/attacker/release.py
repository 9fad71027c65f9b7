"""One release by itself: what it says of each hidden count, and what that gives away."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ingest.registry import Registry
from quality.attacker.breach import Breach, kind_of_range
from quality.attacker.cells import Cells, Quantity, read_cells
from quality.attacker.feeds import feeds_told
from quality.attacker.identities import build_system
from quality.attacker.inferences import figures_left, infer
from quality.attacker.missing import results_missing
from quality.attacker.observed import Observed, observe
from quality.attacker.rolls import rolls_told
from quality.attacker.solver import ContradictionError, Ranges, solve
from quality.attacker.sound import SoundParts
from quality.attacker.system import System


@dataclass(frozen=True)
class Prepared:
    """One release as the solver takes it: its cells, what is seen of them, the system, and breaches seen on the way."""

    cells: Cells
    observed: Observed
    system: System
    breaches: list[Breach]


def attack_release(
    tables: Mapping[str, pd.DataFrame],
    prepared: Prepared,
    registry: Registry,
    tier: str,
    sound: SoundParts | None = None,
    cleared: Collection[str] = (),
) -> list[Breach]:
    """The breaches of one release by itself.

    Parameters: `prepared`, the tables as `prepare` gives them; `sound`, as `solve` takes it; `cleared`, academic years
    whose counts are known not to be given away, since they are not even by this release and another together.
    """
    # The two large systems share nothing, and the solver lets other threads run.
    with ThreadPoolExecutor() as pool:
        missing = pool.submit(results_missing, prepared.cells, tables, registry, tier, sound)
        breaches = [*prepared.breaches, *solved(prepared, tier, sound, cleared)]
        left = [
            *figures_left(tables, registry, tier),
            *rolls_told(tables, registry, tier),
            *feeds_told(tables, registry, tier),
            *missing.result(),
        ]
    given = {(breach.table, breach.row_key) for breach in breaches}
    return breaches + [breach for breach in left if (breach.table, breach.row_key) not in given]


def prepare(tables: Mapping[str, pd.DataFrame], registry: Registry, tier: str) -> Prepared | None:
    """Everything that a release says, before anything is solved; None where it has no figures."""
    cells = read_cells(tables, registry)
    if cells is None:
        return None
    observed = observe(cells, registry, tier)
    system, contradictions = build_system(cells, observed, tables, registry, tier)
    infer(system, cells, observed, tables, registry)
    forget_shown_zeros(system, cells, observed)
    return Prepared(cells, observed, system, [*observed.breaches, *contradictions])


def solved(
    prepared: Prepared, tier: str, sound: SoundParts | None = None, cleared: Collection[str] = ()
) -> list[Breach]:
    """The secrets that the system gives away. sound, cleared: as in `attack_release`."""
    observed = prepared.observed
    secret = observed.secret.copy()
    suspects = np.flatnonzero(secret)
    # Every key begins with the academic year.
    secret[[one for one in suspects.tolist() if observed.row[one][1].split("|", 1)[0] in cleared]] = False
    try:
        ranges = solve(prepared.system, secret, observed.rule, sound)
    except ContradictionError as error:
        return [Breach("contradiction", tier, "measure_value", "", "counts", None, None, 0, (str(error),))]
    suspects = np.flatnonzero(secret)
    given = observed.rule.of(suspects).given_away(ranges.low[suspects], ranges.high[suspects])
    return [breach_of(prepared, ranges, tier, int(variable)) for variable in suspects[given]]


def breach_of(prepared: Prepared, ranges: Ranges, tier: str, variable: int, offset: int = 0) -> Breach:
    """A variable's range as a breach; `offset`, where the release's variables begin among those that were solved."""
    observed = prepared.observed
    table, row_key = observed.row[variable]
    low, high = float(ranges.low[variable + offset]), float(ranges.high[variable + offset])
    limit = float(observed.rule.limit[variable])
    return Breach(
        kind_of_range(low, high, limit, bool(observed.rule.sessions[variable])),
        tier,
        table,
        row_key,
        prepared.cells.quantity_of(variable).text,
        low,
        high if np.isfinite(high) else None,
        int(limit),
        ranges.why[variable + offset],
    )


def forget_shown_zeros(system: System, cells: Cells, observed: Observed) -> None:
    """Takes from the secrets what is nought because shown rows that contain it, or each of its parts, are nought.

    The rule lets 0 % and 100 % show, and such a row says of everybody in it what it says of each part.
    """
    rows = system.rows()
    matrix = rows.matrix.tocsr()
    zero = (system.low == 0) & (system.high == 0) & ~observed.secret
    # total - parts = 0 and more - less >= 0 alike: where the positive terms are nought, so are the negative ones.
    homogeneous = (rows.low == 0) & ((rows.high == 0) | (rows.high == np.inf))
    matrix = matrix[np.flatnonzero(homogeneous)]
    positive, negative = matrix.maximum(0), -matrix.minimum(0)
    is_sum = (rows.high == 0)[np.flatnonzero(homogeneous)]
    whole, part = ((side != 0).astype(np.int64) for side in (positive, negative))
    n_whole, n_part = (np.asarray(side.sum(axis=1)).ravel() for side in (whole, part))
    while True:
        known = zero.astype(np.int64)
        no_whole = (np.asarray(whole @ known) == n_whole) & (n_whole > 0)
        no_part = (np.asarray(part @ known) == n_part) & (n_part > 0) & is_sum
        told = part.T @ no_whole.astype(np.int64) + whole.T @ no_part.astype(np.int64)
        reached = (np.asarray(told) > 0) & ~zero
        if not reached.any():
            break
        zero |= reached
    observed.secret[zero] = False
    system.low[zero], system.high[zero] = 0.0, 0.0
    # Where nobody has a trait, those without it are the enrolments, and are judged as such; and the other way round.
    for quantity, number in cells.number.items():
        if quantity.role in ("with", "without"):
            opposite = "without" if quantity.role == "with" else "with"
            others = cells.variable[:, cells.number[Quantity(opposite, quantity.family, quantity.measure)]]
            own = cells.variable[:, number]
            both = own >= 0
            observed.secret[others[both][zero[own[both]]]] = False
