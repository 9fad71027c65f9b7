"""The lake keeps every delivery once, whole or not at all, whatever the order, repeats and crashes."""

import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import zstandard

from ingest.delivery import ACCEPTED, QUARANTINE
from ingest.keys import KeyMismatch, KeyUnusable, Pseudonymiser, load_pseudonymiser
from ingest.lake import Lake
from ingest.pipeline import FEEDS, ingest_all, survey
from ingest.settings import load_settings
from tests.ingest.landing import OTHER_SCHOOL, SCHOOL, Landing, upn

MARKS = "UPN,Date,Session,Mark"
FOLDER = f"session_marks/{SCHOOL}"


def week(pupils: int, mark: str = "/", first: int = 1) -> str:
    return f"{MARKS}\n" + "".join(
        f"{upn(pupil)},2025-09-0{day},AM,{mark}\n" for pupil in range(pupils) for day in range(first, 6)
    )


def everything() -> dict[str, str]:
    """A small trust's landing folder: path to text."""
    pupils = "UPN,Adno,Surname,DOB,Sex\n" + "".join(f"{upn(n)},{n},S{n},2014-05-01,F\n" for n in range(12))
    return {
        "schools/edubasealldata20250901.csv": "URN,LA (code),EstablishmentNumber,EstablishmentName\n"
        "100001,801,4001,Oak\n",
        "schools/links20250901.csv": "URN,LinkURN,LinkType,LinkEstablishedDate\n100001,100000,Predecessor,01-09-2024\n",
        "calendar_20250801.csv": f"LAESTAB,Date,Session,Status\n{SCHOOL},2025-09-01,AM,open\n",
        f"pupils/{SCHOOL}/list_2025-09-02.csv": pupils,
        f"pupils/{SCHOOL}/list_2025-10-02.csv": pupils,
        f"{FOLDER}/a_2025-09-01_2025-09-05_20250905T180000.csv": week(12),
        f"{FOLDER}/b_2025-09-01_2025-09-05_20250906T180000.csv": week(12, "I"),
        f"{FOLDER}/c_2025-09-01_2025-09-05_20250907T180000.csv": week(5, "N"),
        f"{FOLDER}/d_2025-09-01_2025-09-05_amendments_20250908T180000.csv": week(2, "M", 4),
        "assessment_results/r_20251002.csv": "UPN,Assessment,Subject,Result,Scale,Date\n"
        f"{upn(1)},Autumn test,Reading,101,standardised-100-15,2025-10-01\n",
        f"attendance_totals/{SCHOOL}/totals_20260110T080000.csv": "UPN,Academic year,Term,Possible,Authorised,"
        f"Unauthorised\n{upn(1)},2025/26,AUT,140,5,2\n",
        f"suspensions/{SCHOOL}/s_20251101T080000.csv": f"UPN,Type,Start date,Sessions\n{upn(1)},SUSP,2025-10-01,4\n",
        f"interventions/{SCHOOL}/i_20251101T080000.csv": f"UPN,Intervention,Start date\n{upn(1)},Call,2025-10-01\n",
        "dfe_statistics/absence_2026-07-23.csv": "time_period,time_identifier,geographic_level,country_code,absence\n"
        "202526,Academic year,National,E92000001,6.88\n",
    }


def test_all_feeds_land_with_the_columns_that_others_rely_on(landing: Landing) -> None:
    for path, text in everything().items():
        landing.put(path, text)
    reports = landing.ingest()
    assert all(reports[feed].rows_accepted for feed in FEEDS)
    for parse in Lake(landing.settings).parses():
        assert pq.read_schema(parse.accepted_path).equals(ACCEPTED[parse.feed])
        assert pq.read_schema(parse.quarantine_path).equals(QUARANTINE)
        manifest = parse.manifest
        assert manifest["rows_read"] == manifest["rows_accepted"] + manifest["rows_quarantined"]
        assert manifest["rows_accepted"] == pq.read_metadata(parse.accepted_path).num_rows


