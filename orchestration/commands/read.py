"""Commands that read a release through its fence, and who read it: sql, export, access-log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from orchestration.commands.common import Home, as_csv, as_json, as_table, print_json, with_home
from orchestration.errors import ChainError, WrongUse

ROLES = "public, leaders, school:URN or operator; or as access.yml in the home names them."


@contextmanager
def wrong_use() -> Iterator[None]:
    """Turns a role, a unit, a name or a query that cannot be used into wrong use of the command."""
    from dashboard.access import AccessError
    from dashboard.access_log import AccessLogError
    from dashboard.export import ExportError
    from dashboard.reader import QueryError

    try:
        yield
    except QueryError as error:
        hint = (
            '; `everypupil sql "FROM information_schema.tables"` lists what this role may read.'
            if _is_sql(str(error))
            else ""
        )
        raise WrongUse(f"{str(error).rstrip('.!') if hint else error}{hint}") from error
    except AccessLogError as error:
        raise ChainError(str(error)) from error
    except (AccessError, ExportError) as error:
        raise WrongUse(str(error)) from error


def _is_sql(sentence: str) -> bool:
    """Whether a sentence is DuckDB's own, which says what is wrong and not what to do."""
    return sentence.split(":")[0] in {"Catalog Error", "Parser Error", "Binder Error"}


@click.command(short_help="Ask the release a read-only question, in SQL.")
@click.argument("query")
@click.option("--as", "role", metavar="ROLE", help=f"Read as this role (default: public): {ROLES}")
@click.option("--restricted", is_flag=True, help="For the operator: marts.* of all schools as well.")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@with_home
def sql(home: Home, query: str, role: str | None, restricted: bool, form: str) -> None:
    """Ask the release in force a read-only question, at a role's tier.

    Published tables are exports.measure_value, exports.gap, exports.progress_school, exports.dim_school and others.
    """
    from dashboard.access import open_as
    from dashboard.reach import named_in

    if role and restricted:
        raise WrongUse("Give either --as ROLE or --restricted, not both.")
    role = "operator" if restricted else role or "public"
    with wrong_use(), open_as(home.settings(), role, tables=named_in(query)) as release:
        found = release.query(query)
    rows = found.to_pylist()
    if form == "json":
        print_json(rows)
    elif form == "csv":
        click.echo(as_csv(found.column_names, rows), nl=False)
    else:
        click.echo(as_table(found.column_names, rows))


@click.command(short_help="Write a table or a pack of the release to a file.")
@click.argument("name")
@click.option("--as", "role", default="public", show_default=True, metavar="ROLE", help=ROLES)
@click.option("--unit", metavar="URN", help="One school.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["xlsx", "csv", "parquet"]),
    help="Default: as the file's name ends, otherwise xlsx.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The file to write, or a folder for it.")
@with_home
def export(home: Home, name: str, role: str, unit: str | None, form: str | None, out: Path) -> None:
    """Write a table or a pack of the release in force, at a role's tier.

    NAME is school_pack (one school, with --unit), trust_pack (all schools) or any table of the tier: measure_value,
    gap, progress_school, coverage, measure, dim_school and more; an unknown name lists them. A pack is a workbook.
    """
    from dashboard.export import export_table

    with wrong_use():
        existed = {folder for folder in (out.absolute(), *out.absolute().parents) if folder.is_dir()}
        written = export_table(home.settings(), name, role, unit, form, out)
    if written.absolute().parent not in existed:
        click.echo(f"Made the folder {written.parent}.")
    click.echo(f"Wrote {written}.")


@click.command("access-log", short_help="Who read pupils' rows or took figures away.")
@click.option("--verify", is_flag=True, help="Only check that no line was removed, changed or moved.")
@as_json
@with_home
def access_log(home: Home, verify: bool, json_output: bool) -> None:
    """Print the access log of this home, and check that no line was removed, changed or moved.

    Each line holds the hash of the line before, and a head beside the log counts the lines. Whoever may write both
    files and rewrites both leaves no trace; keep copies of the head elsewhere.
    """
    from dashboard.access_log import AccessLogError, read_log

    try:
        entries, problems = read_log(home.settings())
    except AccessLogError as error:
        raise ChainError(str(error)) from error
    if json_output:
        found = [{"line": problem.line, "sentence": problem.sentence} for problem in problems]
        print_json({"lines": len(entries), "problems": found} | ({} if verify else {"entries": entries}))
    elif not verify:
        click.echo(as_table(_SHOWN, [_shown(entry) for entry in entries]))
    if problems:
        raise ChainError(
            "The access log does not hold: "
            + "; ".join(f"line {problem.line}: {problem.sentence}" for problem in problems)
            + "."
        )
    if verify and not json_output:
        click.echo(f"The access log holds: {len(entries)} lines, each on the one before.")


_SHOWN = ("line", "at", "who", "role", "tier", "action", "what", "unit", "release", "rows")


def _shown(entry: dict[str, Any]) -> dict[str, Any]:
    shown = {name: entry.get(name) for name in _SHOWN}
    return shown | {"what": " ".join(map(str, entry.get("what") or [])), "at": str(entry.get("at"))[:19]}
