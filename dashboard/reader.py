"""The fence: a release opened so that the engine itself refuses whatever this person may not see.

A release is folders of Parquet. A reader is an in-memory DuckDB that may open the folder of one tier and, for pupils'
rows, exactly the files that it may read whole; external access is off, extensions are off and the configuration is
locked. What a reader may read in part is copied into memory, filtered, before the fence closes, and its file stays
outside.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from dashboard.reach import ENROLMENT_TABLE, ENROLMENTS, STATUS_TABLE, Reach
from ingest.settings import Settings

TIERS = ("public", "leaders", "pupils")
ALL_SCHOOLS = "urn=_all"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PARQUET_MAGIC = b"PAR1"
# Functions of a FROM clause that only read. The engine has others that a SELECT can call and that act on the process
# (enable_logging writes files where it is told, past the fence), and some that run a text as SQL: not these.
_TABLE_FUNCTIONS = frozenset(
    {
        "query_table",
        "read_parquet",
        "parquet_scan",
        "parquet_metadata",
        "parquet_schema",
        "parquet_file_metadata",
        "parquet_kv_metadata",
        "read_csv",
        "read_csv_auto",
        "read_json",
        "read_json_auto",
        "read_text",
        "read_blob",
        "glob",
        "range",
        "generate_series",
        "unnest",
        "repeat",
        "repeat_row",
        "summary",
        "json_each",
        "json_tree",
        "histogram",
        "histogram_values",
        "duckdb_columns",
        "duckdb_tables",
        "duckdb_views",
        "duckdb_schemas",
        "duckdb_types",
        "duckdb_functions",
        "duckdb_settings",
        "pragma_table_info",
        "pragma_version",
    }
)
_FILE_FUNCTIONS = frozenset(name for name in _TABLE_FUNCTIONS if name.startswith(("read_", "parquet_", "glob")))
_ACTING_FUNCTIONS = frozenset({"write_log", "pg_sleep", "sleep_ms", "setseed"})
_BYTES = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_FIRST_MONTH = 8  # of the academic year
_NO_ENROLMENTS = """
CREATE TABLE reach.enrolment (
    enrolment_key VARCHAR, pupil_key BIGINT, school_key VARCHAR, entry_date DATE, leaving_date DATE
)
"""
_BATCH_ROWS = 2_048  # one vector of the engine: less is never made at once


class ReleaseError(RuntimeError):
    """A release is missing, damaged or lacks what was asked for; the message is one sentence with the remedy."""


class QueryError(ValueError):
    """A query was refused by the fence or is wrong; the message is one sentence."""


@dataclass(frozen=True)
class Reading:
    """What one query read: the tables it names (`*`: by a path or a computed name, so any), the SHA-256 of its text,
    and the rows it gave (None: it failed).
    """

    tables: tuple[str, ...]
    query_sha256: str
    rows: int | None


Journal = Callable[[str, Reading], None]  # the release's id and what was read; raises where it cannot be written down


@dataclass(frozen=True)
class Release:
    """One published release, open for one tier. Closed by the context manager `open_release` or by `close()`.

    `journal` is told of every query before its answer is given out.
    """

    release_id: str
    tier: str
    urns: tuple[str, ...] | None
    manifest: Mapping[str, Any]
    tables: tuple[str, ...]
    result_limit: str
    query_seconds: float
    _connection: duckdb.DuckDBPyConnection = field(repr=False)
    journal: Journal | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def query(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> pa.Table:
        """Runs one SELECT inside the fence.

        Parameters: `sql`, one statement that reads (SELECT, FROM, DESCRIBE, SUMMARIZE); `params`, its values by
        position or name.
        Raises: `QueryError` for more than one statement, one that does not only read, a path outside the fence,
        wrong SQL, or an answer that takes longer or is larger than the settings allow; `ReleaseError` where a file of
        the release cannot be read.
        """
        named: set[str] = set()
        try:
            answer = self._answer(sql, params, named)
        except (QueryError, ReleaseError):
            # What a failing query says of the values it failed over is a reading too.
            self._note(sql, named, None)
            raise
        self._note(sql, named, answer.num_rows)
        return answer

    def _note(self, sql: str, tables: Iterable[str], rows: int | None) -> None:
        if self.journal is not None:
            text = hashlib.sha256(sql.encode("utf-8", "surrogatepass")).hexdigest()
            self.journal(self.release_id, Reading(tuple(sorted(tables)), text, rows))

    def _answer(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None, named: set[str]) -> pa.Table:
        """The answer of a query; the tables that it names are added to `named`."""
        with self._lock:
            cursor = self._connection.cursor()
        alarm = threading.Timer(self.query_seconds, cursor.interrupt)
        alarm.daemon = True
        alarm.start()
        try:
            statements = cursor.extract_statements(sql)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise QueryError("A release can only be read: give one SELECT statement.")
            tree = _parsed(cursor, sql)
            named.update(_tables_of(tree, self.tables, params))
            _refuse_acting_functions(tree)
            return _bounded(cursor.execute(sql, params).to_arrow_reader(_BATCH_ROWS), self.result_limit)
        except duckdb.InterruptException as error:
            raise QueryError(
                f"The query took longer than {self.query_seconds:g} seconds; narrow it, or raise "
                "EVERYPUPIL_QUERY_SECONDS."
            ) from error
        except duckdb.PermissionException as error:
            raise QueryError(
                "That file is outside what this role may read; query the views listed by `tables`."
            ) from error
        except (duckdb.IOException, duckdb.InvalidInputException, duckdb.SerializationException) as error:
            if isinstance(error, duckdb.InvalidInputException) and "parquet" not in str(error).lower():
                raise QueryError(_first_line(error)) from error
            raise ReleaseError(
                f"A file of release {self.release_id} cannot be read ({_first_line(error)}); "
                "run `everypupil verify`, then publish again or roll back."
            ) from error
        except duckdb.Error as error:
            raise QueryError(_first_line(error)) from error
        finally:
            alarm.cancel()
            cursor.close()

    def rows(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """As `query`, as a list of dictionaries."""
        rows: list[dict[str, Any]] = self.query(sql, params).to_pylist()
        return rows

    def frame(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> pd.DataFrame:
        """As `query`, as a pandas frame; whole numbers with gaps stay whole numbers."""
        frame: pd.DataFrame = self.query(sql, params).to_pandas(types_mapper=_NULLABLE_INTEGERS.get)
        return frame

    def has(self, table: str) -> bool:
        """Whether this reader has the view `exports.<name>` or `marts.<name>`."""
        return table in self.tables

    def close(self) -> None:
        self._connection.close()


def _parsed(cursor: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    """Every node of a statement's syntax tree. Raises `QueryError` where it is no SELECT or nested too deeply."""
    parsed = cursor.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    try:
        pending = [json.loads(parsed[0])] if parsed else [{"error": True}]
    except RecursionError:
        raise QueryError("The query is nested too deeply; write it flatter.") from None
    if pending[0]["error"]:
        raise QueryError("A release can only be read: give one SELECT statement.")
    nodes = []
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending.extend(node)
        elif isinstance(node, dict):
            pending.extend(node.values())
            nodes.append(node)
    return nodes