def test_the_catalogue_says_what_is_in_force_and_what_is_held(landing: Landing) -> None:
    for path, text in everything().items():
        landing.put(path, text)
    landing.ingest()
    query = landing.catalogue().execute
    held = query("SELECT delivery_id, file_name, held_reason FROM lake.delivery WHERE is_held").fetchall()
    assert [name[0] for _, name, _ in held] == ["c"]
    in_force = query(
        "SELECT DISTINCT file_name[1], layer FROM lake.session_window"
        " JOIN lake.delivery USING (delivery_id) ORDER BY ALL"
    ).fetchall()
    assert in_force == [("b", 0), ("d", 1)]
    assert query("SELECT school_key FROM lake.school_identity WHERE urn = '100001'").fetchall() == [("100000",)]
    assert query("SELECT count(DISTINCT pupil_key), count(*) FROM lake.identity").fetchone() == (12, 24)
    assert query("SELECT list_sort(list(as_at_date)) FROM lake.delivery WHERE feed = 'pupils'").fetchone() == (
        [date(2025, 9, 2), date(2025, 10, 2)],
    )

    Lake(landing.settings).accept_partial(held[0][0])
    assert landing.catalogue().execute("SELECT count(*) FROM lake.delivery WHERE is_held").fetchone() == (0,)
    with pytest.raises(KeyError, match="no delivery 'nothing'"):
        Lake(landing.settings).accept_partial("nothing")


def test_order_of_arrival_and_repeats_change_nothing(tmp_path: Path) -> None:
    contents = set()
    secret = b"k" * 32
    for seed in range(4):
        landing = Landing.at(tmp_path / str(seed))
        landing.settings.secrets_dir.mkdir(parents=True)
        (landing.settings.secrets_dir / "pseudonym.key").write_bytes(secret)
        (landing.settings.secrets_dir / "pseudonym.key").chmod(0o600)
        files = list(everything().items())
        random.Random(seed).shuffle(files)
        for path, text in files:
            landing.put(path, text)
            if seed % 2:
                landing.ingest()
                landing.settings.state_dir.joinpath("seen.json").unlink()
        landing.ingest()
        contents.add(landing.content())
    assert len(contents) == 1


def test_a_file_reverted_to_an_earlier_content_is_in_force_again(landing: Landing) -> None:
    first, second = week(3, "/"), week(3, "N")
    for moment, text in (("20250905T18", first), ("20250906T18", second), ("20250907T18", first)):
        landing.put(f"{FOLDER}/m_2025-09-01_2025-09-05_{moment}0000.csv", text)
        landing.ingest()
    assert len(landing.parses("session_marks")) == 2
    names = landing.catalogue().execute(
        "SELECT DISTINCT file_name FROM lake.session_window JOIN lake.delivery USING (delivery_id)"
    )
    assert names.fetchall() == [("m_2025-09-01_2025-09-05_20250907T180000.csv",)]


