"""The registry as plain data: measures, groups, assessments, limits. Its YAML files alone hold thresholds."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ingest.bridges import check_bridges
from ingest.responses import response_faults
from ingest.settings import Settings

RESPONSES = "responses"
FILES = ("measures", "assessments", "groups", "nations", "rules", "bridges", "comparators", RESPONSES)


@dataclass(frozen=True)
class Registry:
    """All registry files merged.

    `data`: `measures`, `scales`, `non_scores`, `value_added`, `groups`, `census_day`, `nations`, `bridges` with
    `bridge_start` and `statistical_terms`, `comparators`, the limits of `rules.yml`, `absence_reasons` and `responses`.
    """

    data: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """The first 16 hex digits of the sha256 of the registry in canonical JSON."""
        return hashlib.sha256(json.dumps(self.data, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def measures(self) -> list[dict[str, Any]]:
        return list(self.data["measures"])

    def measure(self, measure_id: str) -> dict[str, Any]:
        """One measure. Raises `KeyError` for an id that the registry lacks."""
        for measure in self.measures:
            if measure["measure_id"] == measure_id:
                return dict(measure)
        files = ", ".join(f"{name}.yml" for name in FILES)
        raise KeyError(f"The registry has no measure '{measure_id}'; look in {files} of the registry folder.")


def read_registry(folder: Path) -> Registry:
    """Reads the registry folder.

    Raises: `ValueError` naming a file of broken YAML, of a key that another has or of a rule that cannot be meant, or a
    bridge of which nothing can be made.
    """
    merged: dict[str, Any] = {}
    for name in FILES:
        path = folder / f"{name}.yml"
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except (OSError, yaml.YAMLError) as error:
            raise ValueError(f"Registry file {path} cannot be read ({error}); mend it and run again.") from error
        twice = merged.keys() & content.keys()
        if twice:
            raise ValueError(f"Registry file {path} repeats {', '.join(sorted(twice))}; keep each key in one file.")
        merged.update(content)
        fault = next(response_faults(content), None) if name == RESPONSES else None
        if fault is not None:
            raise ValueError(f"Registry file {path}: {fault}")
    return Registry({**merged, "bridges": check_bridges(merged)})


def load_registry(settings: Settings) -> Registry:
    """The registry of this installation."""
    return read_registry(settings.registry_dir)
