"""The attack as rules of the gate: every tier of what stands in the warehouse, alone and beside the current release."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pandas as pd

from ingest.registry import Registry
from ingest.settings import Settings
from quality.attacker.attack import attack
from quality.attacker.breach import KIND_MEANINGS, Breach
from quality.attacker.cells import is_hidden, kind_of_table
from quality.attacker.sound import SoundParts, read_sound, write_sound
from quality.attacker.tables import read_release, read_warehouse
from quality.results import RuleResult
from quality.rules import Severity

_SOUND = "sound_parts.json"  # in the state's folder
ALONE, WITH_PARENT = "DA-001", "DA-002"
OF_TWO_RELEASES = ("between_releases", "difference")
# What refuses publication. What two releases tell is only recorded: it depends on the registry's `holds_back`, which is
# off (decision 15).
SEVERITIES: dict[str, Severity] = {ALONE: "critical", WITH_PARENT: "warning"}
_SENTENCES = {
    ALONE: "What is hidden stays hidden from whoever reads all of the tier.",
    WITH_PARENT: "What is hidden stays hidden from whoever reads this release beside the one before it.",
}


def attack_results(settings: Settings, registry: Registry, folder: Path) -> list[RuleResult]:
    """Attacks the exports of every tier; writes the breaches to `breaches.json` of the folder, which is restricted."""
    parent = _current_release(settings)
    tiers = list(registry.data["disclosure"]["minimum_pupils"])
    sound = read_sound(settings.state_dir / _SOUND)
    # No tier's attack needs another's, and the solver lets other threads run.
    with ThreadPoolExecutor() as pool:
        attacked = list(pool.map(lambda tier: _attack_tier(settings, registry, tier, parent, sound), tiers))
    write_sound(settings.state_dir / _SOUND, sound)
    _write([breach for breaches, _ in attacked for breach in breaches], folder / "breaches.json")
    return [result for _, results in attacked for result in results]


def _attack_tier(
    settings: Settings, registry: Registry, tier: str, parent: Path | None, sound: SoundParts
) -> tuple[list[Breach], list[RuleResult]]:
    """The breaches of a tier's exports, beside the release that readers have where there is one, and its results."""
    with duckdb.connect(str(settings.warehouse_path), read_only=True, config=settings.duckdb_config()) as connection:
        tables = read_warehouse(connection, tier, registry)
    before = read_release(parent, tier, registry) if parent is not None and (parent / tier).is_dir() else None
    breaches = attack(tables, registry, tier, before, sound)
    hidden = sum(int(is_hidden(frame).sum()) for frame in tables.values() if "status" in frame)
    alone = [breach for breach in breaches if breach.kind not in OF_TWO_RELEASES]
    results = _results(ALONE, tier, tables, alone, hidden)
    if before is not None:
        pair = [breach for breach in breaches if breach.kind in OF_TWO_RELEASES]
        results += _results(WITH_PARENT, tier, tables, pair, hidden)
    return breaches, results


def _current_release(settings: Settings) -> Path | None:
    """The folder of the release that readers have now, if there is one."""
    current = settings.releases_dir / "CURRENT"
    if not current.is_file():
        return None
    folder = settings.releases_dir / current.read_text(encoding="utf-8").strip()
    return folder if folder.is_dir() else None


def _results(
    rule_id: str,
    tier: str,
    tables: dict[str, pd.DataFrame],
    breaches: Sequence[Breach],
    hidden: int,
) -> list[RuleResult]:
    """One result per table that gives something away, naming one row and its identity; or one that nothing does."""
    severity = SEVERITIES[rule_id]
    if not breaches:
        table = f"exports_{tier}.measure_value"
        return [RuleResult(rule_id, "attack", table, None, severity, True, hidden, 0, _SENTENCES[rule_id])]
    results = []
    for table in sorted({breach.table for breach in breaches}):
        of_table = [breach for breach in breaches if breach.table == table]
        first = of_table[0]
        # The cell and the identity, never what they come to.
        sentence = (
            f"{_SENTENCES[rule_id]} {first.quantity} of {first.row_key} {KIND_MEANINGS[first.kind]}: "
            f"{first.identities[0]}."
        )
        name = f"exports_{tier}.{kind_of_table(table)}"
        rows = len(tables[table]) if table in tables else 0
        n_failing = len({breach.row_key for breach in of_table})
        results.append(RuleResult(rule_id, "attack", name, None, severity, False, rows, n_failing, sentence))
    return results


def _write(breaches: Sequence[Breach], path: Path) -> None:
    """Writes the breaches whole, for the operator alone: they say what is hidden."""
    path.parent.mkdir(parents=True, exist_ok=True)
    building = path.with_name(f".{path.name}.building")
    with open(os.open(building, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump([breach.as_json() for breach in breaches], file, indent=1, ensure_ascii=False)
        file.write("\n")
    os.replace(building, path)
