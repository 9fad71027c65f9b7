"""One mid-size trust for the whole room, and the register that its deliveries come to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from ingest.synth.config import SynthConfig, SynthReport
from ingest.synth.extracts import PUPIL_HEADER, REGISTER_HEADER, RESULT_HEADER
from ingest.synth.trust import write_trust

TRUST = SynthConfig(schools=10, pupils=3300, years=2, seed=7)


@dataclass(frozen=True)
class Trust:
    """A trust on disk, and its extracts as tables: `mark` (as delivered), `register` (the newest mark of each
    session), `pupil`, `result`, `calendar`."""

    folder: Path
    report: SynthReport
    sql: duckdb.DuckDBPyConnection


@pytest.fixture(scope="session")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    folder = tmp_path_factory.mktemp("trust")
    report = write_trust(folder, TRUST)
    connection = duckdb.connect()
    for table, feed, header in (
        ("mark", "session_marks", REGISTER_HEADER),
        ("pupil", "pupils", PUPIL_HEADER),
        ("result", "assessment_results", RESULT_HEADER),
    ):
        star = "* exclude (LAESTAB)" if "LAESTAB" in header else "*"
        columns = ", ".join(f"'{name}': 'VARCHAR'" for name in header)
        connection.execute(
            f"create table {table} as select {star}, split_part(filename, '/', -2) as laestab, "
            f"right(filename, 19) as taken "
            f"from read_csv('{folder}/{feed}/*/*.csv', filename = true, auto_detect = false, header = true, "
            f"delim = ',', quote = '', escape = '', nullstr = '', columns = {{{columns}}})"
        )
    connection.execute(
        f"create table calendar as select * from read_csv('{folder}/calendar/*.csv', all_varchar = true)"
    )
    connection.execute(
        """
        create table register as
        select *,
            case when Mark in ('/', '\\', 'L', 'B', 'K', 'P', 'V', 'W') then 1 else 0 end as attended,
            case when Mark in ('I', 'M', 'C', 'C2', 'E', 'R', 'T', 'J1') then 1 else 0 end as authorised,
            case when Mark in ('G', 'O', 'U', 'N') then 1 else 0 end as unauthorised,
            case substr(laestab, 4, 1) when '2' then 'Primary' when '4' then 'Secondary' else 'Special' end as phase
        from mark
        qualify row_number() over (
            partition by laestab, "Admission Number", "Date", Session order by taken desc) = 1
        """
    )
    return Trust(folder, report, connection)
