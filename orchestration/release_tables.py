"""Which tables a release holds, what orders their rows, and which school a row belongs to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import duckdb

from orchestration.errors import ChainError

PUBLIC_TABLES = (
    *("coverage", "dim_school", "disclosure_loss", "gap", "measure", "measure_value"),
    *("progress_model", "progress_school", "published_comparator", "unit_coverage"),
)
LEADERS_TABLES = (*PUBLIC_TABLES, "data_quality_issue", "delivery")
TIER_SCHEMAS = {"public": "exports_public", "leaders": "exports_leaders"}
TIER_TABLES = {"public": PUBLIC_TABLES, "leaders": LEADERS_TABLES}
# One file per academic year, so that a closed year is linked and not written again.
YEARLY_TABLES = ("fct_session",)
# Bookkeeping of the build, no figure: it changes with the code and so may not reach a content hash.
UNPUBLISHED_COLUMNS = frozenset({"slice_fingerprint"})
_GROUPED = ("academic_year", "period", "level", "unit_code", "measure_id", "definition_version", "group_definition")
GRAIN: dict[str, tuple[str, ...]] = {
    "absence_spell": ("academic_year", "enrolment_key", "start_date", "start_session"),
    "assessment_result": ("pupil_key", "assessment_id", "subject", "component", "result_date"),
    "attendance_bridge": ("academic_year", "level", "unit_code", "measure_id", "bridge_id", "step"),
    "attendance_by_status": (*_GROUPED, "group_dimension", "group_value"),
    "attendance_enrolment_year": ("academic_year", "enrolment_key"),
    "attendance_pupil_year": ("academic_year", "pupil_key"),
    "attendance_reason": (
        *("academic_year", "period", "level", "unit_code"),
        *("group_definition", "group_dimension", "group_value", "code"),
    ),
    "attendance_signal": ("rule_id", "enrolment_key", "signal_date"),
    "attendance_signal_backtest": ("academic_year", "term", "rule_id", "group_dimension", "group_value"),
    "coverage": ("academic_year", "period", "feed", "school_key"),
    "data_quality_issue": ("issue_id",),
    "delivery": ("delivery_id",),
    "dim_pupil_status": ("pupil_key", "valid_from"),
    "dim_school": ("school_key",),
    "disclosure_loss": ("academic_year", "table_name", "level"),
    "fct_enrolment": ("enrolment_key",),
    "fct_session": ("enrolment_key", "session_date", "session"),
    "gap": (*_GROUPED, "group_dimension", "group_value", "comparator"),
    "measure": ("measure_id", "definition_version"),
    "measure_value": (*_GROUPED, "group_dimension", "group_value"),
    "progress_model": ("academic_year", "measure_id", "method"),
    "progress_pupil": ("academic_year", "measure_id", "pupil_key"),
    "progress_school": ("academic_year", "measure_id", "school_key"),
    "published_comparator": ("academic_year", "period", "level", "unit_code", "measure_id", "comparator"),
    "published_statistic": (
        "publication",
        "time_period",
        "time_identifier",
        "geographic_level",
        "location_code",
        "filters",
        "indicator",
    ),
    "unit_coverage": ("academic_year", "period", "level", "unit_code"),
}


@dataclass(frozen=True)
class Table:
    """One table to publish.

    Parameters: `schema` and `name` in the warehouse; `columns` in their order; `key`, what orders the rows; `school`,
    the SQL
    of the URN a row belongs to (NULL: of no one school), or None where the table is of no school at all.
    """

    schema: str
    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    school: str | None

    @property
    def published(self) -> tuple[str, ...]:
        return tuple(column for column in self.columns if column not in UNPUBLISHED_COLUMNS)


def quoted(name: str) -> str:
    """An identifier, quoted for SQL (`session` is a keyword to DuckDB)."""
    return '"' + name.replace('"', '""') + '"'


def school_of(name: str, columns: Collection[str]) -> str | None:
    """The SQL expression of the URN a row of a mart belongs to, or None where its rows are of no one school.

    `t` is the table; a row known by `school_key` alone belongs to the school that `dim_school` says.
    """
    if "urn" in columns:
        return "t.urn"
    if {"level", "unit_code"} <= set(columns):
        return "CASE WHEN t.level = 'school' THEN t.unit_code END"
    if "school_key" in columns:
        return "(SELECT s.urn FROM marts.dim_school AS s WHERE s.school_key = t.school_key)"
    return None


def describe(connection: duckdb.DuckDBPyConnection, schema: str, name: str) -> Table:
    """One table as it stands in the warehouse. Raises `ChainError` where it is missing or its grain is unknown."""
    found = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = ? AND table_name = ? "
        "ORDER BY ordinal_position",
        [schema, name],
    ).fetchall()
    columns = tuple(str(row[0]) for row in found)
    if not columns:
        raise ChainError(f"The warehouse has no table {schema}.{name}, which a release needs; run everypupil run.")
    key = GRAIN.get(name)
    if key is None or not set(key) <= set(columns):
        raise ChainError(
            f"The release cannot order {schema}.{name}: add its grain, of columns it has, to "
            "orchestration/release_tables.py."
        )
    school = school_of(name, columns) if schema == "marts" else None
    return Table(schema, name, columns, key, school)


def tier_tables(connection: duckdb.DuckDBPyConnection, tier: str) -> list[Table]:
    """The tables of a tier, by name: the named ones of public and leaders, every mart for pupils."""
    if tier != "pupils":
        return [describe(connection, TIER_SCHEMAS[tier], name) for name in TIER_TABLES[tier]]
    names = connection.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'marts' ORDER BY table_name"
    ).fetchall()
    return [describe(connection, "marts", str(row[0])) for row in names]
