import copy
from datetime import date
from typing import Any

import pytest
import yaml

from ingest.contracts import CONTRACTS_DIR, LAKE_FEEDS, Contract, ContractError, build_contract, load_contract
from ingest.delivery import ACCEPTED

BASE: dict[str, Any] = yaml.safe_load((CONTRACTS_DIR / "calendar" / "base.yml").read_text(encoding="utf-8"))


def live_codes(contract: Contract, nation: str, day: date) -> set[str]:
    return {
        period.code
        for period in contract.codes
        if period.nation == nation and period.valid_from <= day and (period.valid_to is None or day <= period.valid_to)
    }


def test_on_19_august_2024_england_gained_twelve_codes_and_lost_h_j_and_y() -> None:
    contract = load_contract("session_marks")
    before = live_codes(contract, "ENG", date(2024, 8, 18))
    after = live_codes(contract, "ENG", date(2024, 8, 19))
    assert after - before == {"C1", "C2", "J1", "K", "Q", "Y1", "Y2", "Y3", "Y4", "Y5", "Y6", "Y7"}
    assert before - after == {"H", "J", "Y"}


def test_in_september_2014_england_lost_f() -> None:
    contract = load_contract("session_marks")
    before = live_codes(contract, "ENG", date(2014, 8, 31))
    after = live_codes(contract, "ENG", date(2014, 9, 1))
    assert before - after == {"F"}
    assert after <= before


def test_wales_kept_its_codes() -> None:
    contract = load_contract("session_marks")
    assert live_codes(contract, "WLS", date(2025, 9, 1)) == live_codes(contract, "WLS", date(2010, 9, 1))
    assert {"F", "H", "J", "Y"} <= live_codes(contract, "WLS", date(2025, 9, 1))


def test_the_pandemics_sub_codes_begin_in_2020_end_in_2022_and_are_said_to_be_unverified() -> None:
    contract = load_contract("session_marks")
    sub_codes = {"I01", "I02", *(f"X{number:02d}" for number in range(1, 10))}
    on = {day: live_codes(contract, "ENG", day) for day in (date(2020, 8, 31), date(2020, 9, 1), date(2022, 8, 31))}
    assert on[date(2020, 9, 1)] - on[date(2020, 8, 31)] == sub_codes
    assert on[date(2022, 8, 31)] - live_codes(contract, "ENG", date(2022, 9, 1)) == sub_codes
    for change_of in ("2020-09-01", "2022-09-01"):
        text = (CONTRACTS_DIR / "session_marks" / f"{change_of}.diff.yml").read_text(encoding="utf-8")
        assert yaml.safe_load(text)["source"].startswith("Not verified")


def test_every_diff_file_has_a_test_here() -> None:
    diffs = {f"{path.parent.name}/{path.name}" for path in CONTRACTS_DIR.glob("*/*.diff.yml")}
    days = ("2014-09-01", "2020-09-01", "2022-09-01", "2024-08-19")
    assert diffs == {f"session_marks/{day}.diff.yml" for day in days}


def test_a_contract_as_of_a_date_leaves_later_changes_out() -> None:
    assert "K" not in {period.code for period in load_contract("session_marks", date(2024, 8, 18)).codes}


@pytest.mark.parametrize("feed", LAKE_FEEDS)
def test_a_contract_states_its_rules_with_id_sentence_and_severity(feed: str) -> None:
    contract = load_contract(feed)
    assert contract.rules
    for rule in contract.rules.values():
        assert rule.severity in ("refuse", "flag")
        assert rule.sentence.endswith(".")
    assert {column.policy for column in contract.columns} <= {"keep", "pseudonymise", "original_only"}


@pytest.mark.parametrize("feed", LAKE_FEEDS)
def test_every_kept_column_reaches_the_lake(feed: str) -> None:
    kept = {column.name for column in load_contract(feed).columns if column.policy == "keep"}
    helpers = {"schools": {"estab"}, "pupils": set[str]()}.get(feed, {"occurrence"})
    assert kept - helpers <= set(ACCEPTED[feed].names)


def change(**entry: Any) -> list[dict[str, Any]]:
    return [{"date": date(2030, 1, 1), "changes": [entry]}]


def test_an_unknown_operation_is_an_error() -> None:
    with pytest.raises(ContractError, match="unknown operation 'replace'"):
        build_contract(BASE, change(op="replace", what="column", name="session"))


def test_a_column_can_be_added_modified_renamed_and_removed() -> None:
    added = {"name": "note", "type": "text", "policy": "keep", "aliases": ["Remark"]}
    contract = build_contract(BASE, change(op="add", what="column", column=added))
    assert contract.column("note") is not None
    contract = build_contract(BASE, change(op="modify", what="column", name="session", set={"required": False}))
    assert "session" not in {column.name for column in contract.required}
    contract = build_contract(BASE, change(op="rename", what="column", name="session_date", to="day_of_session"))
    renamed = contract.column("day_of_session")
    assert renamed is not None
    assert "session_date" in renamed.aliases
    contract = build_contract(BASE, change(op="remove", what="column", name="session_status"))
    assert contract.column("session_status") is None


def test_a_change_gives_the_contract_another_version() -> None:
    changed = build_contract(BASE, change(op="modify", what="rule", id="CA-008", set={"severity": "refuse"}))
    assert changed.rules["CA-008"].severity == "refuse"
    assert changed.version != build_contract(BASE, []).version
    assert changed.version.startswith("2030-01-01")


@pytest.mark.parametrize(
    "entry",
    [
        {"op": "remove", "what": "column", "name": "nothing"},
        {"op": "add", "what": "column", "column": {"name": "session", "type": "text", "policy": "keep"}},
        {"op": "remove", "what": "rule", "id": "CA-999"},
        {"op": "remove", "what": "rule", "id": "CA-001"},
        {"op": "remove", "what": "code", "nations": ["ENG"], "values": ["K"]},
        {"op": "add", "what": "feed"},
    ],
)
def test_a_change_that_does_not_fit_its_base_is_an_error(entry: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        build_contract(copy.deepcopy(BASE), change(**entry))


def test_one_heading_cannot_mean_two_columns() -> None:
    added = {"name": "note", "type": "text", "policy": "keep", "aliases": ["session DATE"]}
    with pytest.raises(ContractError, match="means both"):
        build_contract(BASE, change(op="add", what="column", column=added))