def _refuse_acting_functions(nodes: Iterable[Mapping[str, Any]]) -> None:
    """Raises `QueryError` where a statement calls a function that does more than read."""
    for node in nodes:
        call = node.get("function")
        if node.get("type") == "TABLE_FUNCTION" and isinstance(call, dict):
            name = str(call.get("function_name")).lower()
            if name not in _TABLE_FUNCTIONS:
                raise QueryError(f"The function {name} cannot be called here; query the views listed by `tables`.")
        name = str(node.get("function_name")).lower()
        if name in _ACTING_FUNCTIONS:
            raise QueryError(f"The function {name} cannot be called here; a release can only be read.")


def _tables_of(
    nodes: Iterable[Mapping[str, Any]], known: Collection[str], params: Sequence[Any] | Mapping[str, Any] | None
) -> set[str]:
    """The tables of the release that a statement names; `*` where it may read any, by a path or a computed name.

    Nothing else of the text is told: a name that the release does not have could be a pupil's.
    """
    found: set[str] = set()
    given = list(params.values() if isinstance(params, Mapping) else params or [])
    for node in nodes:
        call = node.get("function")
        if node.get("type") == "BASE_TABLE":
            name = str(node.get("table_name")).lower()
            schema = str(node.get("schema_name") or "").lower()
            found |= {table for table in known if table in (f"{schema}.{name}", name)}
            if "/" in name or name.endswith(".parquet"):
                found.add("*")
        elif node.get("type") == "TABLE_FUNCTION" and isinstance(call, dict):
            function = str(call.get("function_name")).lower()
            named = {value for value in [*given, *_texts(call)] if isinstance(value, str)} & set(known)
            found |= named if function == "query_table" else set()
            if function in _FILE_FUNCTIONS or (function == "query_table" and not named):
                found.add("*")
    return found


