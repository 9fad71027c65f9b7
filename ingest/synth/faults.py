"""Named faults, planted into written extracts."""

from __future__ import annotations

from pathlib import Path

from ingest.synth.config import PlantedFault


def plant(out: Path, names: tuple[str, ...], seed: int) -> list[PlantedFault]:
    return []
