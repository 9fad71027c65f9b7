from dataclasses import replace
from datetime import date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ingest.windows import Extent, InForce, RegisterDelivery, resolve_windows

MONDAY = date(2025, 9, 1)


def delivery(
    name: str, hour: int, first: int, last: int, pupils: dict[int, int], extent: Extent = "whole_school"
) -> RegisterDelivery:
    def day(offset: int) -> date:
        return MONDAY + timedelta(days=offset)

    return RegisterDelivery(
        name,
        "8014001",
        datetime(2025, 9, 5) + timedelta(hours=hour),
        f"hash-{name}",
        day(first),
        day(last),
        extent,
        {day(offset): count for offset, count in pupils.items()},
    )


def owners(deliveries: list[RegisterDelivery]) -> dict[tuple[int, int], str]:
    resolution = resolve_windows(deliveries, 95)
    return {((one.session_date - MONDAY).days, one.layer): one.delivery_id for one in resolution.in_force}


def test_the_newest_extract_owns_the_days_of_its_window_and_no_others() -> None:
    week = delivery("week", 0, 0, 2, {0: 10, 1: 10, 2: 10})
    tuesday = delivery("tuesday", 1, 1, 1, {1: 10})
    assert owners([week, tuesday]) == {(0, 0): "week", (1, 0): "tuesday", (2, 0): "week"}


def test_a_covered_day_without_rows_is_listed() -> None:
    assert owners([delivery("week", 0, 0, 2, {0: 10})]) == {(0, 0): "week", (1, 0): "week", (2, 0): "week"}


def test_a_late_older_file_changes_nothing_newer() -> None:
    new, old = delivery("new", 5, 0, 0, {0: 10}), delivery("old", 1, 0, 1, {0: 10, 1: 10})
    assert owners([new, old]) == owners([old, new]) == {(0, 0): "new", (1, 0): "old"}


def test_a_register_cut_off_half_way_is_held_and_the_old_one_stands() -> None:
    whole, half = delivery("whole", 0, 0, 1, {0: 10, 1: 10}), delivery("half", 1, 0, 1, {0: 5, 1: 5})
    resolution = resolve_windows([whole, half], 95)
    assert [hold.delivery_id for hold in resolution.held] == ["half"]
    assert (resolution.held[0].pupil_days, resolution.held[0].superseded_pupil_days) == (10, 20)
    assert "accept --partial half" in resolution.held[0].sentence
    assert {one.delivery_id for one in resolution.in_force} == {"whole"}


def test_exactly_the_share_is_enough() -> None:
    whole = delivery("whole", 0, 0, 0, {0: 100})
    assert not resolve_windows([whole, delivery("new", 1, 0, 0, {0: 95})], 95).held
    assert resolve_windows([whole, delivery("new", 1, 0, 0, {0: 94})], 95).held


def test_new_days_do_not_make_up_for_pupils_missing_on_old_ones() -> None:
    first = delivery("first", 0, 0, 0, {0: 10})
    second = delivery("second", 1, 0, 4, {0: 4, 1: 10, 2: 10, 3: 10, 4: 10})
    assert [hold.delivery_id for hold in resolve_windows([first, second], 95).held] == ["second"]


def test_an_accepted_partial_file_replaces_its_window() -> None:
    whole, half = delivery("whole", 0, 0, 0, {0: 10}), replace(delivery("half", 1, 0, 0, {0: 5}), is_accepted=True)
    assert owners([whole, half]) == {(0, 0): "half"}


def test_amendments_lie_over_the_register_until_a_newer_one_comes() -> None:
    whole = delivery("whole", 0, 0, 1, {0: 10, 1: 10})
    amendment = delivery("amendment", 1, 0, 0, {0: 1}, "pupils_in_file")
    again = delivery("again", 2, 0, 0, {0: 1}, "pupils_in_file")
    assert owners([again, amendment, whole])[0, 1] == "amendment"
    assert owners([again, amendment, whole])[0, 2] == "again"
    newer = delivery("newer", 3, 0, 0, {0: 10})
    assert owners([again, amendment, whole, newer]) == {(0, 0): "newer", (1, 0): "whole"}


def test_a_file_reverted_to_an_earlier_content_is_in_force_again() -> None:
    first, second = delivery("first", 0, 0, 0, {0: 10}), delivery("second", 1, 0, 0, {0: 10})
    assert owners([first, second]) == {(0, 0): "second"}
    assert owners([replace(first, extracted_at=datetime(2025, 9, 9)), second]) == {(0, 0): "first"}


def test_schools_do_not_replace_each_other() -> None:
    one, other = delivery("one", 0, 0, 0, {0: 10}), replace(delivery("other", 1, 0, 0, {0: 2}), laestab="8014002")
    resolution = resolve_windows([one, other], 95)
    assert not resolution.held
    assert resolution.in_force == (InForce("8014001", MONDAY, 0, "one"), InForce("8014002", MONDAY, 0, "other"))


deliveries = st.lists(
    st.builds(
        lambda number, hour, first, length, counts, extent: delivery(
            f"d{number}", hour, first, first + length, dict(enumerate(counts, start=first)), extent
        ),
        st.integers(0, 10_000),
        st.integers(0, 5),
        st.integers(0, 4),
        st.integers(0, 3),
        st.lists(st.integers(0, 40), max_size=4),
        st.sampled_from(["whole_school", "pupils_in_file"]),
    ),
    max_size=8,
    unique_by=lambda one: one.delivery_id,
)


@given(deliveries, st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(found: list[RegisterDelivery], random: object) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis gives a random.Random
    assert resolve_windows(shuffled, 95) == resolve_windows(found, 95)


@given(deliveries)
def test_every_day_has_one_owner_that_covers_it_and_no_held_file_is_in_force(found: list[RegisterDelivery]) -> None:
    resolution = resolve_windows(found, 95)
    by_id = {one.delivery_id: one for one in found}
    held = {hold.delivery_id for hold in resolution.held}
    assert len({(one.laestab, one.session_date, one.layer) for one in resolution.in_force}) == len(resolution.in_force)
    for one in resolution.in_force:
        assert by_id[one.delivery_id].window_from <= one.session_date <= by_id[one.delivery_id].window_to
        assert one.delivery_id not in held
        assert (one.layer == 0) == (by_id[one.delivery_id].extent == "whole_school")
