"""Counts that one row or one pair of rows gives away by itself: gaps, shares, intervals, shrinkage, coverage."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ingest.registry import Registry
from quality.attacker.breach import Breach
from quality.attacker.cells import (
    CELL,
    TABLE_KEYS,
    YEAR_TO_DATE,
    Cells,
    Quantity,
    family_of,
    is_hidden,
    kind_of_table,
    numbers,
    row_keys,
    tables_of,
)
from quality.attacker.inversion import (
    n_of_reliability,
    n_of_standard_error,
    newcombe_n,
    rounding_unit,
    shares,
)
from quality.attacker.observed import Observed
from quality.attacker.system import System

# Every figure that a row of a table may carry; a hidden row carries none of them.
FIGURES = {
    "measure_value": ["n", "numerator", "denominator", "value", "ci_low", "ci_high", "interval_method", "coverage"],
    "gap": [
        "n_group",
        "n_comparator",
        "value_group",
        "value_comparator",
        "gap",
        "ci_low",
        "ci_high",
        "interval_method",
        "effect_size",
        "within_school",
        "between_school",
        "undecomposed",
        "placebo_share",
        "coverage",
    ],
    "progress_school": [
        "n",
        "coverage",
        "raw_mean",
        "shrunken",
        "reliability",
        "raw_ci_low",
        "raw_ci_high",
        "shrunken_se",
        "shrunken_ci_low",
        "shrunken_ci_high",
        "probability_above",
        "dfe_band",
    ],
    "progress_model": ["n_pupils", "n_schools", "coefficients", "var_school", "var_pupil", "icc", "deviance"],
    "coverage": ["expected", "received", "share"],
}


def infer(
    system: System, cells: Cells, observed: Observed, tables: Mapping[str, pd.DataFrame], registry: Registry
) -> None:
    """Narrows the variables of the system by every such figure."""
    _from_progress(system, cells, tables, registry)
    values = _from_gaps(system, cells, tables, registry)
    _from_shares(system, cells, registry, values)
    _from_coverage(system, cells, registry)


def figures_left(tables: Mapping[str, pd.DataFrame], registry: Registry, tier: str) -> list[Breach]:
    """Figures that stand in rows which say that they are hidden, and lengths of lists of schools that are hidden."""
    limit = int(registry.data["disclosure"]["minimum_pupils"][tier])
    found = []
    for name, frame in tables.items():
        kind = kind_of_table(name)
        if kind not in FIGURES or not len(frame) or ("/" in name and not name.startswith(f"{tier}/")):
            continue
        hidden = is_hidden(frame)
        if not hidden.any():
            continue
        rows = frame[hidden]
        left = {figure: rows[figure].notna().to_numpy(bool) for figure in FIGURES[kind] if figure in rows}
        keys = row_keys(rows, TABLE_KEYS[kind]).to_numpy()
        for position in np.flatnonzero(np.logical_or.reduce(list(left.values()))):
            figures = ", ".join(figure for figure, stands in left.items() if stands[position])
            found.append(
                Breach(
                    "shown",
                    tier,
                    name,
                    str(keys[position]),
                    figures,
                    None,
                    None,
                    limit,
                    (f"the row is hidden and still shows {figures}, which follow from what is hidden",),
                )
            )
    return found + _lists_of_hidden_schools(tables, tier, limit)


def _lists_of_hidden_schools(tables: Mapping[str, pd.DataFrame], tier: str, limit: int) -> list[Breach]:
    """A list of pupils has a row per pupil: its length tells the size of a school whose size is hidden."""
    laestab = {
        str(school["urn"]): str(school["laestab"])
        for _, frame in tables_of(tables, "dim_school")
        for school in frame.to_dict("records")
        if "laestab" in school
    }
    frames = []
    for _, values in tables_of(tables, "measure_value"):
        rows = values[values["level"].eq("school") & values["group_dimension"].eq("all")]
        frames.append(rows.assign(shown=np.isfinite(numbers(rows, "n"))))
    hidden: dict[str, set[str]] = {}
    if frames:
        # Who reads leaders' tables reads the public's too: what either shows is no secret.
        shown = pd.concat(frames).groupby(["academic_year", "period", "unit_code"])["shown"].any()
        for year, _, unit in shown[~shown].index:
            hidden.setdefault(laestab.get(str(unit), str(unit)), set()).add(str(year))
    found = []
    for name, deliveries in tables_of(tables, "delivery"):
        lists = deliveries[deliveries["feed"].eq("pupils")]
        for row in lists[np.isfinite(numbers(lists, "rows_accepted"))].to_dict("records"):
            if hidden.get(str(row["laestab"])) and int(row["rows_accepted"]) > 0:
                found.append(
                    Breach(
                        "shown",
                        tier,
                        name,
                        str(row["delivery_id"]),
                        "rows_accepted",
                        float(row["rows_accepted"]),
                        float(row["rows_accepted"]),
                        limit,
                        ("a list of pupils has a row per pupil of a school whose number of pupils is hidden",),
                    )
                )
    return found


def _of_variable(system: System, variable: int) -> tuple[int, int]:
    high = system.high[variable]
    return int(system.low[variable]), int(min(high, 2**31))


def _from_progress(system: System, cells: Cells, tables: Mapping[str, pd.DataFrame], registry: Registry) -> None:
    multiplier = float(registry.data["statistics"]["normal_multiplier"])
    variances = _variances(tables)
    for name, frame in tables_of(tables, "progress_school"):
        figures = {column: numbers(frame, column) for column in FIGURES["progress_school"] if column != "dfe_band"}
        told = np.isnan(figures["n"]) & np.logical_or.reduce(
            [np.isfinite(figures[column]) for column in figures if column != "n"]
        )
        if not told.any():
            continue
        for key, of_school in _variances_of_schools(frame, figures, multiplier).items():
            variances.setdefault(key, of_school)
        unit = {column: rounding_unit(column_values) for column, column_values in figures.items()}
        keys = frame.assign(
            period=YEAR_TO_DATE,
            level="school",
            unit_code=frame["urn"].fillna(frame["school_key"]),
            group_definition="all",
            group_dimension="all",
            group_value="all",
        )
        cell = cells.find(keys)
        for position in np.flatnonzero(told):
            year, measure = str(frame["academic_year"].iloc[position]), str(frame["measure_id"].iloc[position])
            variable = int(cells.variables_of(cell[position : position + 1], Quantity("enrolments", measure))[0])
            if variable < 0 or (year, measure) not in variances:
                continue
            var_school, var_pupil = variances[year, measure]
            row = {column: float(column_values[position]) for column, column_values in figures.items()}
            width = (row["raw_ci_high"] - row["raw_ci_low"]) / 2
            slack = unit["raw_ci_low"] + 1e-9
            if np.isfinite(width):
                _told(system, variable, n_of_standard_error(width, multiplier, var_pupil, slack), f"{name}: raw_ci")
            reliability, slack = row["reliability"], unit["reliability"]
            if np.isnan(reliability) and abs(row["raw_mean"]) > 0:
                reliability = row["shrunken"] / row["raw_mean"]
                slack = 2 * (unit["shrunken"] + unit["raw_mean"]) / abs(row["raw_mean"])
            if np.isnan(reliability) and np.isfinite(row["shrunken_se"]) and var_school > 0:
                reliability = 1 - row["shrunken_se"] ** 2 / var_school
                slack = 3 * unit["shrunken_se"] * row["shrunken_se"] / var_school + 1e-9
            if np.isfinite(reliability):
                n = n_of_reliability(reliability, var_school, var_pupil, slack + 1e-9)
                _told(system, variable, n, f"{name}: reliability = n / (n + var_pupil / var_school)")


def _variances(tables: Mapping[str, pd.DataFrame]) -> dict[tuple[str, str], tuple[float, float]]:
    """The variances of schools and of pupils by year and measure, as a model's row shows them."""
    variances: dict[tuple[str, str], tuple[float, float]] = {}
    for _, models in tables_of(tables, "progress_model"):
        for model, school, pupil in zip(
            models.to_dict("records"), numbers(models, "var_school"), numbers(models, "var_pupil"), strict=True
        ):
            if np.isfinite(school) and np.isfinite(pupil):
                variances[str(model["academic_year"]), str(model["measure_id"])] = (float(school), float(pupil))
    return variances


