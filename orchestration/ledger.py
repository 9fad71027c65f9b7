"""The ledger of what was published, as the chain uses it: what may be told next, the pattern of it, the release's
id."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import duckdb

from ingest.registry import Registry, load_registry
from ingest.settings import Settings
from orchestration.errors import ChainError
from orchestration.fingerprint import RunInput
from orchestration.releases import current_manifest, require_ledger
from quality.disclosure import write_pattern
from quality.disclosure.loss import write_loss
from quality.disclosure.pattern import Before
from quality.ledger.decision import RESULT_TABLES, decide, read_decision
from quality.ledger.entry import Facts, append
from quality.ledger.hidden import lasting_rows, thresholds_of
from quality.ledger.store import Ledger, LedgerDamagedError

PUBLIC = "public"
_BASIS = "public_basis_catalog"


def decide_what_is_told(
    settings: Settings, connection: duckdb.DuckDBPyConnection, registry: Registry, inputs: RunInput
) -> str:
    """Replaces schema `ledger`; returns a sentence on what waits, which gives no count of few pupils.

    Raises: `ChainError` where the ledger is damaged.
    """
    require_ledger(settings, current_manifest(settings))
    try:
        decision = decide(connection, registry, Ledger(settings.lake_dir), inputs.as_of, inputs.release_id_after)
    except LedgerDamagedError as error:
        raise ChainError(str(error)) from error
    return waiting_sentence(decision.waiting, int(registry.data["disclosure"]["minimum_pupils"][PUBLIC]))


def waiting_sentence(waiting: int, minimum: int) -> str:
    """How many pupils wait, without a number where they are few."""
    if waiting == 0:
        return "Nothing waits to be told to the public."
    pupils = f"{waiting:,}" if waiting >= minimum else f"fewer than {minimum}"
    return f"What came of {pupils} pupils waits to be told to the public until it is not told of few."


def write_patterns(connection: duckdb.DuckDBPyConnection, registry: Registry) -> None:
    """Writes `disclosure.pattern`: of the leaders' tier over the marts, of the public tier over what its ledger
    holds.

    Where the ledger holds nothing back both are one, and are decided together: whoever reads both tiers must not find
    in one what the other hides. Where it does, what leaders may not see is hidden from the public too.
    """
    before = lasting_rows(connection, registry)
    if not _is_anything_held(connection):
        write_pattern(connection, registry, before)
        return
    minimum = registry.data["disclosure"]["minimum_pupils"]
    catalog = str((connection.execute("SELECT current_database()").fetchone() or ("",))[0])
    connection.execute(f"ATTACH ':memory:' AS {_BASIS}")
    try:
        _open_basis(connection, catalog)
        write_pattern(connection, _only(registry, [tier for tier in minimum if tier != PUBLIC]), before)
        of_leaders = connection.execute("SELECT DISTINCT table_name, row_key FROM disclosure.pattern").fetchall()
        hidden = frozenset((str(table), str(key)) for table, key in of_leaders)
        connection.execute(f"USE {_BASIS}")
        public, told = _only(registry, [PUBLIC]), before[PUBLIC]
        write_pattern(connection, public, {PUBLIC: Before(hidden | told.hidden, told.shown - hidden)})
        _add_standing(connection, catalog)
        write_loss(connection, public)
        connection.execute(f'USE "{catalog}"')
        for name in _tables(connection, _BASIS, "disclosure"):
            connection.execute(f'INSERT INTO disclosure."{name}" BY NAME FROM {_BASIS}.disclosure."{name}"')
    finally:
        connection.execute(f'USE "{catalog}"')
        connection.execute(f"DETACH {_BASIS}")


def _open_basis(connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
    """Fills a catalogue of its own, in which `marts` is what the public tier tells of."""
    for schema in ("marts", "staging", "intermediate", "aggregates", "disclosure"):
        connection.execute(f"CREATE SCHEMA {_BASIS}.{schema}")
    told = _tables(connection, catalog, "public_basis")
    for schema in ("marts", "staging", "aggregates"):
        for name in _tables(connection, catalog, schema):
            source = "public_basis" if schema == "marts" and name in told else schema
            connection.execute(f'CREATE VIEW {_BASIS}.{schema}."{name}" AS FROM "{catalog}".{source}."{name}"')
    # Which terms totals tell is what the public is told of them, and what came where nothing is held back.
    apart = f'academic_year IN (FROM "{catalog}".ledger.apart_year)'
    is_total = "isodow(week_start) = 7"
    for name, columns, of_basis in (
        ("int_term_total", "academic_year, term, enrolment_id, school_key, possible", is_total),
        ("int_enrolment_week", "academic_year, term, school_key, received, possible", f"NOT {is_total}"),
    ):
        held = columns.replace("enrolment_id", "pupil_key AS enrolment_id")
        connection.execute(
            f"""
            CREATE VIEW {_BASIS}.intermediate.{name} AS
            SELECT {held} FROM "{catalog}".ledger.basis_week WHERE {of_basis}
            UNION ALL BY NAME
            SELECT {columns} FROM "{catalog}".intermediate.{name} WHERE NOT {apart}
            """
        )
    connection.execute(
        f'CREATE VIEW {_BASIS}.intermediate.int_term_period AS FROM "{catalog}".intermediate.int_term_period'
    )
    # What was decided before is kept per tier: the leaders' decision forgets what it did not use.
    if "solved" in _tables(connection, catalog, "disclosure"):
        connection.execute(f'CREATE TABLE {_BASIS}.disclosure.solved AS FROM "{catalog}".disclosure.solved')


def _add_standing(connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
    """Adds the hidden ones among the rows that stand as they were published: they carry no figure to decide over."""
    for table in RESULT_TABLES:
        if f"published_{table}" in _tables(connection, catalog, "ledger"):
            connection.execute(
                f"""
                INSERT INTO disclosure.pattern (tier, table_name, row_key, status, reason, rule_id)
                SELECT '{PUBLIC}', '{table}', hidden_key, 'c', hidden_reason, hidden_rule
                FROM "{catalog}".ledger.published_{table}
                WHERE hidden_key IS NOT NULL
                    AND hidden_key NOT IN (SELECT row_key FROM disclosure.pattern WHERE table_name = '{table}')
                ORDER BY ALL
                """
            )


def _tables(connection: duckdb.DuckDBPyConnection, catalog: str, schema: str) -> list[str]:
    query = "SELECT table_name FROM information_schema.tables WHERE table_catalog = ? AND table_schema = ? ORDER BY ALL"
    return [str(name) for (name,) in connection.execute(query, [catalog, schema]).fetchall()]


def _is_anything_held(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the public tier tells anything but what the marts hold."""
    query = (
        "SELECT count(*) FROM (SELECT academic_year FROM ledger.apart_year "
        "UNION ALL SELECT academic_year FROM ledger.standing)"
    )
    return bool((connection.execute(query).fetchone() or (0,))[0])


