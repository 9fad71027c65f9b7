"""The command line: help everywhere, errors in one sentence, exit codes that a scheduler can rely on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import click
import pytest

from ingest.check import FileVerdict, RuleCount
from ingest.settings import CONFIG_FILE, Settings, load_settings
from orchestration.cli import everypupil, execute
from orchestration.commands.chain import verdict_lines, with_notice
from orchestration.commands.common import as_csv, as_table
from orchestration.fingerprint import run_input
from orchestration.last_run import LastRun, now, read_last_run, write_last_run
from orchestration.publish import publish
from orchestration.warehouse import open_warehouse
from tests.orchestration.small_warehouse import GATE, add_pupil_list, build, inputs_on, settings_for

DAY = date(2026, 7, 31)
HEAVY = ("dagster", "dagster_dbt", "dbt", "duckdb", "pyarrow", "pandas", "numpy", "great_expectations", "streamlit")


def every_command(group: click.Group = everypupil, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from every_command(command, (*path, name))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_for(tmp_path / "home")


@pytest.fixture
def published(settings: Settings, tmp_path: Path) -> str:
    with open_warehouse(settings) as connection:
        build(connection)
        add_pupil_list(connection, tmp_path)
        return publish(settings, connection, inputs_on(DAY), GATE)


def everypupil_says(capsys: pytest.CaptureFixture[str], settings: Settings, *arguments: str) -> tuple[int, str, str]:
    code = execute(["--home", str(settings.home), *arguments])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("path", list(every_command()), ids=" ".join)
def test_every_command_answers_help(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert execute([*path, "--help"]) == 0
    assert "Usage: " in capsys.readouterr().out


def test_the_commands_are_those_that_others_rely_on() -> None:
    assert {" ".join(path) for path in every_command()} >= {
        *("demo", "example london", "synth", "check", "run", "accept", "status", "releases", "rollback", "verify"),
        *("sql", "export", "access-log", "dashboard", "dagster"),
    }


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["run", "--as-of", "yesterday"], ["synth"], ["rollback"], ["rollback", "../x"], ["accept"]],
    ids=" ".join,
)
def test_wrong_use_ends_with_2_and_one_sentence(
    arguments: list[str], settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = everypupil_says(capsys, settings, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("Error: ")
    assert err.count("\n") == 1


def test_a_setting_that_does_not_exist_is_wrong_use(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    settings.home.mkdir(parents=True)
    (settings.home / "everypupil.toml").write_text("keep_release = 3\n")
    code, _, err = everypupil_says(capsys, settings, "status")
    assert code == 2
    assert "keep_release" in err


def test_a_home_without_a_release_says_what_to_do(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = everypupil_says(capsys, settings, "status")
    assert (code, "everypupil run" in out) == (0, True)
    code, _, err = everypupil_says(capsys, settings, "verify")
    assert (code, "everypupil run" in err) == (1, True)
    code, _, err = everypupil_says(capsys, settings, "sql", "select 1")
    assert (code, "everypupil run" in err) == (1, True)


def test_status_and_releases_speak_json(settings: Settings, published: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = everypupil_says(capsys, settings, "status", "--json")
    found = json.loads(out)
    assert (code, found["release_id"], found["as_of"]) == (0, published, "2026-07-31")
    assert found["coverage_sentence"] == "2025/26: session marks complete for 1 of 2 schools."
    code, out, _ = everypupil_says(capsys, settings, "releases", "--json")
    assert [(row["release_id"], row["current"]) for row in json.loads(out)] == [(published, True)]


def test_status_names_what_refused_the_newest_run(
    settings: Settings, published: str, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = {"rule_id": "M-1", "table": "marts.gap", "n_failing": 4, "sentence": "A gap has both sides."}
    write_last_run(settings, LastRun("r", now(), now(), "refused", 3, "Refused: M-1.", [failure], [], published))
    code, out, _ = everypupil_says(capsys, settings, "status")
    assert code == 0
    assert published in out
    assert "M-1 marts.gap: 4 rows" in out


def test_verify_ends_with_1_where_a_file_was_changed(
    settings: Settings, published: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert everypupil_says(capsys, settings, "verify")[0] == 0
    target = settings.releases_dir / published / "public" / "gap.parquet"
    target.chmod(0o644)
    target.write_bytes(b"PAR1")
    code, _, err = everypupil_says(capsys, settings, "verify", published)
    assert (code, "public/gap.parquet" in err) == (1, True)


def test_sql_reads_the_public_tier_by_default_and_more_by_role(
    settings: Settings, published: str, capsys: pytest.CaptureFixture[str]
) -> None:
    query = "select urn from exports.dim_school order by urn"
    code, out, _ = everypupil_says(capsys, settings, "sql", query, "--format", "json")
    assert (code, json.loads(out)) == (0, [{"urn": "100001"}, {"urn": "100002"}])
    code, out, _ = everypupil_says(capsys, settings, "sql", query, "--format", "csv")
    assert out == "urn\n100001\n100002\n"
    marks = "select count(*) as n from marts.fct_session"
    code, _, err = everypupil_says(capsys, settings, "sql", marks)
    assert (code, err.startswith("Error: "), "information_schema.tables" in err) == (2, True, True)
    code, out, _ = everypupil_says(capsys, settings, "sql", marks, "--restricted", "--format", "json")
    assert (code, json.loads(out)) == (0, [{"n": 3}])
    code, out, _ = everypupil_says(capsys, settings, "sql", marks, "--as", "school:100002", "--format", "json")
    assert (code, json.loads(out)) == (0, [{"n": 0}])
    code, _, err = everypupil_says(capsys, settings, "sql", marks, "--as", "governor")
    assert (code, err.count("\n")) == (2, 1)
    assert everypupil_says(capsys, settings, "sql", marks, "--as", "public", "--restricted")[0] == 2


def test_a_role_of_access_yml_reads_and_is_logged_and_a_tampered_log_ends_with_1(
    settings: Settings, published: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    settings.access_path.write_text("roles:\n  head: {tier: pupils, schools: [100001], year_groups: all}\n")
    assert everypupil_says(capsys, settings, "access-log", "--verify")[:2] == (
        0,
        "The access log holds: 0 lines, each on the one before.\n",
    )
    marks = "select count(*) as n from marts.fct_session"
    assert everypupil_says(capsys, settings, "sql", marks, "--as", "head", "--format", "csv")[1] == "n\n3\n"
    code, _, err = everypupil_says(capsys, settings, "sql", marks)
    assert (code, "access.yml names the roles" in err) == (2, True)
    arguments = ("export", "dim_school", "--as", "head", "--format", "csv", "--out", str(tmp_path / "schools.csv"))
    assert everypupil_says(capsys, settings, *arguments)[0] == 0
    found = json.loads(everypupil_says(capsys, settings, "access-log", "--json")[1])
    assert [(entry["role"], entry["action"], entry["what"], entry["rows"]) for entry in found["entries"]] == [
        ("head", "query", ["marts.fct_session"], 1),
        ("head", "export", ["marts.dim_school"], 1),
    ]
    assert "head" in everypupil_says(capsys, settings, "access-log")[1]
    log = settings.access_log_path
    log.write_text(log.read_text().replace('"rows":1', '"rows":0', 1))
    code, _, err = everypupil_says(capsys, settings, "access-log", "--verify")
    assert (code, err.count("\n"), "line 1: " in err) == (1, 1, True)


def test_an_export_has_the_format_that_its_file_is_named_for(
    settings: Settings, published: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    csv, parquet = tmp_path / "schools.csv", tmp_path / "schools.parquet"
    for out, options, start in (
        (csv, (), b"school_key,urn"),
        (parquet, (), b"PAR1"),
        (csv, ("--format", "parquet"), b"PAR1"),
    ):
        assert everypupil_says(capsys, settings, "export", "dim_school", *options, "--out", str(out))[0] == 0
        assert out.read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sql", "select 1"), "access.yml, line 2: 'leader' is no tier; write leaders."),
        (("export", "gap", "--out", "x.csv"), "access.yml, line 2: "),
        (("dashboard", "--as", "head"), "access.yml, line 2: "),
        (("dashboard", "--tier", "public"), "access.yml, line 2: "),
        (("dashboard", "--tier", "public", "--as", "head"), "not both"),
    ],
)
def test_a_wrong_access_yml_refuses_to_start_in_one_sentence(
    settings: Settings, published: str, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    settings.access_path.write_text("roles:\n  head: {tier: leader}\n")
    code, out, err = everypupil_says(capsys, settings, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_a_run_beside_another_ends_with_1(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    settings.landing_dir.mkdir(parents=True)
    hold = (
        "import sys, time\nfrom ingest.settings import load_settings\n"
        "from orchestration.writer_lock import writer_lock\n"
        "with writer_lock(load_settings(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", hold, str(settings.home)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        code, _, err = everypupil_says(capsys, settings, "run")
    finally:
        holder.kill()
        holder.wait()
    assert (code, "is writing to" in err, err.count("\n")) == (1, True, 1)


def test_nothing_new_is_decided_without_loading_anything_heavy(settings: Settings, tmp_path: Path) -> None:
    settings.landing_dir.mkdir(parents=True)
    with open_warehouse(settings) as connection:
        build(connection)
        release_id = publish(settings, connection, run_input(settings, DAY), GATE)
    script = (
        "import json, sys\nfrom orchestration.cli import execute\n"
        "code = execute(sys.argv[2:])\n"
        "print(json.dumps([code, sorted(set(sys.argv[1].split(',')) & set(sys.modules))]))\n"
    )
    arguments = ["--home", str(settings.home), "run", "--as-of", DAY.isoformat()]
    done = subprocess.run(
        [sys.executable, "-c", script, ",".join(HEAVY), *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("\n") == 2, done.stdout + done.stderr
    said, verdict = done.stdout.splitlines()
    assert json.loads(verdict) == [0, []]
    assert release_id in said
    last = read_last_run(settings)
    assert last is not None
    assert (last["outcome"], last["exit_code"], last["release_id"]) == ("nothing_new", 0, release_id)


def test_csv_disarms_text_that_a_spreadsheet_would_calculate() -> None:
    rows: list[dict[str, Any]] = [{"name": "=1+1", "n": -3}, {"name": None, "n": 2}]
    assert as_csv(["name", "n"], rows) == "name,n\n'=1+1,-3\n,2\n"


def test_a_table_is_as_wide_as_what_stands_in_it() -> None:
    assert as_table(["a", "bb"], [{"a": "long", "bb": None}]) == "a     bb\n----  --\nlong"


def test_a_dashboard_without_a_release_says_so_and_does_not_start(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = everypupil_says(capsys, settings, "dashboard")
    assert (code, str(settings.home) in err, "everypupil run" in err) == (1, True, True)


def test_a_dashboard_of_a_school_that_the_release_has_not_does_not_start(
    settings: Settings, published: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = everypupil_says(capsys, settings, "dashboard", "--as", "school:999999")
    assert code in (1, 2)
    assert "no school with that URN" in err
    assert "http" not in err


def test_status_names_the_home_and_verify_says_when_it_begins(
    settings: Settings, published: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = everypupil_says(capsys, settings, "status")
    assert out.splitlines()[0] == f"Home: {settings.home}"
    _, _, err = everypupil_says(capsys, settings, "verify")
    assert f"verify {published} …" in err


def test_a_made_home_says_of_itself_that_it_is_made_and_a_file_of_settings_stands(tmp_path: Path) -> None:
    home = tmp_path / "home"
    told = with_notice(load_settings(home), 'Made up: "all" of it.')
    assert told.notice == load_settings(home).notice == 'Made up: "all" of it.'
    (home / CONFIG_FILE).write_text("threads = 1\n", encoding="utf-8")
    assert with_notice(load_settings(home), "Made up.").notice is None
    assert (home / CONFIG_FILE).read_text(encoding="utf-8") == "threads = 1\n"


def test_a_verdict_names_lines_and_says_what_it_does_not_judge() -> None:
    rule = RuleCount("RM-1", "error", "The mark is no register code.", 2, (3, 7))
    register = FileVerdict("autumn.csv", "session_marks", (), ("Form",), 9, 7, 2, (rule,), None)
    assert verdict_lines(register) == [
        "autumn.csv: session_marks, 9 rows read, 7 accepted, 2 refused.",
        "  Not judged here: run holds a register of far fewer pupils than those it would replace.",
        "  extra columns: Form",
        "  error RM-1: 2 rows (first lines 3, 7). The mark is no register code.",
    ]
    assert not any("Not judged" in line for line in verdict_lines(replace(register, feed="pupils")))
    refused = FileVerdict("x.csv", None, ("UPN",), (), 0, 0, 0, (), "x.csv: no column of a UPN; add one.")
    assert verdict_lines(refused) == ["refused: x.csv: no column of a UPN; add one.", "  missing columns: UPN"]


def test_the_list_of_commands_cuts_no_sentence_off(capsys: pytest.CaptureFixture[str]) -> None:
    execute(["--help"])
    commands = capsys.readouterr().out.partition("Commands:")[2].strip().splitlines()
    assert len(commands) == len(everypupil.commands)
    assert [line for line in commands if not line.endswith(".") or line.endswith("...")] == []