def test_a_file_seen_before_is_not_opened_again(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    path = landing.put(f"{FOLDER}/m_20250905T180000.csv", week(3))
    landing.ingest()
    path.chmod(0)
    assert survey(landing.settings).is_empty
    path.chmod(0o600)
    os.utime(path, (1, 1))
    assert survey(landing.settings).n_new == 1


def test_the_same_bytes_again_are_one_delivery_with_one_more_receipt(landing: Landing) -> None:
    landing.put(f"{FOLDER}/m_20250905T180000.csv", week(3))
    landing.ingest()
    landing.put(f"{FOLDER}/m_20250906T180000.csv", week(3))
    landing.ingest()
    lake = Lake(landing.settings)
    assert len(lake.parses()) == 1
    assert len(lake.receipts()) == 2
    assert [state[2] for state in lake.input_state()] == ["2025-09-06T18:00:00"]


def test_a_modification_time_counts_where_nothing_better_is_known_and_is_flagged(landing: Landing) -> None:
    path = landing.put(f"{FOLDER}/register.csv", week(3))
    os.utime(path, (1_757_000_000, 1_757_000_000))
    landing.ingest()
    (receipt,) = Lake(landing.settings).receipts()
    assert receipt.extracted_at_basis == "mtime"


def test_the_original_is_kept_byte_for_byte(landing: Landing) -> None:
    path = landing.put(f"{FOLDER}/m_20250905T180000.csv", week(3), "utf-16")
    landing.ingest()
    (original,) = (landing.settings.lake_dir / "originals").iterdir()
    with zstandard.open(original, "rb") as handle:
        assert handle.read() == path.read_bytes()


def test_a_file_of_several_schools_becomes_a_delivery_each_without_the_others_pupils(landing: Landing) -> None:
    rows = f"{upn(1)},2025-09-01,AM,/,{SCHOOL}\n{upn(2)},2025-09-01,AM,/,{OTHER_SCHOOL}\n{upn(3)},2025-09-01,AM,/,?\n"
    landing.put("session_marks/all_20250905T180000.csv", f"{MARKS},LAESTAB\n{rows}")
    report = landing.ingest()["session_marks"]
    assert (report.rows_read, report.rows_accepted, report.rows_quarantined) == (3, 2, 1)
    parses = {parse.manifest["laestab"]: parse for parse in landing.parses("session_marks")}
    assert set(parses) == {SCHOOL, OTHER_SCHOOL, None}
    refs = {laestab: pq.read_table(parse.accepted_path)["pupil_ref"].to_pylist() for laestab, parse in parses.items()}
    assert [len(refs[laestab]) for laestab in (SCHOOL, OTHER_SCHOOL, None)] == [1, 1, 0]
    assert refs[SCHOOL] != refs[OTHER_SCHOOL]


def test_days_count_rows_taken_and_pupils_named(landing: Landing) -> None:
    rows = f"{upn(1)},2025-09-01,AM,/\n{upn(1)},2025-09-01,PM,\\\n{upn(2)},2025-09-01,AM,ZZ\n{upn(2)},2025-09-03,AM,/\n"
    landing.put(f"{FOLDER}/m_20250905T180000.csv", f"{MARKS}\n{rows}")
    landing.ingest()
    manifest = landing.parses("session_marks")[0].manifest
    assert manifest["days"] == [["2025-09-01", 2, 2], ["2025-09-03", 1, 1]]
    assert (manifest["window_from"], manifest["window_to"], manifest["academic_year"]) == (
        "2025-09-01",
        "2025-09-03",
        "2025/26",
    )


def test_the_secret_is_readable_by_its_owner_alone_and_gives_63_bits(tmp_path: Path) -> None:
    pseudonymiser = load_pseudonymiser(load_settings(tmp_path))
    mode = (tmp_path / "secrets" / "pseudonym.key").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert load_pseudonymiser(load_settings(tmp_path)).key_id == pseudonymiser.key_id
    refs = [pseudonymiser.upn(upn(n)) for n in range(500)]
    assert len(set(refs)) == 500
    assert all(0 <= ref < 2**63 for ref in refs)
    assert "secret" not in repr(pseudonymiser)
    (tmp_path / "secrets" / "pseudonym.key").chmod(0o644)
    with pytest.raises(ValueError, match="chmod 600"):
        load_pseudonymiser(load_settings(tmp_path))


def test_a_lost_key_is_said_and_never_replaced_while_there_is_a_lake(landing: Landing) -> None:
    landing.put(f"{FOLDER}/m_20250905T180000.csv", week(3))
    landing.ingest()
    key = landing.settings.secrets_dir / "pseudonym.key"
    key.unlink()
    landing.put(f"{FOLDER}/n_20250906T180000.csv", week(4))
    with pytest.raises(KeyUnusable, match="restore it from its backup"):
        landing.ingest()
    assert not key.exists()


def test_references_follow_the_documented_hash() -> None:
    pseudonymiser = Pseudonymiser(b"k" * 32)
    import hashlib
    import hmac

    digest = hmac.new(b"k" * 32, b"mis:8014001:77:2", hashlib.sha256).digest()
    assert pseudonymiser.mis("8014001", "77", 2) == int.from_bytes(digest, "big") >> (256 - 63)


def test_another_key_stops_ingest_before_anything_is_written(landing: Landing) -> None:
    landing.put(f"{FOLDER}/m_20250905T180000.csv", week(3))
    landing.ingest()
    (landing.settings.secrets_dir / "pseudonym.key").write_bytes(b"k" * 32)
    landing.put(f"{FOLDER}/n_20250906T180000.csv", week(4))
    with pytest.raises(KeyMismatch, match="restore the old key file"):
        landing.ingest()
    assert len(landing.parses("session_marks")) == 1


def test_a_rebuilt_lake_takes_every_file_again_although_they_were_seen(landing: Landing) -> None:
    landing.put(f"{FOLDER}/m_20250905T180000.csv", week(3))
    landing.ingest()
    shutil.rmtree(landing.settings.lake_dir)
    landing.ingest()
    assert len(landing.parses("session_marks")) == 1


def test_what_a_killed_run_left_is_not_read_and_is_cleaned_away(landing: Landing) -> None:
    landing.put(f"{FOLDER}/m_20250905T180000.csv", week(3))
    landing.ingest()
    (parse,) = landing.parses("session_marks")
    half = parse.folder.parent / "0123456789abcdef"
    half.mkdir()
    shutil.copy(parse.accepted_path, half)
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    left = landing.settings.lake_dir / ".tmp" / f"{ended.stdout.strip()}-abc"
    left.mkdir()
    (left / "accepted.parquet").write_bytes(b"half")
    assert [one.parse_id for one in Lake(landing.settings).parses()] == [parse.parse_id]
    landing.put(f"{FOLDER}/n_20250906T180000.csv", week(4))
    landing.ingest()
    assert not left.exists()


def test_killed_at_any_moment_the_next_run_ends_in_the_same_lake(tmp_path: Path, soak_factor: int) -> None:
    key = b"k" * 32

    def home(name: str) -> Landing:
        landing = Landing.at(tmp_path / name)
        landing.settings.secrets_dir.mkdir(parents=True)
        (landing.settings.secrets_dir / "pseudonym.key").write_bytes(key)
        (landing.settings.secrets_dir / "pseudonym.key").chmod(0o600)
        for path, text in everything().items():
            landing.put(path, text)
        return landing

    whole = home("whole")
    whole.ingest()
    program = (
        "import sys; from pathlib import Path\n"
        "from ingest.settings import load_settings; from ingest.pipeline import ingest_all\n"
        "import ingest.delivery, ingest.lake; print('ready', flush=True)\n"
        "ingest_all(load_settings(Path(sys.argv[1]), ingest_workers=1)); print('done', flush=True)"
    )
    for number in range(3 * soak_factor):
        killed = home(f"killed{number}")
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(killed.settings.home)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.02 + 0.05 * number / soak_factor)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        for manifest in killed.settings.lake_dir.glob("*/*/*/manifest.json"):
            assert json.loads(manifest.read_text())["rows_read"] == sum(
                pq.read_metadata(manifest.parent / name).num_rows for name in ("accepted.parquet", "quarantine.parquet")
            )
        killed.ingest()
        assert killed.content() == whole.content()