def _only(registry: Registry, tiers: list[str]) -> Registry:
    """The registry with some tiers' minimum alone."""
    disclosure = registry.data["disclosure"]
    minimum = {tier: disclosure["minimum_pupils"][tier] for tier in tiers}
    return replace(registry, data={**registry.data, "disclosure": {**disclosure, "minimum_pupils": minimum}})


def append_entry(settings: Settings, connection: duckdb.DuckDBPyConnection, inputs: RunInput) -> dict[str, Any]:
    """Writes down what the release tells the public; returns what its manifest says of the ledger.

    Raises: `ChainError` where the ledger is damaged.
    """
    decision = read_decision(connection)
    if decision is None:
        return {}
    registry = load_registry(settings)
    attendance = [str(row["measure_id"]) for row in registry.measures if row["source_model"] == "attendance"]
    facts = Facts(inputs.as_of.isoformat(), inputs.fingerprint, thresholds_of(registry))
    try:
        entry = append(connection, Ledger(settings.lake_dir), decision, attendance, facts)
    except LedgerDamagedError as error:
        raise ChainError(str(error)) from error
    minimum = int(registry.data["disclosure"]["minimum_pupils"][PUBLIC])
    return {"before": decision.before, "entry": entry, "waiting": waiting_sentence(decision.waiting, minimum)}


def release_id_in(connection: duckdb.DuckDBPyConnection, inputs: RunInput) -> str:
    """The id of the release that the warehouse holds: of its inputs and of the ledger that it builds on."""
    decision = read_decision(connection)
    return inputs.release_id_after("" if decision is None else decision.before)
