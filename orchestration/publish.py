"""Publishes what passed the gate: a folder of Parquet per release, built beside the others and made current by
rename.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from ingest.registry import load_registry
from ingest.settings import Settings
from orchestration.errors import ChainError
from orchestration.files import fsync_folder, write_json
from orchestration.fingerprint import RunInput
from orchestration.last_run import now
from orchestration.ledger import append_entry, release_id_in
from orchestration.release_files import HASH_FORM, FileEntry, entry_of, is_intact, link_file, write_file
from orchestration.release_tables import YEARLY_TABLES, Table, quoted, tier_tables
from orchestration.releases import (
    BUILDING,
    MANIFEST,
    REMOVING,
    current_id,
    current_manifest,
    read_manifest,
    retain,
    set_current,
    sweep,
    table_hash,
    verify,
)

ALL_SCHOOLS = "_all"
_IDENTITY = "lake.publish_identity"
_URN = re.compile(r"[0-9A-Za-z-]{1,20}")
# The newest row of each pupil at each school; a pupil who moved is known to each school by that school's own list.
_IDENTITY_TABLE = f"""
CREATE OR REPLACE TABLE {_IDENTITY} AS
SELECT s.urn, i.pupil_key, p.upn, p.surname, p.forename, p.dob
FROM read_parquet(?, union_by_name = true) AS p
JOIN lake.identity AS i ON i.pupil_ref = p.pupil_ref
JOIN marts.dim_school AS s ON s.laestab = p.laestab
QUALIFY row_number() OVER (PARTITION BY s.urn, i.pupil_key ORDER BY p.as_at_date DESC, p.delivery_id, p.line) = 1
"""
_NO_IDENTITY = f"""
CREATE OR REPLACE TABLE {_IDENTITY}
(urn VARCHAR, pupil_key BIGINT, upn VARCHAR, surname VARCHAR, forename VARCHAR, dob DATE)
"""


@dataclass(frozen=True)
class FilePlan:
    """One file to be written: where, by which query, and of what its rows were built (where that is known)."""

    tier: str
    table: str
    path: str
    query: str
    slice_fingerprint: str | None = None


def publish(settings: Settings, connection: duckdb.DuckDBPyConnection, inputs: RunInput, gate: dict[str, int]) -> str:
    """Publishes the warehouse as a release and makes it current.

    Parameters: `connection` to the warehouse that was built from `inputs` and passed the gate; `gate`, {n_results,
    n_failed,
    n_warnings}. The caller holds the writer lock.
    Returns: the release id, which is a function of `inputs` and of the ledger before.
    Raises: `ChainError` where a table is missing, or where the same inputs were published before with other content.
    """
    settings.releases_dir.mkdir(parents=True, exist_ok=True)
    sweep(settings)
    release_id = release_id_in(connection, inputs)
    building = settings.releases_dir / f"{BUILDING}{release_id}"
    previous = current_manifest(settings)
    tables = _write_tables(settings, connection, building, previous)
    # Before anyone is told: an entry without its release is a release that was told to nobody, which does no harm.
    ledger = append_entry(settings, connection, inputs)
    manifest = {
        "release_id": release_id,
        "published_at": now(),
        "as_of": inputs.as_of.isoformat(),
        "input_fingerprint": inputs.fingerprint,
        "code_fingerprint": inputs.code_fingerprint,
        "registry_fingerprint": inputs.registry_fingerprint,
        "key_id": inputs.key_id,
        "previous_release": current_id(settings),
        "hash_form": HASH_FORM,
        "ledger": ledger,
        "tables": tables,
        "gate": gate,
        **_lake_facts(connection),
        "coverage_sentence": coverage_sentence(
            connection, load_registry(settings).data["coverage"]["withhold_below_percent"]
        ),
    }
    write_json(building / MANIFEST, manifest)
    for folder in [building, *(path for path in building.rglob("*") if path.is_dir())]:
        fsync_folder(folder)
    (building / MANIFEST).chmod(0o444)
    (building / "identity").chmod(0o700)
    _put_in_place(settings, building, release_id, tables)
    set_current(settings, release_id)
    retain(settings)
    return release_id


def _put_in_place(settings: Settings, building: Path, release_id: str, tables: dict[str, Any]) -> None:
    """Renames the finished folder to its name; a release of that name that stands whole is kept, since it says the
    same.
    """
    final = settings.releases_dir / release_id
    aside = settings.releases_dir / f"{REMOVING}{release_id}"
    if final.exists() and not verify(settings, release_id):
        differing = _differing(read_manifest(settings, release_id)["tables"], tables)
        if differing:
            raise ChainError(
                f"The same inputs gave other content than release {release_id} in {', '.join(differing[:5])}, "
                "which must not be: report it; "
                "to publish all the same, roll back to another release, delete that folder and run again."
            )
        shutil.rmtree(building)
        return
    if final.exists():
        final.rename(aside)
    building.rename(final)
    fsync_folder(settings.releases_dir)
    shutil.rmtree(aside, ignore_errors=True)


def _differing(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """The tables, as tier.table, whose content differs between two manifests."""
    hashes = [
        {f"{tier}.{name}": table["content_hash"] for tier, tables in side.items() for name, table in tables.items()}
        for side in (old, new)
    ]
    return sorted(name for name in hashes[0].keys() | hashes[1].keys() if hashes[0].get(name) != hashes[1].get(name))


def _write_tables(
    settings: Settings, connection: duckdb.DuckDBPyConnection, building: Path, previous: dict[str, Any] | None
) -> dict[str, Any]:
    """Writes every file of the release; returns the manifest's `tables`."""
    plans = plan_files(connection)
    before = _Previous(settings, previous)

    def write(plan: FilePlan) -> FileEntry:
        with connection.cursor() as cursor:
            return _write_or_link(cursor, building, plan, before)

    with ThreadPoolExecutor(max_workers=settings.threads or os.cpu_count() or 1) as pool:
        entries = list(pool.map(write, plans))
    connection.execute(f"DROP TABLE {_IDENTITY}")
    tables: dict[str, Any] = {}
    for plan, entry in zip(plans, entries, strict=True):
        table = tables.setdefault(plan.tier, {}).setdefault(plan.table, {"rows": 0, "files": []})
        table["rows"] += entry.rows
        table["files"].append(entry.as_manifest())
    for tier in tables.values():
        for table in tier.values():
            table["content_hash"] = table_hash([(file["path"], file["content_hash"]) for file in table["files"]])
    return tables