def _texts(call: Mapping[str, Any]) -> list[Any]:
    """The constants that stand as arguments of a function."""
    children = [child for child in call.get("children", []) if isinstance(child, dict)]
    return [child["value"].get("value") for child in children if isinstance(child.get("value"), dict)]


def _bounded(batches: pa.RecordBatchReader, limit: str) -> pa.Table:
    """All batches as one table. Raises `QueryError` as soon as they come to more bytes than `limit`, such as 512MB."""
    number, unit = re.fullmatch(r"([\d.]+)\s*([A-Za-z]+)", limit).groups()  # type: ignore[union-attr]  # settings checked it
    left = float(number) * _BYTES[unit.upper()]
    kept: list[pa.RecordBatch] = []
    for batch in batches:
        left -= batch.nbytes
        if left < 0:
            raise QueryError(
                f"The answer is larger than {limit}; sum it up or add a LIMIT, or raise EVERYPUPIL_RESULT_LIMIT."
            )
        kept.append(batch)
    return pa.Table.from_batches(kept, batches.schema)


_NULLABLE_INTEGERS: dict[pa.DataType, Any] = {
    pa.int8(): pd.Int64Dtype(),
    pa.int16(): pd.Int64Dtype(),
    pa.int32(): pd.Int64Dtype(),
    pa.int64(): pd.Int64Dtype(),
}


def current_release_id(settings: Settings) -> str:
    """The id of the release in force. Raises `ReleaseError` where none was published or the pointer is damaged."""
    pointer = settings.releases_dir / "CURRENT"
    try:
        release_id = pointer.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise ReleaseError(f"No release has been published in {settings.home}; run `everypupil run` first.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ReleaseError(f"The pointer {pointer} cannot be read ({error}); run `everypupil rollback ID`.") from error
    if not _NAME.fullmatch(release_id):
        raise ReleaseError(f"The pointer {pointer} does not name a release; run `everypupil rollback ID`.")
    return release_id


def read_manifest(settings: Settings, release_id: str) -> dict[str, Any]:
    """The manifest of one release. Raises `ReleaseError` where the release or its manifest is missing or damaged."""
    if not _NAME.fullmatch(release_id):
        raise ReleaseError("That is not the name of a release; `everypupil releases` lists them.")
    path = settings.releases_dir / release_id / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ReleaseError(
            f"Release {release_id} is missing or was not finished (no {path.name}); "
            "run `everypupil rollback ID` to return to a good one."
        ) from None
    except (OSError, ValueError) as error:
        raise ReleaseError(
            f"The manifest of release {release_id} is damaged ({error}); run `everypupil verify`."
        ) from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("tables"), dict) or not manifest["tables"]:
        raise ReleaseError(f"The manifest of release {release_id} lists no tables; run `everypupil verify`.")
    return manifest


