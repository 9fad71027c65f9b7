"""Commands about releases: status, releases, rollback, verify."""

from __future__ import annotations

from typing import Any

import click

from ingest.settings import Settings
from orchestration import progress
from orchestration.commands.common import Home, as_json, as_table, print_json, with_home
from orchestration.conclusion import refused_in_landing
from orchestration.errors import ChainError, ExitCode
from orchestration.last_run import read_last_run, rows_of
from orchestration.releases import current_id, list_releases, read_manifest, verify_ledger
from orchestration.releases import rollback as roll_back
from orchestration.releases import verify as verify_release
from orchestration.writer_lock import writer_lock


@click.command(short_help="Say what is published, held and refused.")
@as_json
@with_home
def status(home: Home, json_output: bool) -> None:
    """What is published, how much of it arrived, what is held or refused, and how the newest run ended."""
    found = status_of(home.settings())
    if json_output:
        print_json(found)
        return
    click.echo(f"Home: {found['home']}")
    if found["release_id"] is None:
        click.echo("Nothing is published yet; everypupil run publishes what lies in landing.")
    else:
        click.echo(f"Release {found['release_id']}, as of {found['as_of']}, published {found['published_at']}.")
        click.echo(found["coverage_sentence"])
    for held in found["held"]:
        click.echo(
            f"Held: {held['feed']}, school {held['laestab']}, {held['file_name']} ({held['held_reason']}); "
            f"everypupil accept --partial {held['delivery_id']} applies it."
        )
    for refused in found["refused_files"]:
        click.echo(f"Refused: {refused['sentence']}")
    last = found["last_run"]
    if last is not None:
        click.echo(f"Newest run ({last['outcome']}, {last['finished_at']}): {last['sentence']}")
        if last["outcome"] == "published" and last["release_id"] != found["release_id"]:
            click.echo(
                f"  Its release is not the one in force, for that was rolled back to; everypupil rollback "
                f"{last['release_id']} brings it back, and the next run with something to do publishes anew."
            )
        for failure in last["failures"]:
            click.echo(f"  {failure['rule_id']} {failure['table']}: {rows_of(failure)}")
        for warning in last.get("warnings", []):
            click.echo(f"  Warning: {warning['rule_id']} {warning['table']}: {rows_of(warning)}. {warning['sentence']}")


def status_of(settings: Settings) -> dict[str, Any]:
    """The state of a home, for people and programs."""
    release_id = current_id(settings)
    manifest: dict[str, Any] = {} if release_id is None else read_manifest(settings, release_id)
    last = read_last_run(settings)
    return {
        "home": str(settings.home),
        "release_id": release_id,
        "as_of": manifest.get("as_of"),
        "published_at": manifest.get("published_at"),
        "coverage_sentence": manifest.get("coverage_sentence"),
        "gate": manifest.get("gate"),
        "held": manifest.get("held", []),
        "refused_files": refused_in_landing(settings),
        "open_failures": last["failures"] if last else [],
        "last_run": last,
    }


@click.command()
@as_json
@with_home
def releases(home: Home, json_output: bool) -> None:
    """The releases that are kept, newest first."""
    settings = home.settings()
    current = current_id(settings)
    rows = [
        {
            "release_id": manifest["release_id"],
            "current": manifest["release_id"] == current,
            "as_of": manifest["as_of"],
            "published_at": manifest["published_at"],
            "deliveries": len(manifest["deliveries"]),
            "held": len(manifest["held"]),
            "refused_files": len(manifest["refused_files"]),
            "warnings": manifest["gate"]["n_warnings"],
        }
        for manifest in list_releases(settings)
    ]
    if json_output:
        print_json(rows)
    elif rows:
        click.echo(as_table(list(rows[0]), [row | {"current": "*" if row["current"] else ""} for row in rows]))
    else:
        click.echo("Nothing is published yet; everypupil run publishes what lies in landing.")


@click.command(short_help="Serve an earlier release again.")
@click.argument("release_id", metavar="ID")
@as_json
@with_home
def rollback(home: Home, release_id: str, json_output: bool) -> None:
    """Serve an earlier release again; the next run that has something to do publishes anew."""
    settings = home.settings()
    with writer_lock(settings):
        roll_back(settings, release_id)
    if json_output:
        print_json({"release_id": release_id})
    else:
        click.echo(f"Release {release_id} is served.")


@click.command(short_help="Recompute every hash of a release.")
@click.argument("release_id", metavar="[ID]", required=False)
@as_json
@with_home
def verify(home: Home, release_id: str | None, json_output: bool) -> None:
    """Recompute every hash of a release (default: the one in force): 0 whole, 1 damaged."""
    settings = home.settings()
    wanted = release_id or current_id(settings)
    if wanted is None:
        raise ChainError(f"Nothing is published in {settings.home}; everypupil run publishes what lies in landing.")
    with progress.shown(), progress.step(f"verify {wanted}"):
        damaged = verify_release(settings, wanted, progress.count)
        of_ledger = verify_ledger(settings)
    problems = [*damaged, *of_ledger]
    if json_output:
        print_json({"release_id": wanted, "whole": not problems, "problems": problems})
    elif not problems:
        click.echo(f"Release {wanted} is whole: every file holds what was published.")
    if problems:
        if not json_output:
            more = f" and {len(damaged) - 5} more" if len(damaged) > 5 else ""
            named = "; ".join(damaged[:5])
            if damaged:
                click.echo(
                    f"Error: Release {wanted} is damaged: {named}{more}; go back with everypupil rollback ID.", err=True
                )
            for sentence in of_ledger[:5]:
                click.echo(f"Error: {sentence}", err=True)
        raise click.exceptions.Exit(int(ExitCode.FAILED))
