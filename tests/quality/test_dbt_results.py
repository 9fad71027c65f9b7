"""dbt's results as the gate reads them: refusals with counts, breakages by name, and no message."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quality.dbt_results import read_dbt_results, result_paths
from quality.results import BrokenGateError


def write(path: Path, *results: dict[str, object], generated_at: str = "2025-09-05T18:00:00Z") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps({"metadata": {"generated_at": generated_at}, "results": list(results)}), encoding="utf-8"
    )
    return path


def node(
    name: str, status: str, failures: int | None = None, message: str | None = None, kind: str = "test"
) -> dict[str, object]:
    return {
        "unique_id": f"{kind}.everypupil.{name}" + (".1a" if kind == "test" else ""),
        "status": status,
        "failures": failures,
        "message": message,
    }


def test_a_failing_test_is_a_refusal_and_a_warning_is_not(tmp_path: Path) -> None:
    path = write(
        tmp_path / "run_results.json",
        node("a", "pass", 0),
        node("b", "fail", 7),
        node("c", "warn", 2),
        node("m", "success", kind="model"),
    )
    found = {result.rule_id: (result.severity, result.success, result.n_failing) for result in read_dbt_results([path])}
    assert found == {"dbt.a": ("critical", True, 0), "dbt.b": ("critical", False, 7), "dbt.c": ("warning", False, 2)}


def test_the_manifest_says_which_table_a_test_is_about(tmp_path: Path) -> None:
    path = write(tmp_path / "run_results.json", node("b", "fail", 7))
    nodes = {
        "test.everypupil.b.1a": {
            "attached_node": "model.everypupil.gap",
            "description": "Every gap has two sides.",
            "depends_on": {"nodes": []},
        },
        "model.everypupil.gap": {"schema": "marts", "alias": "gap"},
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"nodes": nodes}), encoding="utf-8")
    [result] = read_dbt_results([path])
    assert (result.table, result.sentence) == ("marts.gap", "Every gap has two sides.")


def test_a_test_that_no_step_ran_breaks_the_gate(tmp_path: Path) -> None:
    one, two = (write(tmp_path / step / "run_results.json", node(step, "pass", 0)) for step in ("a", "b"))
    nodes: dict[str, object] = {f"test.everypupil.{name}.1a": {"depends_on": {"nodes": []}} for name in ("a", "b")}
    for path in (one, two):
        path.with_name("manifest.json").write_text(json.dumps({"nodes": nodes}), encoding="utf-8")
    assert [result.rule_id for result in read_dbt_results([one, two])] == ["dbt.a", "dbt.b"]
    nodes["test.everypupil.between_steps.1a"] = {"depends_on": {"nodes": []}}
    two.with_name("manifest.json").write_text(json.dumps({"nodes": nodes}), encoding="utf-8")
    with pytest.raises(BrokenGateError, match="No step ran the dbt test between_steps"):
        read_dbt_results([one, two])
    # A step that failed ends the run: the tests of the steps after it did not run, and what failed is what is told.
    write(one, node("a", "fail", 2))
    assert [result.n_failing for result in read_dbt_results([one]) if not result.success] == [2]


def test_a_broken_contract_is_a_refusal(tmp_path: Path) -> None:
    message = "This model has an enforced contract that failed."
    [result] = read_dbt_results(
        [write(tmp_path / "run_results.json", node("gap", "error", message=message, kind="model"))]
    )
    assert (result.rule_id, result.success, result.severity) == ("dbt.contract.gap", False, "critical")


def test_a_node_that_could_not_run_breaks_the_gate_without_its_message(tmp_path: Path) -> None:
    path = write(
        tmp_path / "run_results.json", node("gap", "error", message="Could not convert 'Quillfeather'", kind="model")
    )
    with pytest.raises(BrokenGateError, match="dbt could not run gap") as broken:
        read_dbt_results([path])
    assert "Quillfeather" not in str(broken.value)


def test_a_skipped_test_breaks_the_gate_unless_a_refusal_explains_it(tmp_path: Path) -> None:
    with pytest.raises(BrokenGateError, match="skipped"):
        read_dbt_results([write(tmp_path / "one.json", node("a", "skipped"))])
    explained = read_dbt_results([write(tmp_path / "two.json", node("a", "skipped"), node("b", "fail", 1))])
    assert [result.rule_id for result in explained] == ["dbt.b"]


@pytest.mark.parametrize("content", ["", "[]", '{"results": []}', '{"results": {}}'])
def test_results_that_say_nothing_break_the_gate(tmp_path: Path, content: str) -> None:
    path = tmp_path / "run_results.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BrokenGateError, match="build that step again"):
        read_dbt_results([path])


@pytest.mark.parametrize("status", ["fail", "warn"])
def test_a_failure_without_a_count_breaks_the_gate(tmp_path: Path, status: str) -> None:
    with pytest.raises(BrokenGateError, match="without a count"):
        read_dbt_results([write(tmp_path / "run_results.json", node("a", status, None))])


def test_a_step_without_results_breaks_the_gate(tmp_path: Path) -> None:
    for step in (1, 3):
        write(tmp_path / "dbt" / f"step_{step}" / "run_results.json", node("a", "pass", 0))
    with pytest.raises(BrokenGateError, match="dbt step 2 left no results"):
        result_paths(tmp_path)


def test_results_of_an_earlier_run_break_the_gate(tmp_path: Path) -> None:
    for step, time in ((1, "2025-09-06"), (2, "2025-09-06"), (3, "2025-09-05")):
        write(
            tmp_path / "dbt" / f"step_{step}" / "target" / "run_results.json", node("a", "pass", 0), generated_at=time
        )
    with pytest.raises(BrokenGateError, match="older"):
        result_paths(tmp_path)