def test_a_pool_of_processes_gives_the_same_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = []
    for workers in (1, 2):
        landing = Landing.at(tmp_path / str(workers))
        landing.settings.secrets_dir.mkdir(parents=True)
        (landing.settings.secrets_dir / "pseudonym.key").write_bytes(b"k" * 32)
        (landing.settings.secrets_dir / "pseudonym.key").chmod(0o600)
        for path, text in everything().items():
            if path.startswith("session_marks"):
                landing.put(path, text)
        monkeypatch.setattr("ingest.pipeline.POOL_FROM_BYTES", 0)
        ingest_all(landing.settings.model_copy(update={"ingest_workers": workers}))
        contents.append(landing.content())
    assert contents[0] == contents[1]


def test_looking_for_new_files_imports_nothing_heavy() -> None:
    program = (
        "import sys, ingest.pipeline; print([name for name in ('pyarrow', 'duckdb', 'numpy') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_equation_is_asserted_when_a_manifest_is_written(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.delivery._quarantine_table", lambda *_: QUARANTINE.empty_table())
    landing.put(f"{FOLDER}/m_20250905T180000.csv", f"{MARKS}\n{upn(1)},2025-09-01,AM,ZZ\n")
    with pytest.raises(AssertionError, match="1 rows read are not 0 accepted and 0 quarantined"):
        landing.ingest()
    assert not landing.parses("session_marks")
