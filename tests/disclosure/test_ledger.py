"""The public tier is told of late corrections and joiners together with others, or not yet."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.ledger.store import Ledger, LedgerDamagedError
from tests.conftest import SOAK
from tests.disclosure.ledger_warehouse import YEAR, Told, Trust, differing, small_trust

T = 3
ALL_A = ("YTD", "school", "A", "all", "all")


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    return small_trust(tmp_path / "lake", T)


def revisions(trust: Trust) -> dict[str, int]:
    rows = trust.connection.execute("select period, revision from ledger.publication where family = 'attendance'")
    return dict(rows.fetchall())


def test_the_first_release_tells_all_that_came(trust: Trust) -> None:
    told = trust.publish("one")
    assert told.decision.waiting == 0
    assert set(told.shown[ALL_A]) == {pupil for pupil, school in trust.pupils.items() if school == "A"}
    assert set(revisions(trust).values()) == {1}


def test_nights_within_a_week_change_nothing_that_the_public_reads(trust: Trust) -> None:
    first = trust.publish("one")
    trust.mark_week()
    running = trust.day(days=-7 + 2)
    second = trust.publish("two", running)
    assert second.shown == first.shown
    assert (second.decision.waiting, second.entry) == (0, first.entry), "nothing was told, so nothing is written down"


def test_the_close_of_a_week_moves_the_year_to_date_and_leaves_closed_weeks(trust: Trust) -> None:
    first = trust.publish("one")
    trust.mark_week()
    second = trust.publish("two")
    assert all(second.shown[ALL_A][pupil][1] == counts[1] + 10 for pupil, counts in first.shown[ALL_A].items())
    weeks = [cell for cell in first.shown if cell[0].startswith("W")]
    assert weeks
    assert all(second.shown[cell] == first.shown[cell] for cell in weeks)
    assert set(revisions(trust).values()) == {1}, "a week that closes corrects nothing"


def test_a_late_correction_of_one_pupil_waits(trust: Trust) -> None:
    first = trust.publish("one")
    trust.correct(0, 0, 2)
    second = trust.publish("two")
    assert second.shown == first.shown
    assert second.decision.waiting == 1
    trust.mark_week()
    third = trust.publish("three")
    attended, possible = first.shown[ALL_A][0]
    assert third.shown[ALL_A][0] == (attended + 9, possible + 10), "the week that closes tells of itself alone"
    assert third.decision.waiting == 1


def test_where_the_registry_holds_nothing_back_a_correction_is_told_and_written_down(trust: Trust) -> None:
    trust.holds_back = False
    first = trust.publish("one")
    trust.correct(0, 0, 2)
    second = trust.publish("two")
    assert second.decision.waiting == 0
    assert second.shown != first.shown
    assert len(trust.ledger.entries()) == 2
    trust.holds_back = True
    assert trust.publish("three").shown == second.shown, "what was told is not taken back"


def test_corrections_of_as_many_pupils_as_a_figure_rests_on_are_told_as_a_revision(trust: Trust) -> None:
    first = trust.publish("one")
    girls_of_a = [pupil for pupil in range(20) if pupil % 2 == 0 and pupil // 2 % 2 == 0][:T]
    for pupil in girls_of_a:
        trust.correct(pupil, 0, 2)
    second = trust.publish("two")
    assert second.decision.waiting == 0
    assert differing(first.shown[ALL_A], second.shown[ALL_A]) == set(girls_of_a)
    assert revisions(trust) == {"AUT": 2, "HT1": 2, "YTD": 2, "W2025-36": 2, "W2025-37": 1}


def test_a_correction_waits_for_others_and_is_told_with_them(trust: Trust) -> None:
    first = trust.publish("one")
    trust.correct(0, 0, 2)
    trust.publish("two")
    trust.correct(4, 0, 2)
    trust.correct(8, 1, 2)
    third = trust.publish("three")
    assert third.decision.waiting == 3, "together they are as many in the year, but not in the two weeks"
    trust.correct(4, 1, 3)
    trust.correct(8, 0, 3)
    trust.correct(0, 1, 3)
    fourth = trust.publish("four")
    assert fourth.decision.waiting == 0
    assert differing(first.shown[ALL_A], fourth.shown[ALL_A]) == {0, 4, 8}


def test_a_joiner_waits_until_enough_have_joined(trust: Trust) -> None:
    trust.publish("one")
    trust.enrol(100, "A", "F")
    trust.mark_week()
    second = trust.publish("two")
    assert 100 not in second.shown[ALL_A]
    assert second.decision.waiting == 1
    for pupil in (101, 102):
        trust.enrol(pupil, "A", "F")
    trust.mark_week()
    third = trust.publish("three")
    assert {100, 101, 102} <= third.shown[ALL_A].keys()
    week_told_without = ("W2025-38", "school", "A", "all", "all")
    assert 100 not in third.shown[week_told_without], "the week that was told without the first joiner stays so"
    assert third.decision.waiting == 1


def test_a_correction_taken_back_is_not_told_of_few(trust: Trust) -> None:
    first = trust.publish("one")
    for pupil in (0, 4, 8):
        trust.correct(pupil, 0, 2)
    trust.publish("two")
    for pupil in (0, 4):
        trust.correct(pupil, 0, 9)
    trust.correct(12, 0, 1)
    third = trust.publish("three")
    # Against the second release three pupils differ; against the first it would be two.
    assert third.decision.waiting == 3
    assert differing(first.shown[ALL_A], third.shown[ALL_A]) == {0, 4, 8}


def test_one_late_result_leaves_the_measure_as_it_was_published(trust: Trust) -> None:
    for pupil in range(20):
        trust.score(pupil, "AB"[pupil % 2], pupil)
    first = trust.publish("one")
    trust.score(0, "A", 50)
    second = trust.publish("two")
    assert second.results == first.results
    for pupil in (4, 8):
        trust.score(pupil, "A", 60)
    third = trust.publish("three")
    assert third.results != first.results
    assert third.decision.waiting == 0


def test_a_run_stopped_after_its_entry_ends_in_the_same_release(trust: Trust) -> None:
    trust.publish("one")
    trust.mark_week()
    stopped = trust.publish("two")
    again = trust.publish("two")
    assert (again.decision, again.entry) == (stopped.decision, stopped.entry)
    assert again.shown == stopped.shown
    assert len(trust.ledger.entries()) == 2


def test_what_was_published_counts_for_ever_also_after_a_rollback(trust: Trust) -> None:
    trust.publish("one")
    for pupil in (0, 4, 8):
        trust.correct(pupil, 0, 2)
    second = trust.publish("two")
    # Back at the first release's files: the public has read the second.
    for pupil in (0, 4):
        trust.correct(pupil, 0, 9)
    third = trust.publish("one again")
    assert third.decision.before == second.entry
    assert third.shown == second.shown


def test_the_same_history_gives_the_same_entries(tmp_path: Path) -> None:
    ids = []
    for name in ("here", "there"):
        trust = small_trust(tmp_path / name, T)
        trust.publish("one")
        trust.mark_week()
        trust.publish("two")
        ids.append([entry.entry_id for entry in trust.ledger.entries()])
    assert ids[0] == ids[1]


def test_an_entry_is_for_its_owner_alone(trust: Trust) -> None:
    trust.publish("one")
    folder = trust.ledger.entries()[0].folder
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert [path.stat().st_mode & 0o777 for path in (folder, folder.parent)] == [0o700, 0o700]


def test_a_missing_or_changed_entry_is_refused_with_the_folder_to_restore(trust: Trust) -> None:
    told = trust.publish("one")
    trust.mark_week()
    trust.publish("two")
    ledger = trust.ledger
    assert ledger.verify() == []
    folders = [entry.folder for entry in ledger.entries()]
    cells = folders[0] / "cell.parquet"
    whole = cells.read_bytes()
    cells.write_bytes(whole[:-1] + b"x")
    assert len(ledger.verify()) == 1
    cells.write_bytes(whole)
    content = json.loads((folders[0] / "entry.json").read_text())
    (folders[0] / "entry.json").write_text(json.dumps({**content, "waiting": 99}))
    with pytest.raises(LedgerDamagedError, match=r"put the folder .*disclosure back whole"):
        ledger.entries()
    shutil.rmtree(folders[0])
    with pytest.raises(LedgerDamagedError, match="does not follow"):
        trust.publish("three")
    shutil.rmtree(ledger.root)
    with pytest.raises(LedgerDamagedError, match="is missing"):
        ledger.require(told.entry, "2025-09-15-000000000000")


def test_a_half_written_entry_is_none(trust: Trust) -> None:
    trust.publish("one")
    half = trust.ledger.root / ".building-000002-2025-09-22-000000000000"
    half.mkdir()
    assert len(trust.ledger.entries()) == 1
    trust.mark_week()
    trust.publish("two")
    assert not half.exists()


def test_an_empty_warehouse_has_nothing_to_write_down(tmp_path: Path) -> None:
    trust = Trust(tmp_path / "lake", T)
    told = trust.publish("one", trust.day())
    assert (told.entry, told.shown) == ("", {})
    assert Ledger(tmp_path / "lake").entries() == []


PUPIL = st.integers(0, 23)
NIGHT = st.fixed_dictionaries(
    {
        "week": st.booleans(),
        "corrections": st.lists(st.tuples(PUPIL, st.integers(0, 1), st.integers(7, 9)), max_size=8),
        "regrouped": st.sets(PUPIL, max_size=4),
        "leavers": st.sets(PUPIL, max_size=3),
        "joiners": st.lists(st.tuples(st.sampled_from("AB"), st.sampled_from("FM")), max_size=6),
    }
)


@settings(max_examples=200 if SOAK else 6, deadline=None)
@given(nights=st.lists(NIGHT, min_size=2, max_size=5))
def test_no_two_releases_differ_by_few_pupils_in_a_cell_that_both_show(
    nights: list[dict[str, Any]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        trust = small_trust(Path(folder), T, pupils=24)
        told: list[Told] = [trust.publish("first")]
        for number, night in enumerate(nights):
            for school, group in night["joiners"]:
                trust.enrol(1000 + len(trust.pupils) + 100 * number, school, group)
            for pupil, week, attended in night["corrections"]:
                trust.correct(pupil, week, attended)
            for pupil in night["regrouped"]:
                trust.regroup(pupil)
            for pupil in night["leavers"]:
                trust.leave(pupil)
            if night["week"]:
                trust.mark_week()
            told.append(trust.publish(f"night {number}"))
            trust_closes(trust)
        for position, one in enumerate(told):
            for other in told[:position]:
                for cell in one.shown.keys() & other.shown.keys():
                    few = differing(one.shown[cell], other.shown[cell])
                    entered = one.shown[cell].keys() ^ other.shown[cell].keys()
                    assert not few or len(few) >= T, (cell, few)
                    assert not entered or len(entered) >= T, (cell, entered)


def trust_closes(trust: Trust) -> None:
    """The ledger's log stands for what the public tier counts: nothing is told of that is not written down."""
    rows = trust.connection.execute(
        """
        select count(*) from (
            (select distinct pupil_key from counted) except (select pupil_key from record_log)
            except (select pupil_key from ledger.record_delta)
        )
        """
    ).fetchone()
    assert rows == (0,)


def test_the_plain_rule_would_have_told_of_one(trust: Trust) -> None:
    """The planted fault that the property must see: everything that came is told at once."""
    first = trust.publish("one")
    trust.correct(0, 0, 2)
    shutil.rmtree(trust.lake)
    second = trust.publish("two")
    assert differing(first.shown[ALL_A], second.shown[ALL_A]) == {0}


def test_only_the_year_in_which_something_waits_is_counted_apart(trust: Trust) -> None:
    trust.publish("one")
    assert trust.connection.execute("select academic_year from ledger.apart_year").fetchall() == []
    trust.correct(0, 0, 2)
    trust.publish("two")
    assert trust.connection.execute("select academic_year from ledger.apart_year").fetchall() == [(YEAR,)]