def read_last_run(settings: Settings) -> dict[str, Any] | None:
    """What the newest run came to (`LAST_RUN.json`), or None where no run has been recorded. Raises `ReleaseError` if
    damaged.
    """
    path = settings.releases_dir / "LAST_RUN.json"
    try:
        last_run = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ReleaseError(
            f"The record of the newest run, {path.name}, cannot be read ({error}); run `everypupil status`."
        ) from error
    if not isinstance(last_run, dict):
        raise ReleaseError(f"The record of the newest run, {path.name}, is damaged; run `everypupil status`.")
    return last_run


@contextmanager
def open_release(
    settings: Settings, tier: str, urns: Iterable[str] | None = None, release_id: str | None = None
) -> Iterator[Release]:
    """Opens a release for one tier and closes it again; see `connect_release`."""
    release = connect_release(settings, tier, urns, release_id)
    try:
        yield release
    finally:
        release.close()


def connect_release(
    settings: Settings,
    tier: str,
    urns: Iterable[str] | None = None,
    release_id: str | None = None,
    *,
    year_groups: Iterable[str] | None = None,
    special_category: bool = False,
    tables: Collection[str] | None = None,
    journal: Journal | None = None,
) -> Release:
    """Opens a release for one tier; the caller closes it.

    Parameters: `tier`, public, leaders or pupils; for tier pupils `urns`, the schools whose rows may be read (None:
    every school and the rows of no one school), `year_groups` (None: all of them) and `special_category`, whether
    ethnicity, SEN, looked-after and free-meal status may be read; `release_id`, default the one in force; `tables`,
    the marts that will be asked for (None: any): of what has to be copied, the rest is listed and cannot be read;
    `journal`, told of every query.
    Views: `exports.<table>` over the tier's folder (tier pupils: over the leaders' folder); for tier pupils also
    `marts.<table>`.
    Raises: `ReleaseError` for an unknown tier, a school the release does not hold, or a release that is missing or
    damaged.
    """
    if tier not in TIERS:
        raise ReleaseError(f"There is no tier '{tier}'; choose one of {', '.join(TIERS)}.")
    wanted = release_id or current_release_id(settings)
    manifest = read_manifest(settings, wanted)
    root = (settings.releases_dir / wanted).resolve()
    schools = None if urns is None else tuple(sorted({str(urn) for urn in urns}))
    years = None if year_groups is None else tuple(sorted(set(year_groups)))
    figures = _existing(root / ("leaders" if tier == "pupils" else tier))
    sources = _sources(manifest, root, "exports", figures.name, [figures])
    reach = Reach(schools, years, special_category)
    if tier == "pupils":
        sources |= _sources(manifest, root, "marts", tier, _school_folders(root, schools))
        if schools is not None and special_category:
            # Statuses are of no one school; this reader gets those of its own pupils, copied.
            statuses = _sources(manifest, root, "marts", tier, [_existing(root / "pupils" / ALL_SCHOOLS)])
            sources |= {name: source for name, source in statuses.items() if name == f"marts.{STATUS_TABLE}"}
    if not sources:
        raise ReleaseError(f"Release {root.name} holds no tables for this tier; run `everypupil verify`.")
    connection, names = _fenced(settings, manifest, figures, sources, reach, tables)
    return Release(
        wanted,
        tier,
        schools,
        manifest,
        tuple(sorted(names)),
        settings.result_limit,
        settings.query_seconds,
        connection,
        journal,
    )


@dataclass(frozen=True)
class _Source:
    """The files of one table (absolute), and the rows that the manifest counts in them."""

    files: list[str]
    rows: int


