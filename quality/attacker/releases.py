"""Two releases held side by side: what one shows of the other's hidden counts, and counts that moved by few pupils."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ingest.registry import Registry
from quality.attacker.breach import Breach


def attack_pair(
    tables: Mapping[str, pd.DataFrame],
    parent: Mapping[str, pd.DataFrame],
    registry: Registry,
    tier: str,
    alone: list[Breach],
) -> list[Breach]:
    """What the two releases give away that the newer alone (`alone`) does not."""
    return []
