"""The attack: all that a tier's reader has in hand, of one release or of two that follow each other."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ingest.registry import Registry
from quality.attacker.breach import Breach
from quality.attacker.pair import Together, attack_pair
from quality.attacker.release import attack_release, prepare
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
    prepared = prepare(tables, registry, tier)
    if prepared is None:
        return []
    pair = Together() if parent is None else attack_pair(tables, prepared, parent, registry, tier, sound)
    alone = attack_release(tables, prepared, registry, tier, sound, pair.cleared)
    told = {(breach.table, breach.row_key, breach.quantity) for breach in alone}
    found = [breach for breach in pair.given_away if (breach.table, breach.row_key, breach.quantity) not in told]
    breaches = {*alone, *pair.moved, *found}
    return sorted(breaches, key=lambda breach: (breach.table, breach.row_key, breach.quantity, breach.kind))
