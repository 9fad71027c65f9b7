"""The assets that are not dbt's: feeds, catalogue, fits, disclosure, the gate and publishing."""

# No `from __future__ import annotations` here: Dagster reads the types of an asset's parameters.
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from ingest.catalogue import write_catalogue
from ingest.pipeline import ingest_feed, survey
from orchestration import progress
from orchestration.chain_run import ChainRun
from orchestration.conclusion import conclude_published
from orchestration.dbt_assets import CATALOGUE, DISCLOSURE, FITS, LEDGER, OWNERS
from orchestration.dbt_runner import settings_environment
from orchestration.errors import ChainError, DataRefused, GateBroken
from orchestration.fingerprint import RunInput, read_run_input, run_input
from orchestration.fits import write_fits
from orchestration.ledger import decide_what_is_told, write_patterns
from orchestration.publish import publish
from orchestration.warehouse import open_warehouse

FEEDS = {
    "schools": "Establishments and their predecessor links, as GIAS publishes them.",
    "calendar": "Which sessions each school was open for.",
    "pupils": "Pupil lists: who was on roll, and with which characteristics, at each as-at date.",
    "session_marks": "Attendance registers: one mark per pupil and session.",
    "attendance_totals": "Attendance totals of schools that give no marks: one row per pupil and term.",
    "assessment_results": "Assessment results: one result per pupil, assessment, subject and date.",
    "suspensions": "Suspensions and exclusions: one row per pupil, kind and first day.",
    "interventions": "Interventions and actions: one row per pupil, intervention and first day.",
    "dfe_statistics": "Statistics that DfE publishes, as comparators: one row per place, period and group.",
    "unrecognised": "Files that no feed recognises: kept, and refused with a sentence each.",
}
GATE = dg.AssetKey(["quality", "gate"])
RELEASE = dg.AssetKey(["releases", "current"])
SUITES = ("raw", "marts", "exports", "reconciliation", "dbt")


def feed_asset(feed: str, description: str) -> dg.AssetsDefinition:
    """The asset of one feed: everything new in landing, judged row by row and taken into the lake."""

    @dg.asset(key=["lake", feed], name=None, group_name="ingest", owners=OWNERS, description=description)
    def take_feed(context: dg.AssetExecutionContext, chain: ChainRun) -> None:
        settings = chain.settings
        with progress.step(f"ingest {feed}"):
            report = ingest_feed(settings, feed, survey(settings), progress.count)
        counts = {
            "files": report.files,
            "files_refused": len(report.refused),
            "rows_read": report.rows_read,
            "rows_accepted": report.rows_accepted,
            "rows_quarantined": report.rows_quarantined,
        }
        if report.files:
            progress.say(f"{feed}: " + ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in counts.items()))
        for refusal in report.refused:
            progress.say(f"refused: {refusal.sentence}")
        context.add_output_metadata(counts)

    return take_feed


@dg.asset(
    key=CATALOGUE,
    deps=[dg.AssetKey(["lake", feed]) for feed in FEEDS],
    group_name="ingest",
    owners=OWNERS,
    description="The lake as tables in the warehouse: deliveries, what is in force of each, and who is who.",
)
def catalogue(chain: ChainRun) -> None:
    settings = chain.settings
    inputs = run_input(settings, chain.day)
    with progress.step("catalogue"), open_warehouse(settings) as connection:
        write_catalogue(settings, connection)
        connection.execute(
            "CREATE OR REPLACE TABLE lake.run_input AS SELECT ? AS run_id, ? AS inputs",
            [chain.run_id, inputs.to_json()],
        )