class _Previous:
    """The files of the release in force, by path, each given out only where its bytes are still those that were
    published.
    """

    def __init__(self, settings: Settings, manifest: dict[str, Any] | None) -> None:
        self.entries: dict[str, FileEntry] = {}
        if manifest is not None:
            self.root = settings.releases_dir / str(manifest["release_id"])
            self.entries = {
                file["path"]: entry_of(file)
                for tables in manifest["tables"].values()
                for table in tables.values()
                for file in table["files"]
            }

    def unchanged_source(self, plan: FilePlan) -> FileEntry | None:
        """The old entry of a slice that was built from the same inputs."""
        entry = self.entries.get(plan.path)
        known = entry is not None and plan.slice_fingerprint and entry.slice_fingerprint == plan.slice_fingerprint
        return entry if known and entry and is_intact(self.root / entry.path, entry) else None

    def same_content(self, new: FileEntry) -> FileEntry | None:
        """The old entry of a file that holds the same rows."""
        entry = self.entries.get(new.path)
        same = entry is not None and entry.content_hash == new.content_hash
        return entry if same and entry and is_intact(self.root / entry.path, entry) else None


def _write_or_link(
    connection: duckdb.DuckDBPyConnection, building: Path, plan: FilePlan, before: _Previous
) -> FileEntry:
    old = before.unchanged_source(plan)
    if old is None:
        new = write_file(connection, plan.query, building, plan.path, plan.slice_fingerprint)
        same = before.same_content(new)
        if same is None:
            return new
        old = replace(same, slice_fingerprint=plan.slice_fingerprint)
    link_file(before.root / old.path, building, old.path)
    return old


