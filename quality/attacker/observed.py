"""What a reader sees of each count at once: figures that stand in a row, and rows that say that they are hidden."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.registry import Registry
from quality.attacker.breach import Breach, Rule
from quality.attacker.cells import Cells, Quantity, family_of

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

# So many different shown counts that all end in 0 or 5 are not chance (a fifth each: one in 400,000): they are rounded.
# Equal ones say it once: an authority of one school, and a year of one term, repeat theirs.
_ROUNDED_BY_CHANCE = 8


@dataclass(frozen=True)
class Observed:
    """low, high: the range of each variable as shown in rows of its own (0 to infinity where it is not).

    secret: the variables that are hidden. row: by variable, the table and key of the row that hides it. rule: what the
    rule leaves of each.
    breaches: figures shown that the rule hides, and rows that contradict each other.
    """

    low: Floats
    high: Floats
    secret: NDArray[np.bool_]
    rule: Rule
    row: dict[int, tuple[str, str]]
    breaches: list[Breach]


def observe(cells: Cells, registry: Registry, tier: str) -> Observed:
    """Reads the rows of measure_value and progress_school into ranges of counts.

    Raises `ValueError` for a tier that the registry lacks.
    """
    data = registry.data["disclosure"]
    if tier not in data["minimum_pupils"]:
        raise ValueError(f"The registry has no tier '{tier}'; it knows {', '.join(data['minimum_pupils'])}.")
    least = int(data["minimum_numerator"])
    low, high = np.zeros(cells.n_variables), np.full(cells.n_variables, np.inf)
    limit = np.full(cells.n_variables, float(data["minimum_pupils"][tier]))
    hides: list[tuple[Integers, Integers]] = []
    breaches: list[Breach] = []
    own = cells.values["table"].map(lambda name: "/" not in name or name.startswith(f"{tier}/")).to_numpy(bool)
    for measure in registry.measures:
        rows = np.flatnonzero(cells.values["measure_id"].eq(measure["measure_id"]).to_numpy(bool))
        if not len(rows):
            continue
        of = cells.values.iloc[rows]
        cell = of["cell"].to_numpy(np.int64)
        family = family_of(measure)
        minimum = int(measure["minimum_n"][tier])
        counts = [(Quantity("pupils", family), of["n"].to_numpy(np.float64), minimum)]
        enrolments = Quantity("enrolments", family)
        if measure["kind"] == "ratio":
            counts += [
                (Quantity("sum", family, column=str(measure[end])), of[end].to_numpy(np.float64), minimum)
                for end in ("numerator", "denominator")
            ]
        else:
            counts.append((enrolments, of["denominator"].to_numpy(np.float64), minimum))
        if measure["kind"] == "proportion":
            with_, all_ = of["numerator"].to_numpy(np.float64), of["denominator"].to_numpy(np.float64)
            counts += [
                (Quantity("with", family, str(measure["measure_id"])), with_, least),
                (Quantity("without", family, str(measure["measure_id"])), all_ - with_, least),
            ]
        hidden = of["hidden"].to_numpy(bool) & own[rows]
        for quantity, amount, threshold in counts:
            variable = cells.variables_of(cell, quantity)
            shown = np.isfinite(amount) & (variable >= 0)
            slack = _rounded_by(amount[shown]) * (2 if quantity.role == "without" else 1)
            np.maximum.at(low, variable[shown], np.maximum(amount[shown] - slack, 0))
            np.minimum.at(high, variable[shown], amount[shown] + slack)
            limit[variable] = threshold
            # A count that may have been rounded up from under the minimum is as good as hidden, no more.
            veiled = own[rows] & shown & (slack > 0) & (amount - slack < threshold) & (amount + slack > 0)
            covered = (hidden | veiled) & (variable >= 0)
            hides.append((variable[covered], rows[covered]))
            if quantity.role == "sum":
                continue
            naked = shown & own[rows] & ~veiled & (amount >= 1) & (amount < threshold)
            for row in np.flatnonzero(naked):
                breaches.append(
                    Breach(
                        "shown",
                        tier,
                        str(of["table"].iloc[row]),
                        str(of["row_key"].iloc[row]),
                        quantity.text,
                        float(amount[row]),
                        float(amount[row]),
                        threshold,
                        ("the row shows it",),
                    )
                )
    secret = np.zeros(cells.n_variables, dtype=bool)
    row_of: dict[int, tuple[str, str]] = {}
    tables, keys = cells.values["table"].to_numpy(), cells.values["row_key"].to_numpy()
    for variables, rows in reversed(hides):
        secret[variables] = True
        row_of.update(
            (int(variable), (str(tables[row]), str(keys[row]))) for variable, row in zip(variables, rows, strict=True)
        )
    for crossed in np.flatnonzero(low > high).tolist():
        breaches.append(
            _contradiction(cells, tier, crossed, float(low[crossed]), float(high[crossed]), int(limit[crossed]))
        )
    both = low > high
    low[both], high[both] = 0.0, np.inf
    secret &= low < high
    # A row stands only where there is at least one pupil; what is hidden is not nought.
    positive = [number for quantity, number in cells.number.items() if quantity.role in ("pupils", "enrolments")]
    hidden_counts = np.unique(cells.variable[:, positive])
    hidden_counts = hidden_counts[hidden_counts >= 0]
    hidden_counts = hidden_counts[secret[hidden_counts]]
    low[hidden_counts] = np.maximum(low[hidden_counts], 1)
    _forgive_numbers_of_movers(cells, secret, low == high)
    _forgive_sessions_of_shown_numbers(cells, registry, secret, limit, low == high)
    sessions = np.zeros(cells.n_variables, dtype=bool)
    for quantity, number in cells.number.items():
        if quantity.role == "sum":
            column = cells.variable[:, number]
            sessions[column[column >= 0]] = True
    return Observed(low, high, secret, Rule(limit, sessions), row_of, breaches)


def _forgive_numbers_of_movers(cells: Cells, secret: NDArray[np.bool_], known: NDArray[np.bool_]) -> None:
    """A row hidden for its numerator hides its enrolments too: no secret where other rows show the cell's pupils."""
    for quantity, number in cells.number.items():
        if quantity.role == "pupils":
            enrolments = cells.variable[:, cells.number[Quantity("enrolments", quantity.family)]]
            pupils = cells.variable[:, number]
            both = (enrolments >= 0) & (pupils >= 0)
            secret[enrolments[both][known[pupils[both]]]] = False


