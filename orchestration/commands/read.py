"""Commands that read a release through its fence: sql, export."""

from __future__ import annotations

from pathlib import Path

import click

from orchestration.commands.common import Home, as_csv, as_table, print_json, with_home
from orchestration.errors import WrongUse


@click.command()
@click.argument("query")
@click.option(
    "--as", "role", metavar="ROLE", help="Read as this role: public (default), leaders, school:URN or operator."
)
@click.option("--restricted", is_flag=True, help="For the operator: marts.* of all schools as well.")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@with_home
def sql(home: Home, query: str, role: str | None, restricted: bool, form: str) -> None:
    """Ask the release in force a read-only question, at a role's tier."""
    from dashboard.access import open_as

    if role and restricted:
        raise WrongUse("Give either --as ROLE or --restricted, not both.")
    with open_as(home.settings(), "operator" if restricted else role or "public") as release:
        found = release.query(query)
    rows = found.to_pylist()
    if form == "json":
        print_json(rows)
    elif form == "csv":
        click.echo(as_csv(found.column_names, rows), nl=False)
    else:
        click.echo(as_table(found.column_names, rows))


@click.command()
@click.argument("name")
@click.option(
    "--as", "role", default="public", show_default=True, metavar="ROLE", help="public, leaders, school:URN or operator."
)
@click.option("--unit", metavar="URN", help="One school.")
@click.option("--format", "form", type=click.Choice(["xlsx", "csv", "parquet"]), default="xlsx", show_default=True)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The file to write, or a folder for it.")
@with_home
def export(home: Home, name: str, role: str, unit: str | None, form: str, out: Path) -> None:
    """Write a table or a pack of the release in force, at a role's tier."""
    from dashboard.export import export_table

    click.echo(f"Wrote {export_table(home.settings(), name, role, unit, form, out)}.")