def _variances_of_schools(
    frame: pd.DataFrame, figures: Mapping[str, NDArray[np.float64]], multiplier: float
) -> dict[tuple[str, str], tuple[float, float]]:
    """The same where the model's row is hidden: any school that shows its n, interval and reliability gives them."""
    n, reliability = figures["n"], figures["reliability"]
    with np.errstate(invalid="ignore", divide="ignore"):
        pupil = n * ((figures["raw_ci_high"] - figures["raw_ci_low"]) / 2 / multiplier) ** 2
        school = pupil * reliability / (1 - reliability) / n
    found: dict[tuple[str, str], tuple[float, float]] = {}
    # The smallest school first: its interval is the widest, and rounding moved it least.
    for position in np.argsort(n, kind="stable"):
        if np.isfinite(pupil[position]) and np.isfinite(school[position]) and school[position] > 0:
            key = str(frame["academic_year"].iloc[position]), str(frame["measure_id"].iloc[position])
            found.setdefault(key, (float(school[position]), float(pupil[position])))
    return found


def _told(system: System, variable: int, found: tuple[int, int] | None, why: str) -> None:
    if found is not None and found[0] <= system.high[variable] and found[1] >= system.low[variable]:
        system.know(variable, found[0], found[1], why)


def _from_gaps(
    system: System, cells: Cells, tables: Mapping[str, pd.DataFrame], registry: Registry
) -> dict[tuple[int, str], tuple[float, float]]:
    """Counts of a gap's sides; returns the value (and its rounding) that a gap tells of a cell and measure."""
    families = {str(measure["measure_id"]): family_of(measure) for measure in registry.measures}
    proportions = {str(m["measure_id"]) for m in registry.measures if m["kind"] == "proportion"}
    unknown = _unknown_cells(system, cells, registry)
    shown = _values_of(cells, tables, unknown)
    for name, gaps in tables_of(tables, "gap"):
        figures = {column: numbers(gaps, column) for column in FIGURES["gap"] if column != "interval_method"}
        any_figure = np.logical_or.reduce([np.isfinite(values) for values in figures.values()])
        any_figure &= _touches(cells, gaps, unknown)
        if not any_figure.any():
            continue
        unit = rounding_unit(np.concatenate([figures["gap"], figures["value_group"], figures["value_comparator"]]))
        side = {
            "group": cells.find(gaps[CELL]),
            "comparator": cells.find(gaps.assign(group_value=gaps["comparator"])[CELL]),
        }
        measures = gaps["measure_id"].astype(str).to_numpy()
        for position in np.flatnonzero(any_figure):
            measure = measures[position]
            row = {column: float(values[position]) for column, values in figures.items()}
            own = {end: int(cell[position]) for end, cell in side.items()}
            for end, cell in own.items():
                pupils = int(cells.variables_of(np.array([cell]), Quantity("pupils", families[measure]))[0])
                if pupils >= 0 and np.isfinite(row[f"n_{end}"]) and system.low[pupils] != system.high[pupils]:
                    system.know(pupils, row[f"n_{end}"], row[f"n_{end}"], f"{name}: n_{end}")
            _values_of_gap(row, own, measure, shown, unit, measure in proportions)
            if measure in proportions:
                _newcombe(
                    system, cells, name, row, own, Quantity("enrolments", families[measure]), shown, measure, unit
                )
    return shown