def plan_files(connection: duckdb.DuckDBPyConnection) -> list[FilePlan]:
    """Every file of the release that the warehouse would give, in the order of tier, table and path."""
    plans: list[FilePlan] = []
    for tier in ("public", "leaders"):
        for table in tier_tables(connection, tier):
            plans.append(FilePlan(tier, table.name, f"{tier}/{table.name}.parquet", _query(table)))
    marts = tier_tables(connection, "pupils")
    schools = sorted(_schools(connection, marts))
    for table in marts:
        plans.extend(_mart_plans(connection, table, schools))
    plans.extend(_identity_plans(connection, schools))
    return plans


def _schools(connection: duckdb.DuckDBPyConnection, marts: list[Table]) -> set[str]:
    """Every URN that a row of a mart belongs to."""
    found: set[str] = set()
    for table in marts:
        if table.school is not None:
            rows = connection.execute(f"SELECT DISTINCT {table.school} FROM marts.{quoted(table.name)} AS t").fetchall()
            found.update(str(row[0]) for row in rows if row[0] is not None)
    unsafe = sorted(urn for urn in found if not _URN.fullmatch(urn))
    if unsafe:
        raise ChainError(
            "A URN in the marts is not made of letters and digits, so it can name no folder; mend the schools extract."
        )
    return found


def _query(table: Table, where: str = "") -> str:
    columns = ", ".join(f"t.{quoted(column)}" for column in table.published)
    key = ", ".join(f"t.{quoted(column)}" for column in table.key)
    return f"SELECT {columns} FROM {table.schema}.{quoted(table.name)} AS t {where} ORDER BY {key}"


def _mart_plans(connection: duckdb.DuckDBPyConnection, table: Table, schools: list[str]) -> Iterator[FilePlan]:
    """The files of one mart: one per school (empty where the school has no rows), one for the rows of no one school."""
    if table.school is None:
        yield FilePlan("pupils", table.name, f"pupils/urn={ALL_SCHOOLS}/{table.name}.parquet", _query(table))
        return
    yield FilePlan(
        "pupils",
        table.name,
        f"pupils/urn={ALL_SCHOOLS}/{table.name}.parquet",
        _query(table, f"WHERE {table.school} IS NULL"),
    )
    years = _years(connection, table) if table.name in YEARLY_TABLES else {}
    for urn in schools:
        mine = f"WHERE {table.school} = '{urn}'"
        if table.name not in YEARLY_TABLES:
            yield FilePlan("pupils", table.name, f"pupils/urn={urn}/{table.name}.parquet", _query(table, mine))
            continue
        folder = f"pupils/urn={urn}/{table.name}"
        if urn not in years:
            # A school without a mark still has the table, so that a reader finds no rows rather than no table.
            yield FilePlan("pupils", table.name, f"{folder}/none.parquet", _query(table, mine))
        for first, fingerprint in years.get(urn, []):
            window = f"{mine} AND t.session_date >= DATE '{first}-08-01' AND t.session_date < DATE '{first + 1}-08-01'"
            path = f"{folder}/{first}-{(first + 1) % 100:02d}.parquet"
            yield FilePlan("pupils", table.name, path, _query(table, window), fingerprint)


