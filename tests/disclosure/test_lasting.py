"""What a release hid and showed of what lasts is where the next one starts."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from ingest.registry import Registry
from quality.disclosure.pattern import Before
from quality.ledger.hidden import lasting_rows, thresholds_of
from tests.attacker.published import REGISTRY
from tests.disclosure.ledger_warehouse import FIRST_MONDAY, MEASURE, YEAR, Told, Trust, small_trust

T = 3
WEEK, OTHER_WEEK, RUNNING = (f"W{FIRST_MONDAY.year}-{FIRST_MONDAY.isocalendar().week + week}" for week in (0, 1, 2))


def row(period: str, unit: str, dimension: str = "all", group: str = "all") -> tuple[str, str]:
    definition = "all" if dimension == "all" else "census"
    return "measure_value", f"{YEAR}|{period}|school|{unit}|{MEASURE}|1|{definition}|{dimension}|{group}"


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    """Two weeks of two schools, of which the first week of school A is hidden."""
    found = small_trust(tmp_path / "lake", T)
    found.holds_back = False
    hide(found, [row(WEEK, "A"), row("YTD", "A")])
    return found


def hide(trust: Trust, rows: Collection[tuple[str, str]]) -> None:
    trust.connection.execute("delete from disclosure.pattern")
    for table, key in rows:
        trust.connection.execute(
            "insert into disclosure.pattern values ('public', ?, ?, 'secondary', 'DC-003')", [table, key]
        )


def next_release(trust: Trust, inputs: str, days: int = 0) -> tuple[Told, Before]:
    """Decides the next release, and what of it stays as it was published. days: after the last marked week."""
    told = trust.publish(inputs, trust.day(days))
    trust.connection.execute(
        """
        create schema if not exists marts;
        create or replace table marts.measure_value as from exports_public.measure_value;
        create or replace table marts.progress_school as from exports_public.progress_school;
        create or replace table marts.progress_model as from exports_public.progress_model;
        """
    )
    return told, lasting_rows(trust.connection, with_measures(trust.registry))["public"]


def with_measures(registry: Registry) -> Registry:
    """The trust's registry with the measure that its figures are of."""
    measure = {"measure_id": MEASURE, "source_model": "attendance", "minimum_n": {"public": T}}
    return Registry({**registry.data, "measures": [measure]})


def test_a_first_release_has_nothing_to_start_from(trust: Trust) -> None:
    assert next_release(trust, "one")[1] == Before()


def test_of_a_week_that_was_over_what_was_hidden_stays_hidden_and_what_was_shown_stays_shown(trust: Trust) -> None:
    trust.publish("one")
    trust.mark_week()
    _, before = next_release(trust, "two")
    assert before.hidden == {row(WEEK, "A")}, "a year that goes on moves for everybody"
    assert {row(WEEK, "B"), row(OTHER_WEEK, "A")} <= before.shown
    assert not any(key.split("|")[1] in ("YTD", "AUT", RUNNING) for _, key in before.shown | before.hidden)


def test_in_a_holiday_the_year_so_far_stays_as_it_was(trust: Trust) -> None:
    """Nothing is marked and nothing moves, but a name of the year may be new: five half-terms are over."""
    trust.publish("one")
    _, before = next_release(trust, "two")
    assert before.hidden == {row(WEEK, "A"), row("YTD", "A")}
    assert {row("YTD", "B"), row("AUT", "A"), row("AUT", "B")} <= before.shown


def test_while_a_week_runs_the_year_so_far_is_free(trust: Trust) -> None:
    """What came since of the running week is in the figures, and the ledger knows nothing of it yet."""
    trust.publish("one")
    trust.mark_week()
    _, before = next_release(trust, "two", days=-7 + 2)
    assert before.hidden == {row(WEEK, "A")}
    assert not any(key.split("|")[1] in ("YTD", "AUT") for _, key in before.shown)


@pytest.mark.parametrize("corrected", [1, T - 1, T])
def test_a_hidden_cell_may_reappear_once_as_many_pupils_changed_as_a_figure_rests_on(
    trust: Trust, corrected: int
) -> None:
    trust.publish("one")
    mine = sorted(pupil for pupil, school in trust.pupils.items() if school == "A")
    for pupil in mine[:corrected]:
        trust.correct(pupil, 0, 5)
    _, before = next_release(trust, "two")
    assert (row(WEEK, "A") in before.hidden) is (corrected < T)
    assert row(OTHER_WEEK, "A") in before.shown, "nothing changed in the other week"
    assert row(WEEK, "B") in before.shown


@pytest.mark.parametrize("corrected", [T - 1, T])
def test_what_was_shown_may_be_hidden_once_as_many_pupils_were_corrected(trust: Trust, corrected: int) -> None:
    """After a few corrected marks the number of pupils is still known."""
    trust.publish("one")
    others = sorted(pupil for pupil, school in trust.pupils.items() if school == "B")
    for pupil in others[:corrected]:
        trust.correct(pupil, 0, 5)
    _, before = next_release(trust, "two")
    assert (row(WEEK, "B") in before.shown) is (corrected < T)
    assert row(WEEK, "B") not in before.hidden


def test_results_last_from_the_day_they_were_told(trust: Trust) -> None:
    for pupil, school in trust.pupils.items():
        trust.score(pupil, school, pupil)
    result = "measure_value", f"{YEAR}|YTD|school|A|mean_score|1|census|sex|F"
    hide(trust, [result])
    trust.publish("one")
    _, before = next_release(trust, "two")
    assert before.hidden == {result}
    girls = [pupil for pupil, school in trust.pupils.items() if school == "B" and pupil // 2 % 2 == 0]
    for pupil in girls[:T]:
        trust.score(pupil, "B", 50)
    _, before = next_release(trust, "three")
    shown = {key for _, key in before.shown if "|mean_score|" in key}
    assert f"{YEAR}|YTD|school|B|mean_score|1|census|sex|M" in shown
    assert f"{YEAR}|YTD|school|B|mean_score|1|census|sex|F" not in shown


def test_the_same_release_again_starts_where_it_started(trust: Trust) -> None:
    """A warehouse that is built again beside its own release must come to the same pattern under the same id."""
    trust.publish("one")
    hide(trust, [row(WEEK, "A"), row(WEEK, "B")])
    trust.mark_week()
    told, before = next_release(trust, "two")
    again, once_more = next_release(trust, "two")
    assert (again.decision.release_id, again.entry) == (told.decision.release_id, told.entry)
    assert once_more == before
    assert row(WEEK, "B") not in before.hidden
    _, after = next_release(trust, "three")
    assert {row(WEEK, "A"), row(WEEK, "B")} <= after.hidden


def test_another_minimum_starts_afresh(trust: Trust) -> None:
    trust.publish("one")
    trust.minimum = T + 1
    assert next_release(trust, "two")[1] == Before()


def test_only_what_decides_which_cells_are_small_is_a_threshold() -> None:
    disclosure = REGISTRY.data["disclosure"]
    same = Registry({**REGISTRY.data, "disclosure": {**disclosure, "programme": {}}})
    other = Registry({**REGISTRY.data, "disclosure": {**disclosure, "minimum_numerator": 4}})
    assert thresholds_of(same) == thresholds_of(REGISTRY) != thresholds_of(other)


def test_entries_of_before_what_is_hidden_was_written_down_are_read(trust: Trust) -> None:
    trust.publish("one")
    (entry,) = trust.ledger.entries()
    (entry.folder / "hidden.parquet").unlink()
    trust.mark_week()
    _, before = next_release(trust, "two")
    assert before.hidden == frozenset()
