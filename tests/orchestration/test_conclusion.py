"""What ended a run becomes an outcome, an exit code and one sentence; never a value of the data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.settings import Settings, load_settings
from orchestration.conclusion import conclude_failed, conclude_nothing_new, conclude_published
from orchestration.errors import ChainError, DataRefused, GateBroken
from orchestration.files import write_json
from orchestration.last_run import exit_code_of, read_last_run, rows_of

RELEASE = "2026-07-31-0123456789ab"


class DagsterDbtCliRuntimeError(Exception):
    """Stands for the library's error of the same name."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path)


def dbt_results(settings: Settings, step: int, results: list[dict[str, Any]]) -> None:
    folder = settings.state_dir / "dbt" / f"step_{step}"
    folder.mkdir(parents=True)
    (folder / "run_results.json").write_text(json.dumps({"metadata": {}, "results": results}))


def gate_report(settings: Settings, outcome: str, results: list[dict[str, Any]]) -> None:
    folder = settings.quality_dir / "run"
    folder.mkdir(parents=True)
    report = {"run_id": "run", "outcome": outcome, "results": results, "sentence": f"The gate says {outcome}."}
    (folder / "gate.json").write_text(json.dumps(report))


def failed_rule(school: str, n_failing: int, severity: str = "critical") -> dict[str, Any]:
    return {
        "rule_id": "M-1",
        "suite": "marts",
        "table": "marts.gap",
        "school": school,
        "severity": severity,
        "success": False,
        "n_rows": 10,
        "n_failing": n_failing,
        "sentence": "A gap has both sides.",
    }


def test_a_failed_dbt_test_is_a_refusal_with_its_count(settings: Settings) -> None:
    dbt_results(
        settings,
        1,
        [
            {"unique_id": "model.everypupil.gap", "status": "success"},
            {"unique_id": "test.everypupil.unique_gap.1a", "status": "fail", "failures": 4, "message": "Got 4 results"},
        ],
    )
    run = conclude_failed(settings, "run", "then", DagsterDbtCliRuntimeError("exit code 1"))
    assert (run.outcome, run.exit_code) == ("refused", 3)
    assert [(failure["rule_id"], failure["n_failing"]) for failure in run.failures] == [("dbt.unique_gap", 4)]
    assert read_last_run(settings) is not None


def test_a_broken_contract_is_a_refusal_and_its_message_is_not_repeated(settings: Settings) -> None:
    message = "Constraint Error: NOT NULL constraint failed: Ada Lovelace"
    dbt_results(settings, 2, [{"unique_id": "model.everypupil.gap", "status": "error", "message": message}])
    run = conclude_failed(settings, "run", "then", DagsterDbtCliRuntimeError())
    assert run.outcome == "refused"
    assert "Ada" not in json.dumps(read_last_run(settings))


def test_sql_that_cannot_run_is_a_failure(settings: Settings) -> None:
    dbt_results(settings, 1, [{"unique_id": "model.everypupil.gap", "status": "error", "message": "Binder Error: Ada"}])
    run = conclude_failed(settings, "run", "then", DagsterDbtCliRuntimeError())
    assert (run.outcome, run.exit_code, run.failures) == ("failed", 1, [])
    assert "gap" in run.sentence
    assert "Ada" not in run.sentence


def test_the_gates_refusal_sums_failing_rows_over_schools_and_leaves_warnings_out(settings: Settings) -> None:
    gate_report(
        settings, "refused", [failed_rule("100001", 2), failed_rule("100002", 3), failed_rule("100001", 7, "warning")]
    )
    run = conclude_failed(settings, "run", "then", DataRefused("x"))
    assert (run.outcome, run.exit_code) == ("refused", 3)
    assert [failure["n_failing"] for failure in run.failures] == [5]
    assert run.failures[0]["schools"] == ["100001", "100002"]


def test_of_many_schools_the_first_are_named_and_the_rest_counted() -> None:
    rows = {"rule_id": "M-1", "table": "marts.gap", "n_failing": 9, "sentence": "A gap has both sides."}
    assert rows_of(rows) == "9 rows"
    assert rows_of(rows | {"schools": ["1"]}) == "9 rows of school 1"
    assert rows_of(rows | {"schools": [*"1234567"]}) == "9 rows of schools 1, 2, 3, 4, 5 and 2 more"


def test_what_warns_is_told_of_a_published_run(settings: Settings) -> None:
    gate_report(settings, "passed", [failed_rule("100001", 2, "warning"), failed_rule("100002", 3, "warning")])
    write_json(
        settings.releases_dir / RELEASE / "manifest.json",
        {"release_id": RELEASE, "coverage_sentence": "All came.", "held": [{"delivery_id": "d1"}]},
    )
    run = conclude_published(settings, "run", "then", RELEASE)
    assert (run.outcome, run.exit_code, run.failures) == ("published", 0, [])
    assert [warning["n_failing"] for warning in run.warnings] == [5]
    assert rows_of(run.warnings[0]) == "5 rows of schools 100001, 100002"
    assert (read_last_run(settings) or {})["warnings"] == run.warnings
    assert "1 file(s) held as partial are in no figure" in run.sentence
    again = conclude_nothing_new(settings, "then", RELEASE)
    assert again.warnings == run.warnings, "what the release's gate warned of is so until the next one"
    assert "all that arrived and is not held. 1 file(s) held" in again.sentence
    other = settings.releases_dir / "2026-08-01-0123456789ab" / "manifest.json"
    write_json(other, {"release_id": other.parent.name, "held": []})
    assert conclude_nothing_new(settings, "then", other.parent.name).warnings == []


def test_a_gate_that_breaks_is_no_refusal(settings: Settings) -> None:
    run = conclude_failed(settings, "run", "then", GateBroken("The gate broke."))
    assert (run.outcome, run.exit_code, run.sentence) == ("gate_broken", 1, "The gate broke.")


def test_any_other_error_is_a_failure_in_one_sentence(settings: Settings) -> None:
    assert conclude_failed(settings, "run", "then", ChainError("No room.")).sentence == "No room."
    run = conclude_failed(settings, "run", "then", KeyError("one\ntwo"))
    assert (run.outcome, run.exit_code) == ("failed", 1)
    assert "\n" not in run.sentence


@pytest.mark.parametrize(
    ("outcome", "refused_files", "code"),
    [
        ("published", 0, 0),
        ("published", 1, 1),
        ("nothing_new", 0, 0),
        ("refused", 0, 3),
        ("refused", 2, 3),
        ("failed", 0, 1),
        ("gate_broken", 0, 1),
    ],
)
def test_exit_codes(outcome: Any, refused_files: int, code: int) -> None:
    assert exit_code_of(outcome, refused_files) == code


def test_totals_that_contradict_their_parts_end_a_run_with_the_table_named(settings: Settings) -> None:
    error = ValueError("marts.measure_value contradicts itself: the total of AUT is not what its groups add up to.")
    run = conclude_failed(settings, "run", "2026-07-31T18:00:00Z", error)
    assert (run.outcome, run.exit_code) == ("failed", 1)
    assert "marts.measure_value contradicts itself" in run.sentence
    assert "the old release stands" in run.sentence
