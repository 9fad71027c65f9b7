"""A small release, written as the publisher writes one, with every status in it and figures that can be worked out by
hand.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ingest.registry import load_registry
from ingest.settings import Settings, load_settings

RELEASE_ID = "2026-07-31-0123456789ab"
YEARS = ("2024/25", "2025/26")
SCHOOLS = [
    # urn, name, phase, pupils, school effect
    ("100001", "Ashgrove Primary School", "Primary", 210, 0.31),
    ("100002", "Birchwood Primary School", "Primary", 315, -0.28),
    ("100003", "Cedar Lane Primary School", "Primary", 24, 0.05),
    ("100004", "Dunmore Academy", "Secondary", 900, 0.02),
    ("100005", "Eastfield High School", "Secondary", 1100, -0.12),
    ("100006", "Fallow Hill School", "Secondary", 760, 0.18),
]
VAR_SCHOOL, VAR_PUPIL = 0.08, 0.56
TABLES = (
    *("dim_school", "measure", "measure_value", "gap", "progress_school", "progress_model", "coverage"),
    *("disclosure_loss", "unit_coverage", "published_comparator"),
)
TRUST = "T0001"

FLOAT_COLUMNS = {
    "fsm_eligible_share",
    "change",
    "numerator",
    "denominator",
    "value",
    "ci_low",
    "ci_high",
    "coverage",
    "value_group",
    "value_comparator",
    "gap",
    "effect_size",
    "within_school",
    "between_school",
    "undecomposed",
    "placebo_share",
    "raw_mean",
    "raw_ci_low",
    "raw_ci_high",
    "shrunken",
    "shrunken_se",
    "shrunken_ci_low",
    "shrunken_ci_high",
    "reliability",
    "probability_above",
    "var_school",
    "var_pupil",
    "icc",
    "deviance",
    "share",
    "percent_hidden",
    "effect_pp",
    "expected",
    "received",
    "numeric_value",
    "residual",
    "precision_percent",
    "recall_in_queue_percent",
    "recall_percent",
    "false_alarm_percent",
}
INTEGER_COLUMNS = {
    "step",
    "n_records",
    "n_age_unknown",
    "sessions",
    "spells",
    "flagged",
    "true_positives",
    "true_positives_in_queue",
    "pupils",
    "below",
    "queue_place",
    "school_days_to_action",
    "n",
    "n_group",
    "n_comparator",
    "n_pupils",
    "n_schools",
    "n_rows",
    "rows_read",
    "rows_accepted",
    "rows_quarantined",
    "rows_current",
    "rows_superseded",
    "rows_held",
    "cells",
    "hidden",
    "definition_version",
    "pupil_key",
    "minimum_n",
    "schools",
    "schools_received",
    "places",
    "places_with_figure",
    "possible",
    "attended",
    "idaci_decile",
    "fsm_days_known",
    "fsm_days_eligible",
}


def make_settings(home: Path) -> Settings:
    return load_settings(home, memory_limit="400MB", threads=1)


def build_release(
    home: Path,
    *,
    release_id: str = RELEASE_ID,
    shift: float = 0.0,
    with_attendance: bool = True,
    extra_schools: Iterable[tuple[str, str, str, int, float]] = (),
    joined: Collection[str] = (),
    last_run: dict[str, Any] | None = None,
) -> Settings:
    """Writes one release under `home` and makes it the one in force.

    Parameters: `shift`, added to every attendance rate, so that two releases differ; `with_attendance`, False for a
    release of results alone; `extra_schools`, more rows like `SCHOOLS`; `joined`, URNs of schools without figures in
    the first year; `last_run`, the content of LAST_RUN.json.
    """
    settings = make_settings(home)
    schools = [*SCHOOLS, *extra_schools]
    root = settings.releases_dir / release_id
    figures = figures_of(settings, schools, shift, with_attendance)
    figures["measure_value"] = [
        row for row in figures["measure_value"] if row["academic_year"] != YEARS[0] or row["unit_code"] not in joined
    ]
    quality = {"data_quality_issue": issues(), "delivery": deliveries()}
    tables: dict[str, dict[str, Any]] = {"public": {}, "leaders": {}, "pupils": {}}
    for tier, limit in (("public", 10), ("leaders", 6)):
        of_tier = {name: _suppress(rows, limit) for name, rows in figures.items()}
        of_tier["disclosure_loss"] = _loss(of_tier)
        for name, rows in (of_tier | (quality if tier == "leaders" else {})).items():
            tables[tier][name] = entry_of([write_table(root, f"{tier}/{name}.parquet", rows)])
    by_school: dict[str, list[dict[str, Any]]] = {}
    for urn, _, _, _, _ in schools:
        rows = [
            {
                "academic_year": YEARS[1],
                "pupil_key": int(urn) * 10 + i,
                "school_key": urn,
                "urn": urn,
                "possible": 380,
                "attended": 380 - 19 * (i % 3),
            }
            for i in range(5)
        ]
        by_school.setdefault("attendance_pupil_year", []).append(
            write_table(root, f"pupils/urn={urn}/attendance_pupil_year.parquet", rows)
        )
        own = [row for row in figures["progress_school"] if row["urn"] == urn]
        by_school.setdefault("progress_school", []).append(
            write_table(root, f"pupils/urn={urn}/progress_school.parquet", own)
        )
        school = [row for row in figures["dim_school"] if row["urn"] == urn]
        by_school.setdefault("dim_school", []).append(write_table(root, f"pupils/urn={urn}/dim_school.parquet", school))
    by_school["delivery"] = [write_table(root, "pupils/urn=_all/delivery.parquet", quality["delivery"])]
    tables["pupils"] = {name: entry_of(files) for name, files in by_school.items()}
    write_table(
        root,
        "identity/urn=100001/pupil.parquet",
        [{"pupil_key": 1, "upn": "X", "surname": "X", "forename": "X", "dob": "X"}],
    )
    manifest = {
        "release_id": release_id,
        "published_at": "2026-07-31T21:04:00+00:00",
        "as_of": "2026-07-31",
        "input_fingerprint": "0" * 64,
        "code_fingerprint": "1" * 64,
        "registry_fingerprint": "2" * 16,
        "key_id": "k1",
        "deliveries": [],
        "held": [
            {
                "delivery_id": "feedc0de",
                "feed": "session_marks",
                "file_name": "dunmore_half.csv",
                "held_reason": "partial",
            }
        ],
        "refused_files": [
            {
                "file_name": "broken.csv",
                "feed": "pupils",
                "sentence": "broken.csv lacks the column UPN; export it again.",
            }
        ],
        "previous_release": None,
        "tables": tables,
        "gate": {"n_results": 120, "n_failed": 0, "n_warnings": 2},
        "coverage_sentence": f"{len(schools) - 1} of {len(schools)} schools, 91% of expected sessions received.",
    }
    (root / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (settings.releases_dir / "CURRENT").write_text(f"{release_id}\n", encoding="utf-8")
    if last_run is not None:
        (settings.releases_dir / "LAST_RUN.json").write_text(json.dumps(last_run), encoding="utf-8")
    return settings


def refused_run(release_id: str = RELEASE_ID) -> dict[str, Any]:
    return {
        "run_id": "run-2",
        "started_at": "2026-08-01T02:00:00+00:00",
        "finished_at": "2026-08-01T02:03:00+00:00",
        "outcome": "refused",
        "exit_code": 3,
        "sentence": "The gate refused the release: 1 of 120 checks failed.",
        "failures": [
            {"rule_id": "MV-001", "table": "measure_value", "n_failing": 4, "sentence": "A rate lies outside 0 to 100."}
        ],
        "release_id": release_id,
    }


def entry_of(files: list[dict[str, Any]]) -> dict[str, Any]:
    return {"rows": sum(file["rows"] for file in files), "content_hash": "3" * 64, "files": files}


def write_table(root: Path, path: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    names = list(rows[0]) if rows else ["academic_year"]
    table = pa.table({name: pa.array([row[name] for row in rows], type=_type(name, rows)) for name in names})
    pq.write_table(table, target)
    return {
        "path": path,
        "rows": len(rows),
        "content_hash": "4" * 64,
        "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
    }


def _type(column: str, rows: list[dict[str, Any]]) -> pa.DataType:
    if any(isinstance(row[column], str) for row in rows):
        return pa.string()
    if any(isinstance(row[column], dt.date) for row in rows):
        return pa.date32()
    if any(isinstance(row[column], bool) for row in rows):
        return pa.bool_()
    if column in FLOAT_COLUMNS:
        return pa.float64()
    if column in INTEGER_COLUMNS:
        return pa.int64()
    return pa.string()


def _loss(figures: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """How many rows of each level of `measure_value` and `gap` are hidden."""
    found = []
    for table in ("measure_value", "gap"):
        for level in sorted({row["level"] for row in figures[table]}):
            rows = [row for row in figures[table] if row["level"] == level]
            hidden = sum(row["status"] == "c" for row in rows)
            found += [
                {
                    "academic_year": YEARS[1],
                    "table_name": table,
                    "level": level,
                    "reason": "any",
                    "cells": len(rows),
                    "hidden": hidden,
                    "percent_hidden": 100.0 * hidden / len(rows),
                    "is_over_limit": False,
                }
            ]
    return found


def _suppress(rows: list[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    result = []
    for row in rows:
        counts = [row[key] for key in ("n", "n_group", "n_comparator") if row.get(key) is not None]
        hidden = "status" in row and counts and min(counts) < limit
        keys = {
            "academic_year",
            "period",
            "level",
            "unit_code",
            "measure_id",
            "definition_version",
            "group_definition",
            "group_dimension",
            "group_value",
            "comparator",
            "school_key",
            "urn",
            "phase",
            "interval_method",
            "status",
        }
        result.append(
            {k: ("c" if k == "status" else v if k in keys else None) for k, v in row.items()} if hidden else row
        )
    return result


def figures_of(
    settings: Settings, schools: list[tuple[str, str, str, int, float]], shift: float, with_attendance: bool
) -> dict[str, list[dict[str, Any]]]:
    registry = load_registry(settings)
    measures = [m for m in registry.measures if not m["measure_id"].endswith("exam_16")]
    if not with_attendance:
        measures = [m for m in measures if m["topic"] != "attendance"]
    values: list[dict[str, Any]] = []
    gaps: list[dict[str, Any]] = []
    for year_number, year in enumerate(YEARS):
        for measure in measures:
            for urn, _, phase, pupils, effect in schools:
                lowest = (
                    _rate(measure, phase, effect)
                    + shift * (measure["measure_id"] == "attendance_rate")
                    + 0.3 * year_number
                )
                values += _values(year, "school", urn, phase, measure, pupils, lowest)
                gaps += _gaps(year, "school", urn, phase, measure, pupils, lowest)
            total = sum(s[3] for s in schools)
            mean = sum(_rate(measure, s[2], s[4]) * s[3] for s in schools) / total
            mean += shift * (measure["measure_id"] == "attendance_rate") + 0.3 * year_number
            values += _values(year, "trust", TRUST, "All", measure, total, mean)
            gaps += _gaps(year, "trust", TRUST, "All", measure, total, mean)
    progress, models = _progress(schools)
    return {
        "dim_school": [
            {
                "school_key": urn,
                "urn": urn,
                "laestab": f"999{2000 + i}",
                "school_name": name,
                "phase": phase,
                "la_code": "999",
                "la_name": "Exampleshire",
                "trust_code": TRUST,
                "trust_name": "Example Learning Trust",
                "is_open": True,
            }
            for i, (urn, name, phase, _, _) in enumerate(schools)
        ],
        "measure": [
            {
                "measure_id": m["measure_id"],
                "definition_version": m["definition_version"],
                "name": m["name"],
                "unit": m["unit"],
                "numerator": m["numerator_text"],
                "denominator": m["denominator_text"],
                "boundary": json.dumps(m["boundary"]) if "boundary" in m else None,
                "population": m["population"],
                "minimum_n": m["minimum_n"]["public"],
                "direction": m["direction"],
                "source": m["source"],
                "valid_years": f"{m['valid_from']} on",
            }
            for m in measures
        ],
        "measure_value": values,
        "gap": gaps,
        "progress_school": progress,
        "progress_model": models,
        "coverage": [
            {
                "academic_year": YEARS[1],
                "period": "YTD",
                "feed": feed,
                "school_key": urn,
                "expected": 380.0 * pupils,
                "received": 0.0 if urn == "100003" else 380.0 * pupils,
                "share": 0.0 if urn == "100003" else 100.0,
                "status": "x" if urn == "100003" else "ok",
            }
            for feed in (["session_marks"] if with_attendance else ["assessment_results"])
            for urn, _, _, pupils, _ in schools
        ],
        "published_comparator": [
            {
                "academic_year": YEARS[1],
                "period": "YTD",
                "level": level,
                "unit_code": unit_code,
                "measure_id": "attendance_rate",
                "comparator": comparator,
                "phase": "All",
                "comparator_name": name,
                "places": places,
                "places_with_figure": places - (places > 1),
                "value": value,
                "publication_date": dt.date(2026, 7, 23),
                "edition": "2025-05" if places > 1 else None,
                "status": "ok",
            }
            for level, unit_code, comparator, name, places, value in (
                ("la", "999", "la", "Exampleshire", 1, 93.25),
                ("la", "999", "national", "England", 1, 93.1),
                ("la", "999", "neighbours", "Statistical neighbours", 10, 92.75),
                ("school", "100001", "national", "England", 1, 94.0),
                ("school", "100001", "region", "North", 1, 94.25),
                ("school", "100002", "national", "England", 1, 99.0),
            )
        ],
        "unit_coverage": [
            {
                "academic_year": year,
                "period": "YTD",
                "level": "trust",
                "unit_code": TRUST,
                "schools": len(schools),
                "schools_received": len(schools) - lacking,
            }
            for year, lacking in (zip(YEARS, (0, 1), strict=True) if with_attendance else [(YEARS[1], 0)])
        ],
    }


def _rate(measure: dict[str, Any], phase: str, effect: float) -> float:
    base = {
        "attendance_rate": 93.5,
        "overall_absence_rate": 6.5,
        "authorised_absence_rate": 4.6,
        "unauthorised_absence_rate": 1.9,
        "persistent_absence_rate": 17.6,
        "severe_absence_rate": 2.1,
    }.get(measure["measure_id"])
    if base is None:
        return effect
    slope = 4.0 if measure["direction"] == "higher" else -4.0
    return base + slope * effect + (0.0 if phase == "Primary" else -slope * 0.4)


def _interval(measure: dict[str, Any], n: int) -> float:
    return {"mean": 1.96 * 0.8, "ratio": 1.96 * 7.0, "proportion": 1.96 * 38.0}[measure["kind"]] / math.sqrt(n)


def _values(
    year: str, level: str, unit: str, phase: str, measure: dict[str, Any], pupils: int, rate: float
) -> list[dict[str, Any]]:
    parts: list[tuple[str, str, str, float, float]] = [("all", "all", "all", 1.0, 0.0)]
    parts += [
        ("fsm6cla@census", "disadvantage", "disadvantaged", 0.28, -1),
        ("fsm6cla@census", "disadvantage", "not_disadvantaged", 0.72, 0.4),
    ]
    parts += [("sex@census", "sex", "F", 0.49, 0.1), ("sex@census", "sex", "M", 0.51, -0.1)]
    parts += [
        ("sen@census", "sen", "N", 0.82, 0.2),
        ("sen@census", "sen", "K", 0.15, -0.6),
        ("sen@census", "sen", "E", 0.03, -1.2),
    ]
    percent = measure["unit"] == "percent"
    better = 1 if measure["direction"] == "higher" else -1
    rows = []
    for definition, dimension, value, share, tilt in parts:
        n = round(pupils * share)
        figure = rate + better * tilt * (2.5 if percent else 0.3)
        figure = round(min(max(figure, 0.0), 100.0) if percent else figure, 6)
        half = _interval(measure, n) if n else 0.0
        missing = unit == "100003" and percent
        status = "x" if missing else "u" if n < 12 else "ok"
        empty = missing or n == 0
        rows.append(
            {
                "academic_year": year,
                "period": "YTD",
                "level": level,
                "unit_code": unit,
                "measure_id": measure["measure_id"],
                "definition_version": measure["definition_version"],
                "group_definition": definition,
                "group_dimension": dimension,
                "group_value": value,
                "phase": phase,
                "n": None if empty else n,
                "numerator": None if empty else round(figure * n, 3),
                "denominator": None if empty else float(n * 100 if percent else n),
                "value": None if empty else figure,
                "ci_low": None if empty or status == "u" else round(figure - half, 6),
                "ci_high": None if empty or status == "u" else round(figure + half, 6),
                "interval_method": "wilson" if measure["kind"] == "proportion" else "linearised_t",
                "coverage": 0.0 if missing else 100.0,
                "status": status,
            }
        )
    return rows


def _gaps(
    year: str, level: str, unit: str, phase: str, measure: dict[str, Any], pupils: int, rate: float
) -> list[dict[str, Any]]:
    values = {row["group_value"]: row for row in _values(year, level, unit, phase, measure, pupils, rate)}
    rows = []
    pairs = [("disadvantaged", "not_disadvantaged"), ("M", "F")]
    for group, comparator in pairs:
        a, b = values[group], values[comparator]
        shown = a["status"] == "ok" and b["status"] == "ok"
        gap = b["value"] - a["value"] if shown else None
        half = math.hypot(b["ci_high"] - b["value"], a["ci_high"] - a["value"]) if shown else 0.0
        spread = _interval(measure, 1) / 1.96
        rows.append(
            {
                **{
                    key: a[key]
                    for key in (
                        "academic_year",
                        "period",
                        "level",
                        "unit_code",
                        "measure_id",
                        "definition_version",
                        "group_definition",
                        "group_dimension",
                        "group_value",
                    )
                },
                "comparator": comparator,
                "n_group": a["n"],
                "n_comparator": b["n"],
                "value_group": a["value"],
                "value_comparator": b["value"],
                "gap": gap,
                "ci_low": None if gap is None else gap - half,
                "ci_high": None if gap is None else gap + half,
                "interval_method": "newcombe" if measure["kind"] == "proportion" else "linearised_t",
                "effect_size": None if gap is None else gap / spread,
                "within_school": gap,
                "between_school": 0.0 if shown else None,
                "undecomposed": 0.0 if shown else None,
                "placebo_share": None,
                "coverage": a["coverage"],
                "status": "ok" if shown else a["status"] if a["status"] != "ok" else b["status"],
            }
        )
    return rows


def _progress(schools: list[tuple[str, str, str, int, float]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    rows, models = [], []
    sigma_e = math.sqrt(VAR_PUPIL)
    normal: Callable[[float], float] = lambda z: 0.5 * (1 + math.erf(z / math.sqrt(2)))  # noqa: E731 - one line of arithmetic
    for year in YEARS:
        for measure_id in ("value_added_reading", "value_added_maths"):
            for urn, _, _, pupils, effect in schools:
                n = pupils // 2 if urn != "100003" else 8
                raw = effect + (0.04 if measure_id.endswith("maths") else 0.0)
                reliability = n * VAR_SCHOOL / (n * VAR_SCHOOL + VAR_PUPIL)
                se = math.sqrt(VAR_SCHOOL * (1 - reliability))
                half = 1.96 * sigma_e / math.sqrt(n)
                rows.append(
                    {
                        "academic_year": year,
                        "measure_id": measure_id,
                        "school_key": urn,
                        "urn": urn,
                        "n": n,
                        "coverage": 97.5,
                        "raw_mean": raw,
                        "raw_ci_low": raw - half,
                        "raw_ci_high": raw + half,
                        "shrunken": reliability * raw,
                        "shrunken_se": se,
                        "shrunken_ci_low": reliability * raw - 1.96 * se,
                        "shrunken_ci_high": reliability * raw + 1.96 * se,
                        "reliability": reliability,
                        "probability_above": normal(reliability * raw / se),
                        "dfe_band": "z",
                        "status": "ok" if n >= 10 else "u",
                    }
                )
            models.append(
                {
                    "academic_year": year,
                    "measure_id": measure_id,
                    "method": "REML",
                    "n_pupils": sum(s[3] // 2 for s in schools),
                    "n_schools": len(schools),
                    "coefficients": json.dumps(
                        {
                            "intercept": {"estimate": 0.01, "standard_error": 0.09},
                            "baseline": {"estimate": 0.56, "standard_error": 0.012},
                        }
                    ),
                    "var_school": VAR_SCHOOL,
                    "var_pupil": VAR_PUPIL,
                    "icc": VAR_SCHOOL / (VAR_SCHOOL + VAR_PUPIL),
                    "deviance": 9347.674,
                    "status": "ok",
                }
            )
    return rows, models


def issues() -> list[dict[str, Any]]:
    return [
        {
            "issue_id": "i1",
            "rule_id": "SM-003",
            "sentence": "What rule SM-003 found.",
            "school_key": "100004",
            "severity": "refuse",
            "status": "open",
            "first_seen": "2026-07-01",
            "last_seen": "2026-07-20",
            "n_rows": 14,
            "effect_pp": 0.02,
        },
        {
            "issue_id": "i2",
            "rule_id": "PU-001",
            "sentence": "What rule PU-001 found.",
            "school_key": "100002",
            "severity": "flag",
            "status": "open",
            "first_seen": "2026-07-01",
            "last_seen": "2026-07-20",
            "n_rows": 3,
            "effect_pp": None,
        },
    ]


def deliveries() -> list[dict[str, Any]]:
    return [
        {
            "delivery_id": "feedc0de",
            "feed": "session_marks",
            "file_name": "=dunmore_half.csv",
            "laestab": "9992003",
            "extracted_at": "2026-07-20T18:00:00",
            "extracted_at_basis": "name",
            "rows_read": 4000,
            "rows_accepted": 3986,
            "rows_quarantined": 14,
            "rows_current": 0,
            "rows_superseded": 0,
            "rows_held": 3986,
        },
        {
            "delivery_id": "0badcafe",
            "feed": "pupils",
            "file_name": "birchwood.csv",
            "laestab": "9992001",
            "extracted_at": "2026-07-20T18:00:00",
            "extracted_at_basis": "name",
            "rows_read": 315,
            "rows_accepted": 315,
            "rows_quarantined": 0,
            "rows_current": 315,
            "rows_superseded": 0,
            "rows_held": 0,
        },
    ]
