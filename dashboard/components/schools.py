"""Schools by name beside rows that have only their keys."""

from __future__ import annotations

import re

import pandas as pd

from dashboard.context import Context


def _in_order(names: pd.Series[str]) -> pd.Series[str]:
    """Names as people order them: School 2 before School 10."""
    return names.astype("string").map(
        lambda name: name if pd.isna(name) else re.sub(r"\d+", lambda found: found[0].zfill(9), name)
    )


def with_schools(context: Context, frame: pd.DataFrame, key: str) -> pd.DataFrame:
    """Rows with the school's name and phase, by both. A unit code is a URN; an unknown school keeps its code."""
    schools = context.schools[["school_key", "urn", "school_name", "phase"]]
    rows = frame.drop(columns=[column for column in ("urn", "school_name", "phase") if column in frame])
    merged = rows.merge(
        schools,
        left_on=key,
        right_on="urn" if key == "unit_code" else "school_key",
        how="left",
        suffixes=("", "_of_school"),
    )
    merged["school_name"] = merged["school_name"].fillna(merged[key].astype("string"))
    return merged.sort_values(["phase", "school_name"], kind="stable", key=_in_order).reset_index(drop=True)