def _forgive_sessions_of_shown_numbers(
    cells: Cells, registry: Registry, secret: NDArray[np.bool_], limit: Floats, known: NDArray[np.bool_]
) -> None:
    """Where other rows show a cell's pupils, its possible sessions are the calendar's, and the others must only not be
    exact: they are hidden for the pupils whom they bound, and those are judged as pupils.
    """
    of_calendar = {str(measure["denominator"]) for measure in registry.measures if measure["kind"] == "ratio"}
    for quantity, number in cells.number.items():
        if quantity.role != "sum":
            continue
        sessions = cells.variable[:, number]
        enrolments = cells.variable[:, cells.number[Quantity("enrolments", quantity.family)]]
        both = (sessions >= 0) & (enrolments >= 0)
        shown = sessions[both][known[enrolments[both]]]
        limit[shown] = 1.0
        if quantity.column in of_calendar:
            secret[shown] = False


def _rounded_by(amount: Floats) -> float:
    """The most by which counts were rounded, as their last digits tell."""
    counts = np.unique(amount[(amount != 0) & np.isfinite(amount)])
    if len(counts) < _ROUNDED_BY_CHANCE:
        return 0.0
    for base in (10, 5):
        if np.all(np.mod(counts, base) == 0):
            return float(base // 2)
    return 0.0


def _contradiction(cells: Cells, tier: str, variable: int, low: float, high: float, limit: int) -> Breach:
    cell = int(np.nonzero(cells.variable == variable)[0][0])
    row = cells.values[cells.values["cell"].eq(cell)].iloc[0]
    return Breach(
        "contradiction",
        tier,
        str(row["table"]),
        str(row["row_key"]),
        cells.quantity_of(variable).text,
        float(high),
        float(low),
        limit,
        (f"rows that count the same show different {cells.label(variable)}",),
    )