def _unknown_cells(system: System, cells: Cells, registry: Registry) -> dict[str, NDArray[np.bool_]]:
    """Per measure, the cells of which it has a count that is not known."""
    unknown: dict[str, NDArray[np.bool_]] = {}
    open_ = np.append(system.low != system.high, False)
    every = np.arange(len(cells.frame))
    for measure in registry.measures:
        family, name = family_of(measure), str(measure["measure_id"])
        sorts = [Quantity("pupils", family), Quantity("enrolments", family), Quantity("with", family, name)]
        if measure["kind"] == "ratio":
            sorts += [Quantity("sum", family, column=str(measure[end])) for end in ("numerator", "denominator")]
        unknown[name] = np.logical_or.reduce([open_[cells.variables_of(every, quantity)] for quantity in sorts])
    return unknown


def _touches(cells: Cells, gaps: pd.DataFrame, unknown: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """Which gaps have a side of which something is not known."""
    touched = np.zeros(len(gaps), dtype=bool)
    measures = gaps["measure_id"].astype(str).to_numpy()
    for keys in (gaps[CELL], gaps.assign(group_value=gaps["comparator"])[CELL]):
        cell = cells.find(keys)
        for name, of_measure in unknown.items():
            rows = np.flatnonzero((measures == name) & (cell >= 0))
            touched[rows] |= of_measure[cell[rows]]
    return touched


def _values_of(
    cells: Cells, tables: Mapping[str, pd.DataFrame], unknown: Mapping[str, NDArray[np.bool_]]
) -> dict[tuple[int, str], tuple[float, float]]:
    """Published values, with what rounding may have moved them by: of cells not all known, and of those compared."""
    rows = cells.values[np.isfinite(cells.values["value"].to_numpy(np.float64))]
    if rows.empty:
        return {}
    unit = rounding_unit(rows["value"].to_numpy(np.float64))
    wanted: dict[str, NDArray[np.bool_]] = {name: of_measure.copy() for name, of_measure in unknown.items()}
    for _, gaps in tables_of(tables, "gap"):
        compared = gaps[_touches(cells, gaps, unknown)]
        for keys in (compared[CELL], compared.assign(group_value=compared["comparator"])[CELL]):
            cell = cells.find(keys)
            for name, own in (
                compared["measure_id"].astype(str).groupby(compared["measure_id"].astype(str)).indices.items()
            ):
                wanted[str(name)][cell[own][cell[own] >= 0]] = True
    found: dict[tuple[int, str], tuple[float, float]] = {}
    for name, own in rows.groupby("measure_id").indices.items():
        of = rows.iloc[own]
        of = of[wanted[str(name)][of["cell"].to_numpy(np.int64)]]
        found.update(
            ((int(cell), str(name)), (float(value), unit)) for cell, value in zip(of["cell"], of["value"], strict=True)
        )
    return found


def _values_of_gap(
    row: dict[str, float],
    own: dict[str, int],
    measure: str,
    shown: dict[tuple[int, str], tuple[float, float]],
    unit: float,
    proportion: bool,
) -> None:
    """Adds to `shown` the values that a gap's row tells: its sides, or one side from the other and the difference."""
    for end, cell in own.items():
        if np.isfinite(row[f"value_{end}"]) and cell >= 0:
            shown.setdefault((cell, measure), (row[f"value_{end}"], unit))
    gap = row["gap"]
    if np.isnan(gap):
        gap = row["within_school"] + row["between_school"] + row["undecomposed"]
    group, comparator = shown.get((own["group"], measure)), shown.get((own["comparator"], measure))
    if group is None and comparator is not None and own["group"] >= 0:
        if np.isfinite(gap):
            shown[own["group"], measure] = (comparator[0] - gap, 3 * unit)
        elif proportion and np.isfinite(row["effect_size"]):
            angle = np.arcsin(np.sqrt(min(max(comparator[0] / 100, 0), 1))) - row["effect_size"] / 2
            shown[own["group"], measure] = (100 * float(np.sin(angle)) ** 2, 1e-5)
    elif comparator is None and group is not None and own["comparator"] >= 0:
        if np.isfinite(gap):
            shown[own["comparator"], measure] = (group[0] + gap, 3 * unit)
        elif proportion and np.isfinite(row["effect_size"]):
            angle = np.arcsin(np.sqrt(min(max(group[0] / 100, 0), 1))) + row["effect_size"] / 2
            shown[own["comparator"], measure] = (100 * float(np.sin(angle)) ** 2, 1e-5)


def _newcombe(
    system: System,
    cells: Cells,
    name: str,
    row: dict[str, float],
    own: dict[str, int],
    quantity: Quantity,
    shown: dict[tuple[int, str], tuple[float, float]],
    measure: str,
    unit: float,
) -> None:
    """One side's n from the gap's interval, where both values and the other side's n are known."""
    if not (np.isfinite(row["ci_low"]) or np.isfinite(row["ci_high"])) or min(own.values()) < 0:
        return
    variable = {end: int(cells.variables_of(np.array([cell]), quantity)[0]) for end, cell in own.items()}
    values = {end: shown.get((cell, measure)) for end, cell in own.items()}
    if any(value is None for value in values.values()) or min(variable.values()) < 0:
        return
    known = {end: system.low[number] == system.high[number] for end, number in variable.items()}
    if sum(known.values()) != 1:
        return
    hidden = "group" if known["comparator"] else "comparator"
    other = "comparator" if hidden == "group" else "group"
    share = {end: value[0] / 100 for end, value in values.items() if value is not None}
    gap = share["comparator"] - share["group"]
    for bound, upper in (("ci_low", False), ("ci_high", True)):
        if np.isfinite(row[bound]):
            found = newcombe_n(
                abs(row[bound] / 100 - gap),
                share[hidden],
                share[other],
                int(system.low[variable[other]]),
                upper,
                hidden == "group",
                unit / 25,
            )
            _told(system, variable[hidden], found, f"{name}: Newcombe's interval, {bound}")


def _from_shares(
    system: System, cells: Cells, registry: Registry, shown: dict[tuple[int, str], tuple[float, float]]
) -> None:
    """Numerator and n from a share and its interval."""
    rows = cells.values
    measures = {str(m["measure_id"]): m for m in registry.measures}
    for measure_id, measure in measures.items():
        if measure["kind"] == "mean":
            continue
        family = family_of(measure)
        of = rows[rows["measure_id"].eq(measure_id)]
        if of.empty:
            continue
        cell = np.unique(of["cell"].to_numpy(np.int64))
        if measure["kind"] == "proportion":
            top, all_ = Quantity("with", family, measure_id), Quantity("enrolments", family)
        else:
            top = Quantity("sum", family, column=str(measure["numerator"]))
            all_ = Quantity("sum", family, column=str(measure["denominator"]))
        tops, alls = cells.variables_of(cell, top), cells.variables_of(cell, all_)
        unknown = (system.low[tops] != system.high[tops]) | (system.low[alls] != system.high[alls])
        if not unknown.any():
            continue
        ends = of[of["cell"].isin(cell[unknown]) & np.isfinite(of["ci_low"]) & np.isfinite(of["ci_high"])]
        intervals = {
            int(one): (float(low), float(high))
            for one, low, high in zip(ends["cell"], ends["ci_low"], ends["ci_high"], strict=True)
        }
        for one, numerator, denominator in zip(cell[unknown], tops[unknown], alls[unknown], strict=True):
            value = shown.get((int(one), measure_id))
            if value is None and int(one) not in intervals:
                continue
            if measure["kind"] == "proportion":
                _from_share(system, int(numerator), int(denominator), value, intervals.get(int(one)), cells)
            elif value is not None:
                _from_rate(system, int(numerator), int(denominator), value)


def _from_share(
    system: System,
    numerator: int,
    denominator: int,
    value: tuple[float, float] | None,
    interval: tuple[float, float] | None,
    cells: Cells,
) -> None:
    percent, unit = value if value is not None else (None, 5e-7)
    parts, sizes = shares(
        percent,
        interval,
        _of_variable(system, denominator),
        max(unit, 5e-7),
        (float(system.low[numerator]), float(system.high[numerator])),
    )
    if len(sizes):
        figures = " and its Wilson interval" if interval is not None else ""
        why = f"the share{figures} fit only these counts"
        system.know(denominator, float(sizes.min()), float(sizes.max()), why)
        system.know(numerator, float(parts.min()), float(parts.max()), why)


def _from_rate(system: System, numerator: int, denominator: int, value: tuple[float, float]) -> None:
    """value = 100 * numerator / denominator, where one of the two is known."""
    percent, unit = value
    why = "value = 100 * numerator / denominator"
    if system.low[denominator] == system.high[denominator]:
        sessions = system.low[denominator]
        ends = [np.ceil((percent - unit) * sessions / 100 - 1e-6), np.floor((percent + unit) * sessions / 100 + 1e-6)]
        variable = numerator
    elif system.low[numerator] == system.high[numerator] and percent > unit:
        sessions = system.low[numerator]
        ends = [np.ceil(100 * sessions / (percent + unit) - 1e-6), np.floor(100 * sessions / (percent - unit) + 1e-6)]
        variable = denominator
    else:
        return
    if ends[0] <= ends[1]:
        _told(system, variable, (int(ends[0]), int(ends[1])), why)


def _from_coverage(system: System, cells: Cells, registry: Registry) -> None:
    """Coverage is received out of expected: with few pupils its fraction in lowest terms gives multiples of n."""
    rows = cells.values
    for measure in registry.measures:
        if measure["kind"] != "mean":
            continue
        quantity = Quantity("enrolments", family_of(measure))
        of = rows[rows["measure_id"].eq(measure["measure_id"]) & np.isfinite(rows["coverage"]) & rows["n"].isna()]
        if of.empty:
            continue
        variables = cells.variables_of(of["cell"].to_numpy(np.int64), quantity)
        for variable, percent in zip(variables, of["coverage"], strict=True):
            expected = np.arange(1, 2_000)
            received = np.round(expected * percent / 100)
            fits = np.flatnonzero(np.abs(100 * received / expected - percent) < 1e-6)
            if len(fits):
                step = float(received[fits[0]])
                system.know(
                    int(variable), step, np.inf, "coverage = received out of expected, a fraction in lowest terms"
                )
