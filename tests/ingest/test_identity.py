import random
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from ingest.identity import PupilRow, resolve_pupils, resolve_schools

BORN, OTHER_BIRTH = date(2014, 5, 1), date(2012, 3, 3)
OLD, NEW = date(2024, 9, 1), date(2025, 9, 1)


def row(
    upn: int | None = None,
    former: int | None = None,
    mis: int | None = None,
    dob: date | None = BORN,
    sex: str | None = "F",
    as_at: date = OLD,
) -> PupilRow:
    return PupilRow(upn, former, mis, dob, sex, as_at)


def test_former_temporary_and_permanent_numbers_and_the_schools_id_are_one_child() -> None:
    identity = resolve_pupils([row(50, None, 90), row(20, 50, 91)])
    assert set(identity.keys.values()) == {20}
    assert set(identity.keys) == {20, 50, 90, 91}


def test_a_child_without_a_upn_is_known_by_the_schools_id() -> None:
    assert resolve_pupils([row(mis=7)]).keys == {7: 7}


def test_different_dates_of_birth_block_a_link_and_queue_it() -> None:
    identity = resolve_pupils([row(50, dob=OTHER_BIRTH), row(20, 50)])
    assert identity.keys == {20: 20, 50: 50}
    assert [(one.pupil_ref_a, one.pupil_ref_b, one.reason) for one in identity.conflicts] == [(20, 50, "dob")]


def test_different_sexes_block_a_link_and_unknown_ones_do_not() -> None:
    assert resolve_pupils([row(50, sex="M"), row(20, 50)]).conflicts[0].reason == "sex"
    assert not resolve_pupils([row(50, sex="U"), row(20, 50)]).conflicts


def test_a_corrected_date_of_birth_does_not_split_a_child() -> None:
    identity = resolve_pupils([row(20, mis=9, dob=OTHER_BIRTH), row(20, mis=9, dob=BORN, as_at=NEW)])
    assert set(identity.keys.values()) == {9}
    assert not identity.conflicts


def test_a_school_id_given_to_a_new_child_goes_with_its_newest_holder() -> None:
    identity = resolve_pupils([row(20, mis=90), row(30, mis=90, dob=OTHER_BIRTH, as_at=NEW)])
    assert identity.keys[90] == identity.keys[30] == 30
    assert identity.keys[20] == 20
    assert [one.reason for one in identity.conflicts] == ["dob"]


refs = st.one_of(st.none(), st.integers(1, 12))
rows = st.lists(
    st.builds(
        row, refs, refs, refs, st.sampled_from([None, BORN, OTHER_BIRTH]), st.sampled_from([None, "M", "F"]),
        st.sampled_from([OLD, NEW]),
    ),
    max_size=12,
)  # fmt: skip


@given(rows, st.integers())
def test_identity_is_a_function_of_the_set_of_rows(found: list[PupilRow], seed: int) -> None:
    shuffled = found * 2
    random.Random(seed).shuffle(shuffled)
    assert resolve_pupils(shuffled) == resolve_pupils(found)


@given(rows)
def test_a_key_is_the_smallest_reference_of_its_component(found: list[PupilRow]) -> None:
    keys = resolve_pupils(found).keys
    members: dict[int, list[int]] = {}
    for ref, key in keys.items():
        members.setdefault(key, []).append(ref)
    assert all(key == min(refs_of_key) for key, refs_of_key in members.items())


def test_a_school_keeps_its_key_through_conversions() -> None:
    links = [("145000", "115850", "Predecessor"), ("145000", "149000", "Successor")]
    assert resolve_schools(["145000"], links) == {"115850": "115850", "145000": "115850", "149000": "115850"}


def test_a_merger_makes_a_new_school() -> None:
    merged = [("145000", "115850", "Predecessor - merged"), ("145000", "115851", "Predecessor - merged")]
    assert resolve_schools(["145000"], merged) == {"145000": "145000"}
    plain = [("145000", "115850", "Predecessor"), ("145000", "115851", "Predecessor")]
    assert resolve_schools(["145000"], plain)["145000"] == "145000"
