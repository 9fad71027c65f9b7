"""A content hash is of the rows and of nothing else: two different tables never read as the same text."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as given_by

from orchestration.release_files import content_hash

SCHEMA = arrow.schema(
    [
        ("code", arrow.string()),
        ("name", arrow.string()),
        ("is_late", arrow.bool_()),
        ("n", arrow.int64()),
        ("session date", arrow.date32()),
        ("value", arrow.float64()),
    ]
)
TEXT = given_by.none() | given_by.text(alphabet="1:,0\n\x1f\\N\0é", max_size=3)
ROW = given_by.tuples(
    TEXT,
    TEXT,
    given_by.none() | given_by.booleans(),
    given_by.none() | given_by.integers(0, 11),
    given_by.none() | given_by.dates(date(2025, 9, 1), date(2025, 9, 3)),
    given_by.none() | given_by.sampled_from([0.1, 0.25, 1e-9]),
)


def hash_of(path: Path, rows: list[tuple[Any, ...]], **how: Any) -> tuple[str, int]:
    columns = [[row[place] for row in rows] for place in range(len(SCHEMA))]
    parquet.write_table(arrow.table(columns, schema=SCHEMA), path, **how)
    return content_hash(duckdb.connect(), path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_by.lists(ROW, max_size=3), given_by.lists(ROW, max_size=3))
def test_two_tables_have_one_hash_exactly_when_their_rows_are_the_same(
    tmp_path: Path, one: list[tuple[Any, ...]], other: list[tuple[Any, ...]]
) -> None:
    first, second = hash_of(tmp_path / "one.parquet", one), hash_of(tmp_path / "other.parquet", other)
    assert first[1] == len(one)
    assert (first == second) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "b"), ("a\x1f1:b", None)),
        ((None, ""), ("", None)),
        (("1:a", ""), ("", "1:a")),
        (("a\n", None), ("a", None)),
    ],
)
def test_no_text_can_be_taken_for_two_values(
    tmp_path: Path, one: tuple[str | None, ...], other: tuple[str | None, ...]
) -> None:
    rest = (None, None, None, None)
    assert hash_of(tmp_path / "one.parquet", [(*one, *rest)]) != hash_of(tmp_path / "other.parquet", [(*other, *rest)])


def test_how_the_bytes_are_packed_does_not_count(tmp_path: Path) -> None:
    rows = [(str(number), None, number % 2 == 0, number, date(2025, 9, 1), number / 7) for number in range(500)]
    plain = hash_of(tmp_path / "plain.parquet", rows, compression="none")
    assert plain == hash_of(tmp_path / "packed.parquet", rows, compression="zstd", row_group_size=7)
