"""Puts the chain together: assets, one job, a nightly schedule and a sensor on the landing folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from typing import Any

import dagster as dg

from ingest.decoding import content_sha256
from ingest.settings import Settings, load_settings
from orchestration.chain_run import ChainRun
from orchestration.conclusion import conclude_failed
from orchestration.dbt_assets import Translator, dbt_resource, dbt_step, keys_of
from orchestration.dbt_runner import dbt_environment, load_manifest
from orchestration.landing_sensor import list_landing, read_cursor, tick
from orchestration.python_assets import (
    FEEDS,
    catalogue,
    disclosure_asset,
    feed_asset,
    fits_asset,
    gate_asset,
    ledger_asset,
    release_asset,
)

JOB = "nightly"
NIGHTLY = "0 2 * * *"
TIMEZONE = "Europe/London"
SENSOR_SECONDS = 60


def build_defs(overrides: Mapping[str, Any] | None = None, as_of: date | None = None) -> dg.Definitions:
    """The whole of what Dagster runs, for one home.

    Parameters: `overrides`, any field of `Settings` (`home`, `landing`, `dbt_project_dir`, …); `as_of`, the day that
    dbt's project is parsed with, so that a run for that day need not parse again (default: today).
    Raises: `ChainError` where the dbt project does not parse; `pydantic.ValidationError` for an unknown setting.
    """
    settings = load_settings(**dict(overrides or {}))
    export_environment(settings)
    manifest = load_manifest(settings, as_of or date.today())
    translator = Translator()
    steps = {step: dbt_step(manifest, step, translator) for step in (1, 2, 3)}
    assets: list[dg.AssetsDefinition] = [
        *(feed_asset(feed, description) for feed, description in FEEDS.items()),
        catalogue,
        steps[1],
        fits_asset(keys_of(steps[1])),
        ledger_asset(keys_of(steps[1])),
        steps[2],
        disclosure_asset([*keys_of(steps[1]), *keys_of(steps[2])]),
        steps[3],
        gate_asset(keys_of(steps[3])),
        release_asset(),
    ]
    job = dg.define_asset_job(
        JOB,
        selection=dg.AssetSelection.all(),
        description="Everything new: ingest, dbt, fits, disclosure, gate, publish.",
        executor_def=dg.in_process_executor,
        hooks={record_failure},
    )
    return dg.Definitions(
        assets=assets,
        jobs=[job],
        schedules=[
            dg.ScheduleDefinition(name="nightly_schedule", job=job, cron_schedule=NIGHTLY, execution_timezone=TIMEZONE)
        ],
        sensors=[landing_sensor(settings, job)],
        resources={
            "chain": ChainRun(settings_json=settings.model_dump_json()),
            "dbt": dbt_resource(settings),
        },
        executor=dg.in_process_executor,
    )


def export_environment(settings: Settings) -> None:
    """Hands dbt's profile its paths, and every child our silence about usage, through this process's environment."""
    os.environ.update(dbt_environment(settings))


@dg.failure_hook(required_resource_keys={"chain"})
def record_failure(context: dg.HookContext) -> None:
    """Whoever started the run, its end is on record for the dashboard."""
    chain: ChainRun = context.resources.chain
    error = context.op_exception or RuntimeError("no exception was kept")
    conclude_failed(chain.settings, chain.run_id, chain.started_at, error)


def landing_sensor(settings: Settings, job: Any) -> dg.SensorDefinition:
    """Asks for a run when landing holds something new that has stopped growing."""

    @dg.sensor(
        name="landing_sensor",
        job=job,
        minimum_interval_seconds=SENSOR_SECONDS,
        description="Asks for a run when the landing folder holds something new that has stopped growing.",
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        cursor, run_key = tick(
            read_cursor(context.cursor),
            list_landing(settings.landing_dir),
            lambda path: content_sha256(settings.landing_dir / path),
        )
        requests = [dg.RunRequest(run_key=run_key)] if run_key else []
        return dg.SensorResult(run_requests=requests, cursor=cursor.to_json())

    return watch


def run_config(settings: Settings, as_of: date, *, full_refresh: bool) -> dict[str, Any]:
    """The run configuration of one run of the job; a resource's configuration is given whole or not at all."""
    chain = {"settings_json": settings.model_dump_json(), "as_of": as_of.isoformat(), "full_refresh": full_refresh}
    return {
        "resources": {"chain": {"config": chain}},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }
