"""The gate as a whole: outcomes, exit codes, redaction, failing keys, and that it fails closed."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from typing import Any

import duckdb
import pyarrow.parquet as parquet
import pytest

from ingest.registry import load_registry
from quality import gate
from quality.expectations import judge, open_source, query_template
from quality.gate import all_suites, run_gate
from quality.results import BrokenGateError
from quality.rules import Between, InSet, NotNull, Rows, RowsWhere, Rule, Suite, Unique, failing_rows_sql
from tests.quality.faults import FAULTS
from tests.quality.warehouse_fixture import PLANTED, Home, write_dbt_results


def only(monkeypatch: pytest.MonkeyPatch, *rules: Rule) -> None:
    """Lets the gate ask nothing but `rules`, so that a test of its conduct takes no longer than it must."""
    monkeypatch.setattr(gate, "all_suites", lambda registry: (Suite("marts", rules),))
    monkeypatch.setattr(gate, "attack_results", lambda settings, registry, folder: [])


def rule(check: Rows | RowsWhere, table: str = "marts.fct_enrolment", school: str | None = "school_key") -> Rule:
    return Rule("QM-900", table, "Nothing is wrong.", check, ("enrolment_key",), school)


def written(home: Home, run_id: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((home.settings.quality_dir / run_id / "gate.json").read_text(encoding="utf-8"))
    return content


def as_child(home: Home, run_id: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    return subprocess.run(
        [sys.executable, "-m", "quality.gate", "--home", str(home.settings.home), "--run-id", run_id],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=300,
    )


def test_a_good_warehouse_passes(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    assert gate.main(["--home", str(home.settings.home), "--run-id", "good"]) == 0
    report = written(home, "good")
    assert report["outcome"] == "passed"
    assert [result["rule_id"] for result in report["results"] if not result["success"]] == []
    assert "DA-001" in {result["rule_id"] for result in report["results"]}
    said = capfd.readouterr()
    assert "Passed: " in said.out
    assert said.err == ""
    assert parquet.read_metadata(home.settings.quality_dir / "good" / "failing_keys.parquet").num_rows == 0


def test_a_spoiled_warehouse_is_refused_by_the_child_process_without_naming_anybody(home: Home) -> None:
    surname, upn = PLANTED[1], PLANTED[0]
    home.spoil(f"update marts.assessment_result set subject = null, raw_result = '{surname}' where pupil_key = 3")
    home.spoil(f"update exports_public.dim_school set school_name = '{upn}' where urn = '100002'")
    home.spoil(f"alter table marts.dim_pupil_status add column surname varchar default '{surname}'")
    refused = as_child(home, "bad")
    report = written(home, "bad")
    assert (refused.returncode, report["outcome"]) == (3, "refused"), refused.stdout + refused.stderr
    failed = {
        result["rule_id"]: (result["school"], result["n_failing"])
        for result in report["results"]
        if not result["success"]
    }
    assert failed == {"QM-061": ("100001", 1), "QX-050": (None, 1), "QX-001": (None, 1)}
    said = refused.stdout + refused.stderr + json.dumps(report)
    assert [planted for planted in PLANTED if planted in said] == []
    assert "QM-061" in refused.stdout

    keys = home.settings.quality_dir / "bad" / "failing_keys.parquet"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    rows = parquet.read_table(keys).to_pylist()
    # What the attack finds stands in a restricted file of its own.
    assert {row["rule_id"] for row in rows} == set(failed)
    assert stat.S_IMODE((home.settings.quality_dir / "bad" / "breaches.json").stat().st_mode) == 0o600
    [result_key] = [json.loads(row["key"]) for row in rows if row["rule_id"] == "QM-061"]
    assert result_key["pupil_key"] == 3


def test_what_gives_a_hidden_count_away_is_refused_and_said_without_the_count(
    home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    girls = "level = 'school' and unit_code = '100001' and group_value = 'F'"
    home.spoil("delete from disclosure.pattern where tier = 'leaders' and row_key like '%|100001|%|F'")
    home.spoil(f"delete from exports_leaders.measure_value where {girls}")
    home.spoil(f"insert into exports_leaders.measure_value from marts.measure_value where {girls}")
    assert gate.main(["--home", str(home.settings.home), "--run-id", "told"]) == 3
    report = written(home, "told")
    found = {
        (result["rule_id"], result["severity"], result["table"])
        for result in report["results"]
        if not result["success"] and result["rule_id"].startswith("DA")
    }
    assert found == {("DA-001", "critical", "exports_leaders.measure_value")}
    breaches = json.loads((home.settings.quality_dir / "told" / "breaches.json").read_text(encoding="utf-8"))
    boys = [breach for breach in breaches if "|100001|" in breach["row_key"] and breach["row_key"].endswith("|M")]
    assert ("enrolments", 5, 5) in {(breach["quantity"], breach["low"], breach["high"]) for breach in boys}
    [said] = [line for line in capfd.readouterr().out.splitlines() if line.startswith("critical DA-001")]
    assert "is known exactly" in said


def test_great_expectations_counts_what_our_own_sql_counts_for_every_kind_of_fault(
    home: Home, rules: list[Rule]
) -> None:
    for fault in FAULTS:
        if not fault.sql.startswith("alter"):
            home.spoil(fault.sql)
    with duckdb.connect(str(home.warehouse), read_only=True) as connection:
        own = {
            (each.rule_id, each.table): connection.execute(
                f"select count(*) from ({failing_rows_sql(each)})"
            ).fetchall()[0][0]
            for each in rules
        }
    source = open_source(home.warehouse, home.settings.duckdb_config())
    judged = {(judgement.rule.rule_id, judgement.rule.table): judgement.n_failing for judgement in judge(source, rules)}
    assert judged == own
    failed = {type(each.check) for each in rules if judged[each.rule_id, each.table]}
    assert failed == {NotNull, Unique, InSet, Between, RowsWhere, Rows}


def test_failures_are_counted_by_school_and_add_up(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.spoil("update marts.fct_enrolment set urn = null where pupil_key in (1, 2, 20)")
    only(monkeypatch, rule(RowsWhere("urn is null")))
    report = run_gate(home.settings, "schools")
    failed = {result.school: (result.n_failing, result.n_rows) for result in report.results if not result.success}
    assert failed == {"100001": (2, 12), "100002": (1, 12)}
    assert report.exit_code == 3


def test_a_warning_is_recorded_and_does_not_refuse(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    only(
        monkeypatch,
        Rule(
            "QM-900", "marts.dim_school", "No school is open.", RowsWhere("is_open"), ("school_key",), None, "warning"
        ),
    )
    report = run_gate(home.settings, "warned")
    assert (report.outcome, report.exit_code) == ("passed", 0)
    assert "1 warnings" in report.sentence
    assert [result.n_failing for result in report.results if not result.success] == [2]


def test_an_expectation_that_raises_breaks_the_gate_and_does_not_quote_the_value(
    home: Home, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    only(monkeypatch, rule(RowsWhere("cast(surname as integer) > 0"), "raw.pupils", None))
    monkeypatch.setattr(gate, "check_warehouse", lambda settings, rules: None)
    home.spoil("alter table raw.pupils add column enrolment_key varchar")
    report = run_gate(home.settings, "raises")
    assert (report.outcome, report.exit_code) == ("broken", 1)
    assert "QM-900 on raw.pupils" in report.sentence
    assert "ConversionException" in report.sentence
    said = report.sentence + json.dumps(written(home, "raises")) + "".join(capfd.readouterr())
    assert [planted for planted in PLANTED if planted in said] == []


def test_after_one_broken_rule_the_others_are_still_judged_on_the_kept_connection(home: Home) -> None:
    source = open_source(home.warehouse, home.settings.duckdb_config())
    with pytest.raises(BrokenGateError, match="QM-900"):
        judge(source, [rule(RowsWhere("error('stop') is null"))])
    another = Rule("QM-901", "marts.dim_school", "No school is open.", RowsWhere("is_open"), ("school_key",))
    assert [judgement.n_failing for judgement in judge(source, [another])] == [2]


def test_a_count_that_differs_from_our_own_breaks_the_gate(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, rule(RowsWhere("pupil_key = 3")))
    monkeypatch.setattr(
        "quality.failing_keys.failing_rows_sql",
        lambda each: "select enrolment_key, school_key from marts.fct_enrolment where pupil_key < 3",
    )
    report = run_gate(home.settings, "differs")
    assert (report.outcome, report.exit_code) == ("broken", 1)
    assert "counted 1 failing rows, our own SQL 2" in report.sentence


def test_more_failing_keys_than_the_library_would_keep_are_all_kept(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(
        monkeypatch,
        Rule(
            "QM-900",
            "marts.fct_session",
            "No session.",
            RowsWhere("true"),
            ("enrolment_key", "session_date", "session"),
        ),
    )
    report = run_gate(home.settings, "many")
    [n_failing] = [result.n_failing for result in report.results if not result.success]
    assert n_failing == 240
    assert parquet.read_metadata(home.settings.quality_dir / "many" / "failing_keys.parquet").num_rows == 240


def test_a_brace_in_a_rule_reaches_the_database_as_it_was_written(home: Home) -> None:
    braced = rule(RowsWhere("regexp_matches(enrolment_key, '^[0-9a-f]{32}$')"), school=None)
    assert "{{32}}" in query_template(braced)
    source = open_source(home.warehouse, home.settings.duckdb_config())
    [judgement] = judge(source, [braced])
    assert judgement.n_failing == 24


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("drop table marts.gap", "marts.gap"),
        ("alter table marts.gap rename column comparator to other", '"comparator"'),
    ],
)
def test_a_missing_table_or_column_is_a_broken_gate_that_names_it(home: Home, spoil: str, said: str) -> None:
    home.spoil(spoil)
    report = run_gate(home.settings, "lacking")
    assert (report.outcome, report.exit_code) == ("broken", 1)
    assert said in report.sentence


def test_a_missing_warehouse_is_said_in_one_sentence(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.warehouse.unlink()
    assert gate.main(["--home", str(home.settings.home), "--run-id", "none"]) == 1
    assert capsys.readouterr().out.startswith(f"There is no warehouse at {home.warehouse};")


def test_a_locked_warehouse_is_said_in_one_sentence(home: Home) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import duckdb, sys; c = duckdb.connect({str(home.warehouse)!r}); print('held', flush=True); "
            f"sys.stdin.read()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        report = run_gate(home.settings, "locked")
    finally:
        holder.communicate("")
    assert (report.outcome, report.exit_code) == ("broken", 1)
    assert "is locked by another process" in report.sentence


def test_a_damaged_warehouse_is_a_broken_gate(home: Home) -> None:
    home.warehouse.write_bytes(b"not a database")
    report = run_gate(home.settings, "damaged")
    assert (report.outcome, report.exit_code) == ("broken", 1)
    assert "cannot be opened" in report.sentence


def test_a_run_id_cannot_lead_out_of_the_folder(home: Home) -> None:
    with pytest.raises(SystemExit) as stopped:
        gate.main(["--home", str(home.settings.home), "--run-id", "../../elsewhere"])
    assert stopped.value.code == 2


def test_an_unforeseen_error_breaks_the_gate_without_repeating_its_text(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(PLANTED[1])

    monkeypatch.setattr(gate, "judge_warehouse", fail)
    report = run_gate(home.settings, "unforeseen")
    assert (report.outcome, report.exit_code) == ("broken", 1)
    assert "RuntimeError" in report.sentence
    assert PLANTED[1] not in report.sentence


def test_a_refusing_dbt_test_refuses_the_release(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, rule(RowsWhere("pupil_key < 0")))
    message = f"Got 2 results, such as {PLANTED[1]}"
    write_dbt_results(
        home.settings,
        2,
        [{"unique_id": "test.everypupil.unique_gap.9f", "status": "fail", "failures": 2, "message": message}],
    )
    report = run_gate(home.settings, "dbt")
    assert (report.outcome, report.exit_code) == ("refused", 3)
    assert [(result.rule_id, result.n_failing) for result in report.results if not result.success] == [
        ("dbt.unique_gap", 2)
    ]
    assert PLANTED[1] not in json.dumps(written(home, "dbt"))


def test_two_rules_may_not_share_an_id_and_a_table(good_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    twice = rule(RowsWhere("true"))
    monkeypatch.setattr(gate, "raw_suite", lambda registry: Suite("raw", (twice, twice)))
    with pytest.raises(BrokenGateError, match="stands twice"):
        all_suites(load_registry(good_home.settings))
