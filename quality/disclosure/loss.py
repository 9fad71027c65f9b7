"""What disclosure control hides, counted: by tier, academic year, table, level and reason.

A share of the school-level cells of a public table above the registry's limit is said in the table and in the log: such
a rule needs a decision record (docs/adr/0013-what-suppression-loses.md).
"""

from __future__ import annotations

import logging

import duckdb

from ingest.registry import Registry

TABLES = ("measure_value", "gap", "progress_school", "progress_model")
_LOGGER = logging.getLogger("everypupil")
_LEVELS = {"progress_school": "'school'", "progress_model": "'model'"}
_KEYS = {
    "measure_value": "academic_year, period, level, unit_code, measure_id, definition_version, group_definition, "
    "group_dimension, group_value",
    "gap": "academic_year, period, level, unit_code, measure_id, definition_version, group_definition, "
    "group_dimension, group_value, comparator",
    "progress_school": "academic_year, measure_id, school_key",
    "progress_model": "academic_year, measure_id, method",
}


def write_loss(connection: duckdb.DuckDBPyConnection, registry: Registry) -> list[str]:
    """Replaces `disclosure.loss` from `disclosure.pattern` and the marts; returns a sentence per table over the limit.

    Columns: tier, academic_year, table_name, level, reason (primary, secondary, derived, and any: all of them), cells,
    hidden, percent_hidden (of cells), is_over_limit (where reason is any, level is school, tier is public and the
    percentage is above the registry's limit).
    """
    limit = float(registry.data["disclosure"]["report_school_cells_hidden_above_percent"])
    cells = " union all ".join(
        f"select '{table}' as table_name, academic_year, {_LEVELS.get(table, 'level')} as level, "
        f"concat_ws('|', {_KEYS[table]}) as row_key from marts.{table}"
        for table in TABLES
    )
    connection.execute(
        f"""
        create or replace table disclosure.loss as
        with cell as ({cells}),
        tier as (select unnest($tiers::varchar[]) as tier),
        reason as (select unnest(['any', 'primary', 'secondary', 'derived']) as reason),
        hidden as (
            select distinct tier, table_name, row_key, unnest(['any', reason]) as reason from disclosure.pattern
        ),
        every as (
            select academic_year, table_name, level, count(*) as cells from cell group by all
        ),
        gone as (
            select hidden.tier, cell.academic_year, cell.table_name, cell.level, hidden.reason, count(*) as hidden
            from cell join hidden using (table_name, row_key) group by all
        ),
        counted as (
            select tier.tier, every.academic_year, every.table_name, every.level, reason.reason, every.cells,
                coalesce(gone.hidden, 0) as hidden
            from every cross join tier cross join reason
            left join gone using (tier, academic_year, table_name, level, reason)
        )
        select *, round(100.0 * hidden / cells, 2) as percent_hidden,
            reason = 'any' and level = 'school' and tier = 'public' and 100.0 * hidden / cells > $limit as is_over_limit
        from counted order by all
        """,
        {"tiers": list(registry.data["disclosure"]["minimum_pupils"]), "limit": limit},
    )
    sums = connection.execute(
        "select tier, reason, sum(hidden)::bigint from disclosure.loss group by all order by all"
    ).fetchall()
    for tier, reason, hidden in sums:
        _LOGGER.info("disclosure, %s: %d figures hidden, reason %s", tier, hidden, reason)
    over = connection.execute(
        "select academic_year, table_name, hidden, cells, percent_hidden from disclosure.loss where is_over_limit"
    ).fetchall()
    sentences = [
        f"The public tier hides {hidden:,} of {cells:,} school-level cells of {table} in {year} ({percent:.0f} %), "
        f"over the {limit:.0f} % that the registry lets pass without a report."
        for year, table, hidden, cells, percent in over
    ]
    for sentence in sentences:
        _LOGGER.warning(sentence)
    return sentences