def fits_asset(deps: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    """The multilevel models, over the aggregates of the first dbt step."""

    @dg.asset(
        key=FITS,
        deps=deps,
        group_name="fits",
        owners=OWNERS,
        description="Value-added models: coefficients, variances and each school's estimate with its interval.",
    )
    def fits(chain: ChainRun) -> None:
        with progress.step("fits"), open_warehouse(chain.settings) as connection:
            write_fits(connection, chain.registry)

    return fits


def ledger_asset(deps: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    """What the public tier may be told next, over the ledger of what it was told."""

    @dg.asset(
        key=LEDGER,
        deps=deps,
        group_name="ledger",
        owners=OWNERS,
        description="Which of what came since the last release the public tier may be told of, and what waits.",
    )
    def decision(context: dg.AssetExecutionContext, chain: ChainRun) -> None:
        with progress.step("ledger"), open_warehouse(chain.settings) as connection:
            inputs = built_from(
                connection.execute("SELECT run_id, inputs FROM lake.run_input").fetchone(), chain.run_id
            )
            sentence = decide_what_is_told(chain.settings, connection, chain.registry, inputs)
        progress.say(sentence)
        context.add_output_metadata({"waiting": sentence})

    return decision


def disclosure_asset(deps: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    """Which figures each tier may not see, over the marts."""

    @dg.asset(
        key=DISCLOSURE,
        deps=deps,
        group_name="disclosure",
        owners=OWNERS,
        description="Which cells are hidden from the public and leaders tiers, and by which rule.",
    )
    def pattern(chain: ChainRun) -> None:
        with progress.step("disclosure"), open_warehouse(chain.settings) as connection:
            write_patterns(connection, chain.registry)

    return pattern


def gate_asset(deps: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    """The gate: a child process judges the warehouse; each suite's verdict is a check, and a critical failure stops
    publishing.
    """
    specs = [
        dg.AssetCheckSpec(
            name=check_name(suite, severity),
            asset=GATE,
            blocking=severity == "critical",
            description=f"Every {severity} rule of suite {suite} holds.",
        )
        for suite in SUITES
        for severity in ("critical", "warning")
    ]

    @dg.asset(
        key=GATE,
        deps=deps,
        check_specs=specs,
        group_name="quality",
        owners=OWNERS,
        description="Whether the warehouse may be published: expectations, reconciliation and dbt's tests.",
    )
    def gate(chain: ChainRun) -> Iterator[Any]:
        with progress.step("gate"):
            report = run_gate(chain)
        for part, seconds in report["seconds"].items():
            progress.say(f"gate, {part}: {seconds:.1f} s")
        yield dg.MaterializeResult(
            metadata={"outcome": report["outcome"], "rules": len(report["results"])},
            check_results=check_results(report["results"]),
        )
        if report["outcome"] != "passed":
            raise DataRefused(report["sentence"])

    return gate


def check_name(suite: str, severity: str) -> str:
    """The name of a suite's check in Dagster."""
    return f"{suite}_{severity}"


def check_results(results: Sequence[dict[str, Any]]) -> list[dg.AssetCheckResult]:
    """The gate's results as Dagster's: one per suite and severity; metadata hold rules, tables, schools and counts
    alone.
    """
    checks = []
    for suite in SUITES:
        for severity in ("critical", "warning"):
            mine = [row for row in results if row["suite"] == suite and row["severity"] == severity]
            failed = [row for row in mine if not row["success"]]
            named = [
                f"{row['rule_id']} {row['table']} {row['school'] or ''}: {row['n_failing']} of {row['n_rows']}"
                for row in failed
            ]
            checks.append(
                dg.AssetCheckResult(
                    asset_key=GATE,
                    check_name=check_name(suite, severity),
                    passed=not failed,
                    severity=dg.AssetCheckSeverity.ERROR if severity == "critical" else dg.AssetCheckSeverity.WARN,
                    metadata={"results": len(mine), "failed": len(failed), "failing": "\n".join(named[:50])},
                )
            )
    return checks


def run_gate(chain: ChainRun) -> dict[str, Any]:
    """Runs the gate as a child process and reads its verdict. Raises `GateBroken` where it could not judge."""
    settings = chain.settings
    done = subprocess.run(
        [
            *(sys.executable, "-m", "orchestration.child"),
            *(sys.executable, "-m", "quality.gate", "--home", str(settings.home), "--run-id", chain.run_id),
        ],
        env={**os.environ, **settings_environment(settings)},
        capture_output=True,
        text=True,
        check=False,
    )
    report = read_gate(chain)
    if done.returncode not in (0, 3) or report["outcome"] == "broken":
        raise GateBroken(str(report["sentence"]))
    return report


def read_gate(chain: ChainRun) -> dict[str, Any]:
    """What the gate said of this very run. Raises `GateBroken` where it said nothing."""
    path = chain.settings.quality_dir / chain.run_id / "gate.json"
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise GateBroken(
            f"The gate left no verdict for run {chain.run_id}, so nothing is published; use everypupil run."
        ) from error
    return report


def release_asset() -> dg.AssetsDefinition:
    """Publishing, which asks the gate's verdict of this run again: a run of this asset alone has none and publishes
    nothing.
    """

    @dg.asset(
        key=RELEASE,
        deps=[GATE],
        group_name="releases",
        owners=OWNERS,
        description="The release that every reader sees: three tiers of Parquet files, made current by rename.",
    )
    def current(context: dg.AssetExecutionContext, chain: ChainRun) -> None:
        settings = chain.settings
        report = read_gate(chain)
        if report["outcome"] != "passed":
            raise DataRefused(str(report["sentence"]))
        with progress.step("publish"), open_warehouse(settings) as connection:
            inputs = built_from(
                connection.execute("SELECT run_id, inputs FROM lake.run_input").fetchone(), chain.run_id
            )
            release_id = publish(settings, connection, inputs, gate_counts(report["results"]))
        context.add_output_metadata({"release_id": release_id})
        conclude_published(settings, chain.run_id, chain.started_at, release_id)

    return current


def built_from(found: tuple[Any, ...] | None, run_id: str) -> RunInput:
    """What the warehouse was built from. Raises `ChainError` where another run built it."""
    if found is None or found[0] != run_id:
        raise ChainError("The warehouse was built by another run than this one; use everypupil run, which does it all.")
    return read_run_input(str(found[1]))


def gate_counts(results: Sequence[dict[str, Any]]) -> dict[str, int]:
    """How many results the gate had, and how many of them failed or warn."""
    failed = [row["severity"] for row in results if not row["success"]]
    return {
        "n_results": len(results),
        "n_failed": failed.count("critical"),
        "n_warnings": failed.count("warning"),
    }