def _school_folders(root: Path, urns: tuple[str, ...] | None) -> list[Path]:
    """The folders of pupils' rows that hold what this reader may read, whole or in part; None: all of them."""
    if urns is None:
        present = sorted(path for path in _existing(root / "pupils").iterdir() if path.name.startswith("urn="))
        return [_existing(path) for path in present]
    if not urns:
        raise ReleaseError("A reader of pupil rows needs at least one school; name its URN.")
    folders = []
    for urn in urns:
        if not _NAME.fullmatch(urn) or not (root / "pupils" / f"urn={urn}").is_dir():
            raise ReleaseError(f"Release {root.name} holds no school with that URN; export dim_school to see the URNs.")
        folders.append(_existing(root / "pupils" / f"urn={urn}"))
    return folders


def _existing(folder: Path) -> Path:
    # A link inside a release could lead to another school's folder: only the folder itself is ever allowed.
    if folder.is_symlink() or not folder.is_dir():
        raise ReleaseError(f"The folder {folder.name} of the release is missing; run `everypupil verify`.")
    return folder


def _sources(
    manifest: Mapping[str, Any], root: Path, schema: str, tier: str, folders: list[Path]
) -> dict[str, _Source]:
    """By view name, the files of a tier's tables that lie in these folders."""
    sources: dict[str, _Source] = {}
    for table, entry in (manifest["tables"].get(tier) or {}).items():
        if not re.fullmatch(r"[a-z_][a-z0-9_]*", table):
            raise ReleaseError(
                f"The manifest of release {root.name} holds an impossible table name; run `everypupil verify`."
            )
        files: list[str] = []
        rows = 0
        for file in entry["files"]:
            path = root / file["path"]
            if any(folder in path.parents for folder in folders):
                _check_parquet(path, root.name)
                files.append(str(path))
                rows += int(file["rows"])
        if files:
            sources[f"{schema}.{table}"] = _Source(files, rows)
    return sources


