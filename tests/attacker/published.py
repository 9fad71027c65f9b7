"""Marts as a tier's folder would publish them under a choice of hidden rows: figures computed, hidden ones blank."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ingest.registry import read_registry
from quality.attacker import Breach, attack
from quality.attacker.cells import TABLE_KEYS
from quality.attacker.cells import row_keys as joined_keys
from quality.attacker.inversion import wilson
from quality.disclosure import Marts, decide, decide_pattern

REGISTRY = read_registry(Path(__file__).parents[2] / "dbt_project" / "registry")
KINDS = {str(measure["measure_id"]): str(measure["kind"]) for measure in REGISTRY.measures}
FIGURES = {
    "measure_value": ["n", "numerator", "denominator", "value", "ci_low", "ci_high"],
    "gap": ["n_group", "n_comparator", "value_group", "value_comparator", "gap", "ci_low", "ci_high"],
    "progress_school": ["n", "raw_mean", "shrunken", "reliability", "raw_ci_low", "raw_ci_high"],
    "progress_model": ["n_pupils", "var_school", "var_pupil"],
}
VAR_SCHOOL, VAR_PUPIL = 0.025, 0.225
Tables = dict[str, pd.DataFrame]
Hidden = Mapping[str, set[str]]


def row_keys(frame: pd.DataFrame, table: str) -> pd.Series:
    return joined_keys(frame, TABLE_KEYS[table])


def figures_of(marts: Marts) -> Tables:
    """Every figure of the marts, nothing hidden: nine significant digits, as the marts round them."""
    values = marts.measure_value.reset_index(drop=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        n, top, all_ = (values[column].to_numpy(np.float64) for column in ("n", "numerator", "denominator"))
        share = top / all_
        low, high = wilson(share, all_)
    kind = values["measure_id"].map(KINDS)
    scale = np.where(kind.eq("mean"), 1.0, 100.0)
    is_share = kind.eq("proportion").to_numpy(bool)
    values = values.assign(
        n=n,
        value=(scale * share).round(7),
        ci_low=np.where(is_share, 100 * low, np.nan).round(7),
        ci_high=np.where(is_share, 100 * high, np.nan).round(7),
        status="ok",
    )
    keyed = values.set_index(row_keys(values, "measure_value"))
    gap = marts.gap.reset_index(drop=True)
    sides = {
        end: keyed.reindex(row_keys(gap.assign(group_value=gap[column]), "measure_value"))
        for end, column in (("group", "group_value"), ("comparator", "comparator"))
    }
    value = {end: side["value"].to_numpy(np.float64) for end, side in sides.items()}
    above = sides["group"]["ci_high"].to_numpy(np.float64) - value["group"]
    below = value["group"] - sides["group"]["ci_low"].to_numpy(np.float64)
    other_above = sides["comparator"]["ci_high"].to_numpy(np.float64) - value["comparator"]
    other_below = value["comparator"] - sides["comparator"]["ci_low"].to_numpy(np.float64)
    difference = value["comparator"] - value["group"]
    gap = gap.assign(
        value_group=value["group"],
        value_comparator=value["comparator"],
        gap=difference,
        ci_low=difference - np.sqrt(other_below**2 + above**2),
        ci_high=difference + np.sqrt(other_above**2 + below**2),
        status="ok",
    )
    n = marts.progress_school["n"].to_numpy(np.float64)
    mean = np.linspace(-0.3, 0.4, len(n)) if len(n) else n
    reliability = n / (n + VAR_PUPIL / VAR_SCHOOL)
    half = 1.96 * np.sqrt(VAR_PUPIL / np.where(n > 0, n, np.nan))
    progress = marts.progress_school.assign(
        raw_mean=mean.round(9),
        shrunken=(mean * reliability).round(9),
        reliability=reliability.round(9),
        raw_ci_low=(mean - half).round(9),
        raw_ci_high=(mean + half).round(9),
        status="ok",
    )
    model = marts.progress_model.assign(var_school=VAR_SCHOOL, var_pupil=VAR_PUPIL, status="ok")
    schools = marts.schools.assign(laestab=marts.schools["urn"])
    schools = schools.rename(columns={"trust": "trust_code", "la": "la_code"})
    return {
        "measure_value": values,
        "gap": gap,
        "progress_school": progress,
        "progress_model": model,
        "dim_school": schools,
    }


def published(marts: Marts, hidden: Hidden, keep: Mapping[str, list[str]] | None = None) -> Tables:
    """What a reader gets where the rows of `hidden` are blank, but for the figures of `keep` (the planted faults)."""
    tables = figures_of(marts)
    for table, rows in hidden.items():
        frame = tables[table].copy()
        gone = row_keys(frame, table).isin(rows).to_numpy(bool)
        for figure in FIGURES[table]:
            if figure not in (keep or {}).get(table, []):
                frame[figure] = frame[figure].astype("float64").mask(gone)
        frame["status"] = frame["status"].mask(gone, "c")
        tables[table] = frame
    return tables


def suppressed(marts: Marts, tier: str = "public") -> dict[str, set[str]]:
    """What the suppressor under test hides, by table."""
    return _by_table(decide_pattern(marts, REGISTRY, tier))


def suppressed_at(marts: Marts, tiers: list[str]) -> dict[str, dict[str, set[str]]]:
    """The same of several tiers, decided together."""
    return {tier: _by_table(found.pattern) for tier, found in decide(marts, REGISTRY, tiers).items()}


def _by_table(pattern: pd.DataFrame) -> dict[str, set[str]]:
    return {str(table): set(rows["row_key"]) for table, rows in pattern.groupby("table_name")}


def primary(marts: Marts, tier: str = "public") -> dict[str, set[str]]:
    """What the primary rule alone hides, written out afresh."""
    values = marts.measure_value
    minimum = values["measure_id"].map({str(m["measure_id"]): m["minimum_n"][tier] for m in REGISTRY.measures})
    least = int(REGISTRY.data["disclosure"]["minimum_numerator"])
    small = values["n"].between(1, minimum - 1)
    for part in (values["numerator"], values["denominator"] - values["numerator"]):
        small |= values["measure_id"].map(KINDS).eq("proportion") & part.between(1, least - 1)
    return {"measure_value": set(row_keys(values, "measure_value")[small])}


def attacked(tables: Tables, tier: str = "public", parent: Tables | None = None) -> list[Breach]:
    return attack(tables, REGISTRY, tier, parent)
