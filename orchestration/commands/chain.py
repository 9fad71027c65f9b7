"""Commands that move data: demo, example, synth, check, run, accept."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from ingest.settings import CONFIG_FILE, Settings
from orchestration.commands.common import Home, as_json, print_json, print_lines, settings_of, with_home
from orchestration.errors import ExitCode, WrongUse
from orchestration.last_run import LastRun, rows_of

DEMO_YEAR_END = date(2026, 7, 31)
_SYNTHETIC = "Synthetic data: these schools and pupils are made up; no finding about real ones can be drawn from them."
_LONDON = (
    "An example: real pupils of inner London who sat an exam in the late 1980s. The names and numbers of their schools "
    "and all dates are chosen."
)
_DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command(short_help="Take everything new, up to a published release.")
@click.option(
    "--landing",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where extracts arrive (default: <home>/landing).",
)
@click.option("--as-of", type=_DAY, help="The day up to which marks, lists and results count (default: today).")
@click.option("--full-refresh", is_flag=True, help="Rebuild every slice, also those that did not change.")
@as_json
@with_home
def run(home: Home, landing: Path | None, as_of: datetime | None, full_refresh: bool, json_output: bool) -> None:
    """Take everything new: ingest, dbt, fits, disclosure, gate, publish.

    Ends with 0 (published, or nothing new), 1 (failed, or a refused file lies in landing still), 3 (refused: the old
    release stands).
    """
    finish(
        run_shown(home.settings(landing=landing), as_of.date() if as_of else None, full_refresh=full_refresh),
        json_output,
    )


def run_shown(settings: Settings, as_of: date | None, *, full_refresh: bool = False) -> LastRun:
    """Runs the chain, showing its progress."""
    from orchestration import progress
    from orchestration.runner import run_chain

    with progress.shown():
        return run_chain(settings, as_of, full_refresh=full_refresh)


def finish(ended: LastRun, json_output: bool) -> None:
    """Says how a run ended and leaves with its exit code."""
    if json_output:
        print_json(asdict(ended))
    elif ended.exit_code == ExitCode.DONE:
        click.echo(ended.sentence)
    else:
        # A release that stands is no error, though the files it lacks are told by the exit code.
        is_told = ended.outcome in ("published", "nothing_new")
        click.echo(ended.sentence if is_told else f"Error: {ended.sentence}", err=True)
        for failure in ended.failures:
            click.echo(
                f"  {failure['rule_id']} {failure['table']}: {rows_of(failure)}. {failure['sentence']}",
                err=True,
            )
    if not json_output:
        for warning in ended.warnings:
            click.echo(
                f"Warning: {warning['rule_id']} {warning['table']}: {rows_of(warning)}. Published, but this "
                f"does not hold: {warning['sentence']}",
                err=True,
            )
    if ended.exit_code != ExitCode.DONE:
        raise click.exceptions.Exit(int(ended.exit_code))


@click.command(short_help="Make the synthetic trust, run, open the dashboard.")
@click.option("--no-dashboard", is_flag=True, help="End after the release.")
@with_home
def demo(home: Home, no_dashboard: bool) -> None:
    """Make the synthetic trust, run everything, publish, open the dashboard."""
    from ingest.synth.config import SynthConfig

    settings = home.settings()
    if settings.landing_dir.is_dir() and any(settings.landing_dir.iterdir()):
        click.echo(f"{settings.landing_dir} has extracts already; they are used.", err=True)
    else:
        settings = with_notice(settings, _SYNTHETIC)
        make_trust(settings.landing_dir, SynthConfig())
    ended = run_shown(settings, DEMO_YEAR_END)
    finish(ended, json_output=False)
    if not no_dashboard:
        from orchestration.commands.serve import serve_dashboard

        serve_dashboard(settings, "public")
    elif ended.release_id is not None:
        named = "everypupil" if home.path is None else f"everypupil --home {home.path}"
        click.echo(f"Look at it: {named} dashboard, as the public does; with --as leaders, as leaders do.")
        click.echo(f"Take it away: {named} export trust_pack --as leaders --out trust.xlsx")


def with_notice(settings: Settings, notice: str) -> Settings:
    """Lets the home say of itself that its figures are of no trust of today; a file of settings that is there stands.

    Written before the extracts are: a home whose making was cut off says so already.
    """
    path = settings.home / CONFIG_FILE
    if path.exists() or settings.notice is not None:
        return settings
    path.parent.mkdir(parents=True, exist_ok=True)
    # A JSON string of plain text is a TOML string too.
    path.write_text(f"notice = {json.dumps(notice)}\n", encoding="utf-8")
    return settings.model_copy(update={"notice": notice})


@click.group()
def example() -> None:
    """Real data that anyone may have."""


@example.command()
@click.pass_context
def london(context: click.Context) -> None:
    """The real 4,059 pupils of 65 inner-London schools, through the whole chain, in <home>-london unless --home is
    given.
    """
    from ingest.example_london import write_london

    home: Home = context.obj
    root = context.find_root()
    given = root.get_parameter_source("home") is click.core.ParameterSource.COMMANDLINE
    settings = home.settings()
    if not given:
        settings = settings_of(settings.home.with_name(f"{settings.home.name}-london"))
    if not (settings.landing_dir.is_dir() and any(settings.landing_dir.iterdir())):
        settings = with_notice(settings, _LONDON)
        write_london(settings.landing_dir)
    finish(run_shown(settings, None), json_output=False)
    click.echo(f"Its home is {settings.home}.")


@click.command()
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to write to; must be empty.",
)
@click.option("--schools", type=int, default=10, show_default=True)
@click.option("--pupils", type=int, default=4500, show_default=True, help="On roll each year, about.")
@click.option("--years", type=int, default=2, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--mis", default="sims", show_default=True, help="The shapes of file to write: sims.")
@click.option("--faults", default="", metavar="all|NAME,…", help="Plant these faults, each found under its own rule.")
@as_json
def synth(
    out: Path, schools: int, pupils: int, years: int, seed: int, mis: str, faults: str, json_output: bool
) -> None:
    """Write the extracts of a synthetic trust."""
    from ingest.synth.config import SynthConfig

    if mis != "sims":
        raise WrongUse(f"'{mis}' cannot be written yet; use --mis sims.")
    names = tuple(name.strip() for name in faults.split(",") if name.strip())
    try:
        config = SynthConfig(schools=schools, pupils=pupils, years=years, seed=seed, faults=names)
        report = make_trust(out, config)
    except (ValueError, FileExistsError) as error:
        raise WrongUse(str(error)) from error
    if json_output:
        print_json(asdict(report))
    else:
        click.echo(f"Wrote the extracts of {schools} schools to {out}.")


def make_trust(out: Path, config: Any) -> Any:
    """Writes a synthetic trust, showing how far it is."""
    from ingest.synth.trust import write_trust
    from orchestration import progress

    with progress.shown(), progress.step("synthetic trust"):
        return write_trust(out, config)


@click.command(short_help="Judge files without loading them.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--feed", help="Judge as this feed (default: recognised by folder or header).")
@as_json
@with_home
def check(home: Home, files: tuple[Path, ...], feed: str | None, json_output: bool) -> None:
    """Judge files without loading them: 0 clean, 1 any refusal."""
    from ingest.check import check_file

    settings = home.settings()
    try:
        verdicts = [check_file(settings, path, feed) for path in files]
    except ValueError as error:
        raise WrongUse(str(error)) from error
    if json_output:
        print_json([asdict(verdict) | {"is_clean": verdict.is_clean} for verdict in verdicts])
    else:
        for verdict in verdicts:
            print_lines(*verdict_lines(verdict))
    if not all(verdict.is_clean for verdict in verdicts):
        raise click.exceptions.Exit(int(ExitCode.FAILED))


def verdict_lines(verdict: Any) -> list[str]:
    """A file's verdict as lines for people."""
    if verdict.refusal is not None:
        lines = [f"refused: {verdict.refusal}"]
    else:
        counts = (
            f"{verdict.rows_read:,} rows read, {verdict.rows_accepted:,} accepted, {verdict.rows_refused:,} refused"
        )
        lines = [f"{verdict.file_name}: {verdict.feed}, {counts}."]
        if verdict.feed == "session_marks":
            lines.append("  Not judged here: run holds a register of far fewer pupils than those it would replace.")
    for word, names in (("missing", verdict.missing_columns), ("extra", verdict.extra_columns)):
        if names:
            lines.append(f"  {word} columns: {', '.join(names)}")
    for rule in verdict.rules:
        first = ", ".join(str(line) for line in rule.first_lines)
        lines.append(f"  {rule.severity} {rule.rule_id}: {rule.n_rows:,} rows (first lines {first}). {rule.sentence}")
    return lines


@click.command()
@click.option(
    "--partial", "delivery_id", required=True, metavar="ID", help="The held delivery, as everypupil status names it."
)
@as_json
@with_home
def accept(home: Home, delivery_id: str, json_output: bool) -> None:
    """Apply a held delivery from the next run on."""
    from ingest.lake import Lake
    from orchestration.writer_lock import writer_lock

    settings = home.settings()
    with writer_lock(settings):
        try:
            Lake(settings).accept_partial(delivery_id)
        except (KeyError, ValueError) as error:
            raise WrongUse(str(error.args[0])) from error
    if json_output:
        print_json({"accepted": delivery_id})
    else:
        click.echo(f"Delivery {delivery_id} is accepted; everypupil run applies it.")