def _check_parquet(path: Path, release_id: str) -> None:
    """A cheap look at both ends of a file: a truncated or overwritten file is found before anyone reads a figure from
    it.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4)
            file.seek(-4, 2)
            tail = file.read(4)
    except OSError:
        head = tail = b""
    if ".." in path.parts or path.is_symlink() or head != _PARQUET_MAGIC or tail != _PARQUET_MAGIC:
        raise ReleaseError(
            f"The file {path.name} of release {release_id} is missing or damaged; "
            "run `everypupil verify`, then publish again or roll back."
        )


def _fenced(
    settings: Settings,
    manifest: Mapping[str, Any],
    figures: Path,
    sources: dict[str, _Source],
    reach: Reach,
    wanted: Collection[str] | None,
) -> tuple[duckdb.DuckDBPyConnection, list[str]]:
    """The locked connection, and the names of its tables and views."""
    config = settings.duckdb_config() | {
        # A temporary directory would be one more place that may be read and written.
        "temp_directory": "",
        "python_enable_replacements": "false",
        "allow_community_extensions": "false",
        "allow_unsigned_extensions": "false",
    }
    release_id = figures.parent.name
    connection = duckdb.connect(":memory:", config=config)
    try:
        connection.execute("CREATE SCHEMA exports")
        connection.execute("CREATE SCHEMA marts")
        for name, source in sources.items():
            _check_rows(connection, name, source, release_id)
        relations = {name: _relation(connection, source) for name, source in sources.items()}
        copied, left_out = _copy(connection, manifest, relations, reach, wanted)
        whole = {name: source for name, source in sources.items() if name not in copied | left_out}
        paths = [file for name, source in whole.items() if name.startswith("marts.") for file in source.files]
        connection.execute("SET allowed_directories = ?", [[f"{figures}/"]])
        connection.execute("SET allowed_paths = ?", [paths])
        connection.execute("SET enable_external_access = false")
        for name in sorted(whole):
            schema, table = name.split(".")
            connection.execute("USE memory." + schema)
            relations[name].create_view(table)
        connection.execute("USE memory.main")
        connection.execute("SET lock_configuration = true")
    except duckdb.Error as error:
        connection.close()
        raise ReleaseError(
            f"Release {release_id} cannot be opened ({_first_line(error)}); run `everypupil verify`."
        ) from error
    except BaseException:
        connection.close()
        raise
    return connection, [*whole, *copied]


def _check_rows(connection: duckdb.DuckDBPyConnection, name: str, source: _Source, release_id: str) -> None:
    """Raises `ReleaseError` where a table does not have the rows that its manifest counts."""
    found = connection.execute(
        "SELECT coalesce(sum(num_rows), 0) FROM parquet_file_metadata(?)", [source.files]
    ).fetchone()
    if found is None or int(found[0]) != source.rows:
        raise ReleaseError(
            f"Table {name} of release {release_id} does not have the rows its manifest counts; run `everypupil verify`."
        )


def _relation(connection: duckdb.DuckDBPyConnection, source: _Source) -> duckdb.DuckDBPyRelation:
    return connection.from_parquet(source.files, union_by_name=True, hive_partitioning=False)


def _copy(
    connection: duckdb.DuckDBPyConnection,
    manifest: Mapping[str, Any],
    relations: Mapping[str, duckdb.DuckDBPyRelation],
    reach: Reach,
    wanted: Collection[str] | None,
) -> tuple[set[str], set[str]]:
    """Copies into memory what this reader may read in part, before the fence closes.

    Returns: the tables that stand in memory (those not `wanted` as views over files that the fence will refuse, so
    that they are listed), and those that this reader does not get at all.
    """
    copied, left_out = set(), set()
    plans: dict[str, tuple[duckdb.DuckDBPyRelation, str]] = {}
    for name, relation in relations.items():
        schema, table = name.split(".")
        if schema == "exports":
            continue
        try:
            query = reach.copy_of(table, relation.columns)
        except KeyError:
            left_out.add(name)
            continue
        if query is not None:
            copied.add(name)
            kept = ", ".join(_quoted(column) for column in reach.columns_of(relation.columns))
            plans[table] = relation.project(kept), query
    if not plans:
        return copied, left_out
    connection.execute("CREATE SCHEMA reach")
    if any("reach." in query for _, query in plans.values()):
        _write_reach(connection, manifest, relations.get(f"marts.{ENROLMENT_TABLE}"), reach)
    connection.execute("USE memory.marts")
    for table, (relation, query) in plans.items():
        if wanted is None or table in wanted:
            relation.query("t", query).create(table)
        else:
            relation.create_view(table)
    connection.execute("USE memory.main")
    connection.execute("DROP SCHEMA reach CASCADE")
    return copied, left_out


def _write_reach(
    connection: duckdb.DuckDBPyConnection,
    manifest: Mapping[str, Any],
    enrolments: duckdb.DuckDBPyRelation | None,
    reach: Reach,
) -> None:
    """The tables that the filters of `reach` ask: year groups, the academic year of the release, enrolments."""
    as_of = dt.date.fromisoformat(str(manifest["as_of"]))
    first = as_of.year if as_of.month >= _FIRST_MONTH else as_of.year - 1
    connection.execute("CREATE TABLE reach.year_group (nc_year VARCHAR)")
    for year in reach.year_groups or ():
        connection.execute("INSERT INTO reach.year_group VALUES (?)", [year])
    connection.execute("CREATE TABLE reach.current_year (first_day DATE, academic_year VARCHAR, is_limited BOOLEAN)")
    connection.execute(
        "INSERT INTO reach.current_year VALUES (?, ?, ?)",
        [dt.date(first, _FIRST_MONTH, 1), f"{first}/{(first + 1) % 100:02d}", reach.year_groups is not None],
    )
    if enrolments is None:
        connection.execute(_NO_ENROLMENTS)
    else:
        connection.execute("USE memory.reach")
        enrolments.query("t", ENROLMENTS).create("enrolment")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")