def _years(connection: duckdb.DuckDBPyConnection, table: Table) -> dict[str, list[tuple[int, str | None]]]:
    """By URN, the academic years (their first calendar year) it has rows in, with the fingerprint of what they were
    built from.
    """
    fingerprint = (
        "string_agg(DISTINCT t.slice_fingerprint, ',' ORDER BY t.slice_fingerprint)"
        if "slice_fingerprint" in table.columns
        else "NULL"
    )
    known = ", t.slice_fingerprint" if "slice_fingerprint" in table.columns else ""
    # Days first: they are few, and the year of each of millions of marks need not be worked out.
    rows = connection.execute(
        f"""
        WITH day AS (
            SELECT DISTINCT {table.school} AS urn, t.session_date{known}
            FROM marts.{quoted(table.name)} AS t WHERE {table.school} IS NOT NULL
        )
        SELECT urn, year(t.session_date - INTERVAL 7 MONTH) AS first_year, {fingerprint}
        FROM day AS t GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    years: dict[str, list[tuple[int, str | None]]] = {}
    for urn, first, known in rows:
        years.setdefault(str(urn), []).append((int(first), known))
    return years


def _identity_plans(connection: duckdb.DuckDBPyConnection, schools: list[str]) -> Iterator[FilePlan]:
    """Names, UPNs and dates of birth, per school, as that school's own newest pupil list gives them."""
    paths = [
        str(row[0])
        for row in connection.execute(
            "SELECT accepted_path FROM lake.delivery WHERE feed = 'pupils' AND NOT is_held"
        ).fetchall()
    ]
    if paths:
        connection.execute(_IDENTITY_TABLE, [paths])
    else:
        connection.execute(_NO_IDENTITY)
    for urn in schools:
        yield FilePlan(
            "identity",
            "pupil",
            f"identity/urn={urn}/pupil.parquet",
            f"SELECT * EXCLUDE (urn) FROM {_IDENTITY} WHERE urn = '{urn}' ORDER BY pupil_key",
        )


def _lake_facts(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """What the release was made of, and what of the lake is not in it."""
    deliveries = _records(
        connection, "SELECT delivery_id, parse_id, feed, extracted_at FROM lake.delivery ORDER BY feed, delivery_id"
    )
    held = _records(
        connection,
        "SELECT delivery_id, feed, laestab, file_name, held_reason FROM lake.delivery WHERE is_held ORDER BY ALL",
    )
    refused = _records(connection, "SELECT refusal_id, feed, file_name, sentence FROM lake.refusal ORDER BY refusal_id")
    return {"deliveries": deliveries, "held": held, "refused_files": refused}


def _records(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    found = connection.execute(query)
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def coverage_sentence(connection: duckdb.DuckDBPyConnection, enough_percent: float) -> str:
    """How many schools sent what was expected of them, per feed in the newest academic year, as one sentence.

    Parameters: `enough_percent`, the share of what was expected from which the registry lets figures be shown.
    """
    rows = connection.execute(_COVERAGE).fetchall()
    if not rows:
        return "No delivery was expected, so there is no coverage to report."
    parts = [
        _of_schools(_FEEDS.get(feed, feed.replace("_", " ")), enough, schools, whole == enough, begun)
        for _, feed, enough, whole, begun, schools in rows
    ]
    meaning = f" (received: at least {enough_percent:g}% of what was expected)"
    is_needed = any(" received for " in part for part in parts)
    return f"{rows[0][0]}: {'; '.join(parts)}{meaning if is_needed else ''}."


_FEEDS = {"pupils": "pupil lists", "calendar": "calendars"}
# Whoever sent no register has nothing expected of it in `coverage`, but is a school of which registers were due.
_COVERAGE = """
WITH school AS (
    SELECT academic_year, feed, school_key, bool_and(status = 'ok') AS is_enough,
           bool_and(received >= expected) AS is_whole, bool_or(received > 0) AS is_begun
    FROM marts.coverage
    WHERE academic_year = (SELECT max(academic_year) FROM marts.coverage)
      AND (expected > 0 OR (feed = 'session_marks' AND expected IS NULL))
    GROUP BY academic_year, feed, school_key
)
SELECT academic_year, feed, count(*) FILTER (WHERE is_enough), count(*) FILTER (WHERE is_enough AND is_whole),
       bool_or(is_begun), count(*)
FROM school GROUP BY academic_year, feed ORDER BY feed
"""


def _of_schools(name: str, enough: int, schools: int, is_whole: bool, is_begun: bool) -> str:
    """For how many of a number of schools a feed came."""
    if enough == 0:
        of = f"{schools} {'school' if schools == 1 else 'schools'}"
        return f"{'not enough' if is_begun else 'no'} {name} received ({of})"
    word = "complete" if is_whole else "received"
    if enough < schools:
        return f"{name} {word} for {enough} of {schools} schools"
    return f"{name} {word} for {f'all {schools} schools' if schools > 1 else 'the 1 school'}"
