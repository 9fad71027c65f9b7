"""Commands that read a release through its fence: sql, export."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from orchestration.commands.common import Home, as_csv, as_table, print_json, with_home
from orchestration.errors import WrongUse


@contextmanager
def _wrong_use() -> Iterator[None]:
    """Turns a role, a unit, a name or a query that cannot be used into wrong use of the command."""
    from dashboard.access import AccessError
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
    except (AccessError, ExportError) as error:
        raise WrongUse(str(error)) from error


def _is_sql(sentence: str) -> bool:
    """Whether a sentence is DuckDB's own, which says what is wrong and not what to do."""
    return sentence.split(":")[0] in {"Catalog Error", "Parser Error", "Binder Error"}


@click.command(short_help="Ask the release a read-only question, in SQL.")
@click.argument("query")
@click.option(
    "--as", "role", metavar="ROLE", help="Read as this role: public (default), leaders, school:URN or operator."
)
@click.option("--restricted", is_flag=True, help="For the operator: marts.* of all schools as well.")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@with_home
def sql(home: Home, query: str, role: str | None, restricted: bool, form: str) -> None:
    """Ask the release in force a read-only question, at a role's tier.

    Published tables are exports.measure_value, exports.gap, exports.progress_school, exports.dim_school and others.
    """
    from dashboard.access import open_as

    if role and restricted:
        raise WrongUse("Give either --as ROLE or --restricted, not both.")
    with _wrong_use(), open_as(home.settings(), "operator" if restricted else role or "public") as release:
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
@click.option(
    "--as", "role", default="public", show_default=True, metavar="ROLE", help="public, leaders, school:URN or operator."
)
@click.option("--unit", metavar="URN", help="One school.")
@click.option("--format", "form", type=click.Choice(["xlsx", "csv", "parquet"]), default="xlsx", show_default=True)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The file to write, or a folder for it.")
@with_home
def export(home: Home, name: str, role: str, unit: str | None, form: str, out: Path) -> None:
    """Write a table or a pack of the release in force, at a role's tier.

    NAME is school_pack (one school, with --unit), trust_pack (all schools) or a table: measure_value, gap,
    progress_school, coverage, measure, dim_school. A pack is a workbook (xlsx).
    """
    from dashboard.export import export_table

    with _wrong_use():
        existed = {folder for folder in (out.absolute(), *out.absolute().parents) if folder.is_dir()}
        written = export_table(home.settings(), name, role, unit, form, out)
    if written.absolute().parent not in existed:
        click.echo(f"Made the folder {written.parent}.")
    click.echo(f"Wrote {written}.")
