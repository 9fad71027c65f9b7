"""The gate: decides whether what stands in the warehouse may be published.

`python -m quality.gate --home DIR --run-id ID` runs as a child process, opens the warehouse read-only and ends with
0 (passed), 3 (refused: the data break a rule) or 1 (broken: the gate could not judge, and nothing may be published).
It writes `quality/<run_id>/gate.json` (counts only), and `failing_keys.parquet` and `breaches.json` (restricted).
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from ingest.registry import Registry, load_registry
from ingest.settings import Settings, load_settings
from quality.attacker.verdict import attack_results
from quality.dbt_results import read_dbt_results, result_paths
from quality.reconciliation import CataloguedDelivery, lake_findings, reconciliation_suite
from quality.results import BrokenGateError, GateReport, RuleResult, verdict, write_report
from quality.rules import Rule, Suite, failing_rows_sql
from quality.suites.exports import exports_suite
from quality.suites.marts import marts_suite
from quality.suites.raw import raw_suite

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
# DuckDB's messages of these kinds name tables, columns and our own SQL, never a value of a row.
_ABOUT_NAMES = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)


def all_suites(registry: Registry) -> tuple[Suite, ...]:
    """Every suite, in the order in which data flow.

    Raises: `BrokenGateError` where two rules share an id and a table.
    """
    suites = (raw_suite(registry), marts_suite(registry), exports_suite(registry), reconciliation_suite(registry))
    seen: set[tuple[str, str]] = set()
    for rule in (rule for suite in suites for rule in suite.rules):
        if (rule.rule_id, rule.table) in seen:
            raise BrokenGateError(f"Rule {rule.rule_id} stands twice for {rule.table}; give one of them another id.")
        seen.add((rule.rule_id, rule.table))
    return suites


def check_warehouse(settings: Settings, rules: Iterable[Rule]) -> None:
    """Opens the warehouse and plans every rule's query, without running it.

    Raises: `BrokenGateError` where the warehouse is missing, locked or unreadable, or lacks what a rule needs.
    """
    path = settings.warehouse_path
    if not path.is_file():
        raise BrokenGateError(f"There is no warehouse at {path}; build it with everypupil run, then judge again.")
    try:
        connection = duckdb.connect(str(path), read_only=True, config=settings.duckdb_config())
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            raise BrokenGateError(
                f"The warehouse {path} is locked by another process; wait until it ends, then judge again."
            ) from error
        raise BrokenGateError(
            f"The warehouse {path} cannot be opened; delete it and run everypupil run to build it anew."
        ) from error
    except duckdb.Error as error:
        raise BrokenGateError(
            f"The warehouse {path} cannot be opened ({type(error).__name__}); delete it and run everypupil run."
        ) from error
    with connection:
        for rule in rules:
            try:
                connection.execute(f"explain {failing_rows_sql(rule)}").fetchall()
            except duckdb.Error as error:
                detail = str(error).splitlines()[0] if isinstance(error, _ABOUT_NAMES) else type(error).__name__
                raise BrokenGateError(
                    f"Rule {rule.rule_id} cannot be asked of {rule.table} ({detail}); "
                    f"the gate is broken and nothing is published, mend the rule in quality/suites or the table's "
                    f"columns."
                ) from error


def judge_warehouse(settings: Settings, suites: Sequence[Suite], keys_path: Path) -> list[RuleResult]:
    """Judges every rule in the warehouse and writes the keys of failing rows.

    Raises: `BrokenGateError` where an expectation raised, or where our own count differs from its count.
    """
    # Loading the library takes seconds: a gate that is broken before it has said so by now.
    from quality.expectations import judge, open_source
    from quality.failing_keys import FailingKeys

    source = open_source(settings.warehouse_path, settings.duckdb_config())
    suite_of = {(rule.rule_id, rule.table): suite.name for suite in suites for rule in suite.rules}
    judgements = judge(source, [rule for suite in suites for rule in suite.rules])
    with source.get_execution_engine().get_connection() as connection:
        keys = FailingKeys(connection)
        rows = {
            table: int(connection.exec_driver_sql(f"select count(*) from {table}").scalar_one())
            for table in {j.rule.table for j in judgements}
        }
        results = []
        for judgement in judgements:
            rule, suite = judgement.rule, suite_of[judgement.rule.rule_id, judgement.rule.table]
            if judgement.n_failing == 0:
                results.append(
                    RuleResult(
                        rule.rule_id, suite, rule.table, None, rule.severity, True, rows[rule.table], 0, rule.sentence
                    )
                )
                continue
            by_school = keys.collect(rule, judgement.n_failing)
            of_school = keys.rows_by_school(rule) if rule.school else {}
            results += [
                RuleResult(
                    rule.rule_id,
                    suite,
                    rule.table,
                    school,
                    rule.severity,
                    False,
                    of_school.get(school, rows[rule.table]),
                    n_failing,
                    rule.sentence,
                )
                for school, n_failing in by_school.items()
            ]
        columns = ", ".join(CataloguedDelivery.__dataclass_fields__)
        deliveries = [
            CataloguedDelivery(*row)
            for row in connection.exec_driver_sql(f"select {columns} from lake.delivery").fetchall()
        ]
        for finding in lake_findings(settings.lake_dir, deliveries):
            keys.record(
                finding.rule_id,
                finding.table,
                ({"delivery_id": delivery_id} for delivery_id in finding.failing),
                len(finding.failing),
            )
            results.append(
                RuleResult(
                    finding.rule_id,
                    "reconciliation",
                    finding.table,
                    None,
                    "critical",
                    not finding.failing,
                    finding.n_rows,
                    len(finding.failing),
                    finding.sentence,
                )
            )
        keys.write(keys_path)
    return results


def run_gate(settings: Settings, run_id: str, dbt_results: Sequence[Path] = ()) -> GateReport:
    """Judges a run and writes its report, whatever the outcome.

    Parameters: `run_id`, the name of the folder under `quality/`; `dbt_results`, the `run_results.json` of each dbt
    step (default: those in the home's state folder).
    """
    folder = settings.quality_dir / run_id
    seconds: dict[str, float] = {}
    try:
        report = verdict(run_id, _judge_all(settings, folder, dbt_results, seconds))
    except BrokenGateError as error:
        report = GateReport(run_id, "broken", (), str(error))
    except Exception as error:
        # Fail closed on anything unforeseen. The error's text is not repeated: it may quote a value.
        report = GateReport(
            run_id,
            "broken",
            (),
            f"The gate broke ({_origin(error)}); nothing is published, report this with the run id {run_id}.",
        )
    report = replace(report, seconds=seconds)
    write_report(report, folder / "gate.json")
    return report


def _judge_all(
    settings: Settings, folder: Path, dbt_results: Sequence[Path], seconds: dict[str, float]
) -> list[RuleResult]:
    try:
        registry = load_registry(settings)
    except ValueError as error:
        raise BrokenGateError(str(error)) from error
    from_dbt = read_dbt_results(dbt_results or result_paths(settings.state_dir))
    suites = all_suites(registry)
    check_warehouse(settings, (rule for suite in suites for rule in suite.rules))
    # The attack first: it opens the warehouse for itself, which DuckDB allows only while nobody else holds it.
    with _timed("attack", seconds):
        attacked = attack_results(settings, registry, folder)
    with _timed("rules", seconds):
        judged = judge_warehouse(settings, suites, folder / "failing_keys.parquet")
    return [*judged, *attacked, *from_dbt]


@contextmanager
def _timed(part: str, seconds: dict[str, float]) -> Iterator[None]:
    """Notes how long a part took, also where it fails."""
    started = time.monotonic()
    try:
        yield
    finally:
        seconds[part] = round(time.monotonic() - started, 2)


def _origin(error: Exception) -> str:
    """The class of an error and the line of ours that it came from."""
    line, trace = "", error.__traceback__
    while trace is not None:
        name: Any = trace.tb_frame.f_globals.get("__name__", "")
        if str(name).startswith(("quality", "ingest", "__main__")):
            line = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__}{line}"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m quality.gate", description="Judge the warehouse before it is published."
    )
    parser.add_argument(
        "--home",
        type=Path,
        default=None,
        help="the folder that holds warehouse, lake and quality (default: EVERYPUPIL_HOME, else ./data)",
    )
    parser.add_argument(
        "--run-id", required=True, help="names the folder of results under quality/: letters, digits, '.', '_' and '-'"
    )
    parser.add_argument(
        "--dbt-results",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a dbt run_results.json; once per step (default: those under state/dbt)",
    )
    options = parser.parse_args(arguments)
    if not _RUN_ID.fullmatch(options.run_id):
        parser.error("--run-id may hold letters, digits, '.', '_' and '-', and starts with a letter or a digit")
    started = time.monotonic()
    report = run_gate(load_settings(options.home), options.run_id, options.dbt_results)
    for result in report.results:
        if not result.success:
            school = f" school {result.school}" if result.school else ""
            print(
                f"{result.severity} {result.rule_id} {result.table}{school}: {result.n_failing} of {result.n_rows} "
                f"rows fail. {result.sentence}"
            )
    print(f"{report.sentence} ({len(report.results)} results in {time.monotonic() - started:.1f} s)")
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
