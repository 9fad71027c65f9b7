"""Commands that serve until they are stopped: dashboard, dagster."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from ingest.settings import Settings
from orchestration.commands.common import Home, with_home
from orchestration.commands.read import ROLES, wrong_use
from orchestration.errors import ChainError, WrongUse
from orchestration.releases import current_id

LOCAL = "127.0.0.1"
TIERS = ("public", "leaders", "pupils")


@click.command(short_help="Serve the dashboard, at one tier or to one role.")
@click.option("--tier", type=click.Choice(TIERS), help="Default: public; pupils is for the operator.")
@click.option("--as", "role", metavar="ROLE", help=f"Serve what this role may read: {ROLES}")
@click.option("--port", type=int, default=8501, show_default=True)
@with_home
def dashboard(home: Home, tier: str | None, role: str | None, port: int) -> None:
    """Serve the dashboard on this machine, at one tier or to one role."""
    from dashboard.access import role_of_tier

    if tier and role:
        raise WrongUse("Give either --tier or --as ROLE, not both: a role says its tier.")
    serve_dashboard(home.settings(), role or role_of_tier(tier or "public"), port)


@click.command(short_help="Serve Dagster: its pages, schedule and sensor.")
@click.option("--port", type=int, default=3000, show_default=True)
@with_home
def dagster(home: Home, port: int) -> None:
    """Serve Dagster's web pages and its daemon (schedule and sensor) on this machine."""
    from orchestration.dbt_runner import settings_environment
    from orchestration.runner import prepare_dagster_home

    settings = home.settings()
    settings.landing_dir.mkdir(parents=True, exist_ok=True)
    os.environ["DAGSTER_HOME"] = str(prepare_dagster_home(settings))
    click.echo(f"Dagster: http://{LOCAL}:{port}", err=True)
    become(
        [
            *(str(Path(sys.executable).with_name("dagster")), "dev", "-m", "orchestration.definitions"),
            *("--host", LOCAL, "--port", str(port)),
        ],
        {**os.environ, **settings_environment(settings)},
    )


def serve_dashboard(settings: Settings, role: str, port: int = 8501) -> None:
    """Becomes the dashboard's server, so that a signal reaches it and nothing is left behind."""
    from dashboard.access import connect, grant_of
    from dashboard.serve import dashboard_command
    from orchestration.dbt_runner import settings_environment

    if current_id(settings) is None:
        raise ChainError(f"Nothing is published in {settings.home}; everypupil run publishes what lies in landing.")
    with wrong_use():
        command, environment = dashboard_command(settings, role, port, LOCAL)
        grant = grant_of(settings, role)
        if grant.urns is not None:
            # A school that the release does not have would be told on every page, to whoever opens one.
            connect(settings, grant, action=None, tables=()).close()
    click.echo(f"Dashboard ({role}): http://{LOCAL}:{port}", err=True)
    become(command, environment | settings_environment(settings))


def become(arguments: list[str], environment: dict[str, str]) -> None:
    """Replaces this process by another program."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(arguments[0], arguments, environment)
