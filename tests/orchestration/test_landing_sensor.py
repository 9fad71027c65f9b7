"""The sensor's cursor is what was seen; a run is asked for once per state of the landing folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from orchestration.landing_sensor import Cursor, Listing, list_landing, read_cursor, tick


def by_name(path: str) -> str:
    return hashlib.sha256(path.encode()).hexdigest()


def two_ticks(cursor: Cursor, listing: Listing) -> tuple[Cursor, str | None]:
    cursor, key = tick(cursor, listing, by_name)
    return (cursor, key) if key else tick(cursor, listing, by_name)


def test_a_new_file_is_waited_for_once_and_then_asked_for() -> None:
    listing = {"pupils/a.csv": (10, 1)}
    cursor, key = tick(Cursor(), listing, by_name)
    assert key is None
    cursor, key = tick(cursor, listing, by_name)
    assert key is not None
    assert tick(cursor, listing, by_name) == (cursor, None)


def test_an_upload_that_still_grows_holds_the_run_back() -> None:
    cursor, _ = tick(Cursor(), {"a.csv": (10, 1)}, by_name)
    cursor, key = tick(cursor, {"a.csv": (20, 2)}, by_name)
    assert key is None
    _, key = tick(cursor, {"a.csv": (20, 2)}, by_name)
    assert key is not None


def test_a_file_copied_again_with_the_same_content_asks_under_the_same_key() -> None:
    cursor, first = two_ticks(Cursor(), {"a.csv": (10, 1)})
    _, second = two_ticks(cursor, {"a.csv": (10, 2)})
    assert first == second


def test_a_file_that_changed_asks_under_another_key() -> None:
    cursor, first = two_ticks(Cursor(), {"a.csv": (10, 1)})
    cursor, key = tick(cursor, {"a.csv": (11, 2)}, lambda path: "other")
    assert key is None
    _, second = tick(cursor, {"a.csv": (11, 2)}, lambda path: "other")
    assert second not in (None, first)


def test_a_file_taken_away_asks_for_nothing_and_is_new_when_it_comes_back() -> None:
    cursor, _ = two_ticks(Cursor(), {"a.csv": (10, 1), "b.csv": (5, 1)})
    cursor, key = tick(cursor, {"b.csv": (5, 1)}, by_name)
    assert key is None
    assert cursor.taken == {"b.csv": (5, 1)}
    cursor, key = tick(cursor, {"a.csv": (10, 1), "b.csv": (5, 1)}, by_name)
    assert key is None
    assert "a.csv" in cursor.waiting


LISTINGS = st.dictionaries(
    st.text("ab/", min_size=1, max_size=4), st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=4
)


@given(st.lists(LISTINGS, max_size=6))
def test_a_cursor_survives_being_stored(listings: list[Listing]) -> None:
    cursor = Cursor()
    for listing in listings:
        cursor, _ = tick(cursor, listing, by_name)
        assert read_cursor(cursor.to_json()) == cursor


@given(st.lists(LISTINGS, max_size=6), LISTINGS)
def test_a_state_that_stays_is_asked_for_at_most_once(listings: list[Listing], final: Listing) -> None:
    cursor = Cursor()
    for listing in listings:
        cursor, _ = tick(cursor, listing, by_name)
    keys = []
    for _ in range(4):
        cursor, key = tick(cursor, final, by_name)
        keys.append(key)
    assert len([key for key in keys if key]) <= 1
    assert cursor.taken == final


def test_hidden_and_half_copied_files_are_not_listed(tmp_path: Path) -> None:
    for name in ("a.csv", ".hidden", "b.csv.part", "c.tmp"):
        (tmp_path / name).write_text("x")
    (tmp_path / "pupils").mkdir()
    (tmp_path / "pupils" / "d.csv").write_text("xy")
    assert {path: stamp[0] for path, stamp in list_landing(tmp_path).items()} == {"a.csv": 1, "pupils/d.csv": 2}
    assert list_landing(tmp_path / "nowhere") == {}
