"""The attack: all that a tier's reader has in hand, of one release or of two that follow each other."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ingest.registry import Registry
from quality.attacker.breach import Breach
from quality.attacker.pair import attack_pair
from quality.attacker.release import attack_release
from quality.attacker.sound import SoundParts


def attack(
    tables: Mapping[str, pd.DataFrame],
    registry: Registry,
    tier: str,
    parent: Mapping[str, pd.DataFrame] | None = None,
    sound: SoundParts | None = None,
) -> list[Breach]:
    """Every hidden figure that a reader of `tables` can work out, in the order of table and row.

    Parameters: `tables`, frames by name (`measure_value`, or `public/measure_value` where the tier reads more than its
    own folder); `tier`, whose minimum of pupils is judged; `parent`, the tables of the release before, if any; `sound`,
    parts that an earlier attack found to give nothing away, to which this one adds its own.
    Raises `ValueError` for a tier or measure that the registry lacks.
    """
    breaches = attack_release(tables, registry, tier, sound)
    if parent is not None:
        breaches += attack_pair(tables, parent, registry, tier, breaches)
    return sorted(set(breaches), key=lambda breach: (breach.table, breach.row_key, breach.quantity, breach.kind))
