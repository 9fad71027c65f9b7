"""Every reading of pupils' rows and every export leaves a line, and a line that is tampered with shows."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from dashboard.access import open_as
from dashboard.access_log import Access, AccessLogError, read_log, record
from dashboard.export import ExportError, export_table
from dashboard.reader import QueryError
from ingest.settings import Settings
from tests.dashboard.release_fixture import RELEASE_ID, make_settings

PUPIL = 1000012
QUERY = f"SELECT * FROM marts.attendance_pupil_year WHERE pupil_key = {PUPIL}"


def lines(settings: Settings) -> list[dict[str, object]]:
    return [json.loads(line) for line in settings.access_log_path.read_text().splitlines()]


def test_a_reading_of_pupils_rows_says_who_role_what_release_when_and_rows(own_home: Settings) -> None:
    with open_as(own_home, "school:100001") as release:
        assert release.query(QUERY).num_rows == 1
    (line,) = lines(own_home)
    assert line["who"] == pwd.getpwuid(os.getuid()).pw_name
    assert {key: line[key] for key in ("role", "tier", "action", "what", "release", "rows")} == {
        "role": "school:100001",
        "tier": "pupils",
        "action": "query",
        "what": ["marts.attendance_pupil_year"],
        "release": RELEASE_ID,
        "rows": 1,
    }
    assert str(line["at"]).endswith("+00:00")
    assert line["query_sha256"] == hashlib.sha256(QUERY.encode()).hexdigest()
    assert str(PUPIL) not in own_home.access_log_path.read_text()


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("FROM marts.attendance_pupil_year a JOIN exports.gap g ON true LIMIT 1",
         ["exports.gap", "marts.attendance_pupil_year"]),
        ("SELECT (SELECT count(*) FROM Marts.\"ATTENDANCE_pupil_year\")", ["marts.attendance_pupil_year"]),
        ("WITH x AS (FROM exports.gap) FROM x LIMIT 1", ["exports.gap"]),
        ("SUMMARIZE marts.attendance_pupil_year", ["marts.attendance_pupil_year"]),
        ("FROM query_table('exports.gap') LIMIT 1", ["exports.gap"]),
        ("FROM query_table('exports.' || 'gap') LIMIT 1", ["*"]),
        ("FROM read_parquet('{root}/leaders/gap.parquet') LIMIT 1", ["*"]),
        ("FROM '{root}/leaders/gap.parquet' LIMIT 1", ["*"]),
        ("SELECT 1", []),
    ],
)  # fmt: skip
def test_the_log_names_every_table_that_a_query_reads(own_home: Settings, sql: str, what: list[str]) -> None:
    root = own_home.releases_dir.resolve() / RELEASE_ID
    with open_as(own_home, "school:100001") as release:
        assert release.query(sql.format(root=root)).num_rows > 0
    assert [line["what"] for line in lines(own_home)] == [what]


def test_a_query_that_fails_is_logged_too_and_a_made_up_name_is_not(own_home: Settings) -> None:
    with open_as(own_home, "school:100001") as release, pytest.raises(QueryError):
        release.query('SELECT "Ada Quill" FROM marts.attendance_pupil_year')
    with open_as(own_home, "school:100001") as release, pytest.raises(QueryError):
        release.query('FROM "Ada Quill"')
    assert [(line["what"], line["rows"]) for line in lines(own_home)] == [
        (["marts.attendance_pupil_year"], None),
        ([], None),
    ]
    assert "Quill" not in own_home.access_log_path.read_text()


def test_queries_of_the_other_tiers_leave_no_line_and_every_export_leaves_one(
    own_home: Settings, tmp_path: Path
) -> None:
    with open_as(own_home, "public") as release:
        release.query("FROM exports.gap")
    assert not own_home.access_log_path.exists()
    export_table(own_home, "dim_school", "public", None, "csv", tmp_path / "a.csv")
    export_table(own_home, "school_pack", "leaders", "100001", "xlsx", tmp_path / "b.xlsx")
    export_table(own_home, "attendance_pupil_year", "school:100002", None, "parquet", tmp_path / "c.parquet")
    found = [(e["role"], e["action"], e["what"], e["unit"], e["file_format"], e["rows"]) for e in lines(own_home)]
    assert found[0] == ("public", "export", ["exports.dim_school"], None, "csv", 6)
    assert found[1][:5] == ("leaders", "export", ["school_pack"], "100001", "xlsx")
    assert isinstance(found[1][5], int)
    assert found[1][5] > 100
    assert found[2] == ("school:100002", "export", ["marts.attendance_pupil_year"], None, "parquet", 5)


def test_the_log_is_for_its_owner_alone(own_home: Settings, tmp_path: Path) -> None:
    export_table(own_home, "gap", "public", None, "csv", tmp_path / "a.csv")
    folder = own_home.access_log_path.parent
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert sorted(path.name for path in folder.iterdir()) == [
        "access_log.head.json",
        "access_log.jsonl",
        "access_log.lock",
    ]


def _make_folder_a_file(settings: Settings) -> None:
    settings.access_log_path.parent.write_text("in the way")


def _make_log_a_folder(settings: Settings) -> None:
    settings.access_log_path.mkdir(parents=True)


def _make_log_a_link(settings: Settings) -> None:
    settings.access_log_path.parent.mkdir()
    settings.access_log_path.symlink_to("/dev/null")


def _damage_head(settings: Settings) -> None:
    record(settings, Access("public", "export", ("gap",), RELEASE_ID, 1))
    settings.access_log_path.with_name("access_log.head.json").write_text("{}")


def _remove_log(settings: Settings) -> None:
    record(settings, Access("public", "export", ("gap",), RELEASE_ID, 1))
    settings.access_log_path.unlink()


def _remove_head(settings: Settings) -> None:
    record(settings, Access("public", "export", ("gap",), RELEASE_ID, 1))
    settings.access_log_path.with_name("access_log.head.json").unlink()


@pytest.mark.parametrize(
    "spoil",
    [_make_folder_a_file, _make_log_a_folder, _make_log_a_link, _damage_head, _remove_log, _remove_head],
)
def test_what_cannot_be_logged_is_not_read(
    own_home: Settings, tmp_path: Path, spoil: Callable[[Settings], None]
) -> None:
    spoil(own_home)
    with open_as(own_home, "operator") as release, pytest.raises(AccessLogError) as caught:
        release.query("FROM marts.attendance_pupil_year")
    assert "nothing may be read" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(AccessLogError):
        export_table(own_home, "gap", "public", None, "csv", tmp_path / "a.csv")
    assert not (tmp_path / "a.csv").exists()


def test_an_export_that_cannot_be_made_leaves_no_line(own_home: Settings, tmp_path: Path) -> None:
    with pytest.raises(ExportError):
        export_table(own_home, "nothing", "public", None, "csv", tmp_path / "a.csv")
    assert not own_home.access_log_path.exists()


@pytest.fixture
def logged(tmp_path: Path) -> Settings:
    """A log of six lines."""
    settings = make_settings(tmp_path / "home")
    for number in range(6):
        record(settings, Access("operator", "query", ("marts.gap",), RELEASE_ID, number))
    return settings


Rows = list[bytes]


def _change(rows: Rows) -> Rows:
    return [*rows[:2], rows[2].replace(b'"rows":2', b'"rows":1'), *rows[3:]]


def _rehash(rows: Rows) -> Rows:
    """A change by someone who knows how a line is hashed."""
    entry = json.loads(rows[2]) | {"who": "somebody"}
    del entry["hash"]
    text = json.dumps(entry, separators=(",", ":"), sort_keys=True)
    entry["hash"] = hashlib.sha256(text.encode()).hexdigest()
    return [*rows[:2], json.dumps(entry, separators=(",", ":"), sort_keys=True).encode(), *rows[3:]]


TAMPERED: list[tuple[str, Callable[[Rows], Rows], int, str]] = [
    ("changed", _change, 3, "not as it was written"),
    ("changed and hashed anew", _rehash, 4, "does not follow on the line before"),
    ("last changed and hashed anew", lambda r: [*r[:3], *_rehash(r[3:])], 6, "the head holds another hash"),
    ("first removed", lambda r: r[1:], 1, "it was written as line 2: 1 before it were removed"),
    ("one removed", lambda r: [*r[:2], *r[3:]], 3, "it was written as line 4: 1 before it were removed"),
    ("two removed", lambda r: [*r[:2], *r[4:]], 3, "it was written as line 5: 2 before it were removed"),
    ("two swapped", lambda r: [*r[:2], r[3], r[2], *r[4:]], 3, "were removed or moved"),
    ("one repeated", lambda r: [*r[:3], r[1], *r[3:]], 4, "stands here a second time"),
    ("last removed", lambda r: r[:-1], 6, "1 missing here, at the end"),
    ("three removed at the end", lambda r: r[:-3], 4, "3 missing here, at the end"),
    ("all removed", lambda r: [], 1, "6 missing here, at the end"),
    ("no line any more", lambda r: [*r[:2], b"{}", *r[3:]], 3, "it was changed"),
    ("spaces added", lambda r: [*r[:2], r[2].replace(b",", b", "), *r[3:]], 3, "it was changed"),
    ("a key twice", lambda r: [*r[:2], r[2][:-1] + b',"who":"x"}', *r[3:]], 3, "it was changed"),
    ("an empty line", lambda r: [*r[:2], b"", *r[2:]], 3, "it was changed"),
    ("two added", lambda r: [*r, r[0], r[1]], 7, "a second time"),
]


@pytest.mark.parametrize(("tamper", "line", "said"), [case[1:] for case in TAMPERED], ids=[c[0] for c in TAMPERED])
def test_what_was_tampered_with_shows_with_its_line(
    logged: Settings, tamper: Callable[[Rows], Rows], line: int, said: str
) -> None:
    assert read_log(logged)[1] == []
    rows = logged.access_log_path.read_bytes().splitlines()
    logged.access_log_path.write_bytes(b"".join(row + b"\n" for row in tamper(rows)))
    problems = read_log(logged)[1]
    assert problems[0].line == line
    assert said in problems[0].sentence


def test_a_log_and_a_head_that_are_both_rewritten_leave_no_trace_as_the_docs_say(logged: Settings) -> None:
    head = logged.access_log_path.with_name("access_log.head.json")
    first = logged.access_log_path.read_bytes().splitlines()[0]
    logged.access_log_path.write_bytes(first + b"\n")
    head.write_text(json.dumps({"lines": 1, "size": len(first) + 1, "hash": json.loads(first)["hash"]}))
    assert read_log(logged)[1] == []


@pytest.mark.parametrize("kept", [0, 1, 200])
def test_a_writer_that_was_killed_between_log_and_head_is_put_right(logged: Settings, kept: int) -> None:
    """kept: how much of the last line was written, where 0 is all of it."""
    path = logged.access_log_path
    head = path.with_name("access_log.head.json")
    before = head.read_bytes()
    content = path.read_bytes()
    record(logged, Access("operator", "query", ("marts.gap",), RELEASE_ID, 6))
    late = path.read_bytes()[len(content) :]
    path.write_bytes(content + (late[:kept] if kept else late))
    head.write_bytes(before)
    record(logged, Access("operator", "query", ("marts.gap",), RELEASE_ID, 7))
    entries, problems = read_log(logged)
    assert problems == []
    assert [entry["rows"] for entry in entries] == [0, 1, 2, 3, 4, 5, *([] if kept else [6]), 7]


def _write_many(home: Path) -> None:
    for number in range(25):
        record(make_settings(home), Access("operator", "query", (), RELEASE_ID, number))


def test_writers_beside_each_other_keep_one_chain(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with ProcessPoolExecutor(3) as pool:
        list(pool.map(_write_many, [home] * 3))
    entries, problems = read_log(make_settings(home))
    assert problems == []
    assert [entry["line"] for entry in entries] == list(range(1, 76))


def test_the_place_of_the_log_is_a_setting(tmp_path: Path) -> None:
    settings = make_settings(tmp_path / "home").model_copy(update={"access_log": tmp_path / "of_its_own" / "log.jsonl"})
    record(settings, Access("public", "export", ("gap",), RELEASE_ID, 1))
    assert len(read_log(settings)[0]) == 1
    assert not (tmp_path / "home").exists()
