"""The graph that Dagster runs: its shape, who owns what, and what stops publishing."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from orchestration.build import JOB, build_defs
from orchestration.python_assets import FEEDS, GATE, RELEASE, check_results

# Which group feeds which. A change here is a change of the architecture: look at it before you write it down.
GROUPS = """
aggregates -> aggregates, disclosure, fits, ledger, marts, public_basis
disclosure -> exports_leaders, exports_public
exports_leaders -> quality
exports_public -> quality
fits -> aggregates, marts, public_basis
ingest -> aggregates, ingest, intermediate, marts, raw, staging
intermediate -> aggregates, disclosure, fits, intermediate, ledger, marts, public_basis, raw
ledger -> public_basis
marts -> aggregates, disclosure, exports_leaders, exports_public, fits, intermediate, ledger, marts, public_basis
public_basis -> disclosure, exports_public, public_basis
quality -> releases
raw -> disclosure, fits, intermediate, ledger, marts, staging
staging -> aggregates, disclosure, fits, intermediate, ledger, marts, public_basis, staging
"""


@pytest.fixture(scope="module")
def defs(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return build_defs({"home": tmp_path_factory.mktemp("graph") / "home"})


@pytest.fixture(scope="module")
def graph(defs: dg.Definitions) -> dict[dg.AssetKey, dg.AssetSpec]:
    return {spec.key: spec for spec in defs.resolve_all_asset_specs()}


def upstream(graph: dict[dg.AssetKey, dg.AssetSpec], key: dg.AssetKey) -> set[dg.AssetKey]:
    found: set[dg.AssetKey] = set()
    waiting = [key]
    while waiting:
        for dep in graph[waiting.pop()].deps:
            if dep.asset_key not in found:
                found.add(dep.asset_key)
                waiting.append(dep.asset_key)
    return found


def test_every_asset_has_an_owner_a_description_and_a_group(graph: dict[dg.AssetKey, dg.AssetSpec]) -> None:
    lacking = [key.to_user_string() for key, spec in graph.items() if not (spec.owners and spec.description)]
    assert lacking == []
    assert {spec.group_name for spec in graph.values()} >= {
        "ingest",
        "marts",
        "fits",
        "ledger",
        "public_basis",
        "disclosure",
        "quality",
        "releases",
    }


def test_the_groups_feed_each_other_as_the_snapshot_says(graph: dict[dg.AssetKey, dg.AssetSpec]) -> None:
    edges: dict[str, set[str]] = {}
    for spec in graph.values():
        for dep in spec.deps:
            edges.setdefault(str(graph[dep.asset_key].group_name), set()).add(str(spec.group_name))
    drawn = "\n".join(f"{group} -> {', '.join(sorted(fed))}" for group, fed in sorted(edges.items()))
    assert drawn == GROUPS.strip()


def test_publishing_waits_for_everything(graph: dict[dg.AssetKey, dg.AssetSpec]) -> None:
    assert upstream(graph, RELEASE) == graph.keys() - {RELEASE}


def test_every_feed_is_taken_before_the_catalogue_and_every_model_waits_for_it(
    graph: dict[dg.AssetKey, dg.AssetSpec],
) -> None:
    catalogue = dg.AssetKey(["lake", "catalogue"])
    feeds = {dg.AssetKey(["lake", feed]) for feed in FEEDS}
    assert upstream(graph, catalogue) == feeds
    unordered = [key for key in graph if key not in feeds | {catalogue} and catalogue not in upstream(graph, key)]
    assert unordered == []


def test_the_job_runs_everything_in_one_process(defs: dg.Definitions, graph: dict[dg.AssetKey, dg.AssetSpec]) -> None:
    job = defs.resolve_job_def(JOB)
    assert job.executor_def.name == "in_process"
    assert set(job.asset_layer.executable_asset_keys) == graph.keys()


def test_a_critical_result_blocks_and_a_warning_does_not() -> None:
    row = {"rule_id": "M-1", "table": "marts.gap", "school": None, "n_rows": 9, "n_failing": 2, "suite": "marts"}
    results = check_results(
        [row | {"severity": "critical", "success": False}, row | {"severity": "warning", "success": False}]
    )
    failed = {result.check_name: result.severity for result in results if not result.passed}
    assert failed == {
        "marts_critical": dg.AssetCheckSeverity.ERROR,
        "marts_warning": dg.AssetCheckSeverity.WARN,
    }


def test_critical_checks_of_the_gate_and_dbts_tests_are_blocking(defs: dg.Definitions) -> None:
    specs = [spec for definition in defs.assets or [] for spec in getattr(definition, "check_specs", [])]
    gate = {spec.name: spec.blocking for spec in specs if spec.asset_key == GATE}
    assert gate["reconciliation_critical"]
    assert not gate["reconciliation_warning"]
    dbt = [spec for spec in specs if spec.asset_key != GATE]
    assert dbt
    assert [spec.name for spec in dbt if not spec.blocking] == []


def test_the_schedule_and_the_sensor_ask_for_the_same_job(defs: dg.Definitions) -> None:
    assert defs.resolve_schedule_def("nightly_schedule").job_name == JOB
    assert defs.resolve_sensor_def("landing_sensor").job_name == JOB


def test_the_sensor_asks_once_for_a_file_that_has_stopped_growing(tmp_path: Path, defs: dg.Definitions) -> None:
    from ingest.settings import load_settings
    from orchestration.build import landing_sensor

    landing = tmp_path / "landing"
    landing.mkdir()
    (landing / "a.csv").write_text("UPN\n")
    sensor = landing_sensor(load_settings(tmp_path), defs.resolve_job_def(JOB))
    cursor, asked = None, []
    for _ in range(4):
        with dg.build_sensor_context(cursor=cursor) as context:
            tick = sensor.evaluate_tick(context)
        cursor = tick.cursor
        asked += [request.run_key for request in tick.run_requests or []]
    assert len(asked) == 1
