"""What each feed's files may look like: a dated base and dated changes, read from the YAML beside this module."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

CONTRACTS_DIR = Path(__file__).parent
LAKE_FEEDS = (
    "schools",
    "school_links",
    "calendar",
    "pupils",
    "session_marks",
    "attendance_totals",
    "assessment_results",
    "suspensions",
    "interventions",
    "dfe_statistics",
)
LANDING_FEEDS = tuple(feed for feed in LAKE_FEEDS if feed != "school_links")
OPERATIONS = ("add", "modify", "rename", "remove")
BEGINNING = date(1900, 1, 1)


class ContractError(ValueError):
    """A contract file says something that has no meaning."""


@dataclass(frozen=True)
class Column:
    """One column: its name in the lake, what it may be called, its type and what happens to its values.

    `policy` is `keep`, `pseudonymise` (kept in the restricted lake, known to figures by its keyed hash alone) or
    `original_only`.
    """

    name: str
    type: str
    aliases: tuple[str, ...]
    required: bool
    policy: str
    options: dict[str, Any]

    @property
    def on_missing(self) -> str | None:
        return self.options.get("on_missing")

    @property
    def on_invalid(self) -> str | None:
        return self.options.get("on_invalid")


@dataclass(frozen=True)
class Rule:
    """A row rule: `severity` is `refuse` (the row goes to quarantine) or `flag` (it is taken and marked)."""

    rule_id: str
    severity: str
    sentence: str


@dataclass(frozen=True)
class CodePeriod:
    """When a register code is in use in one nation (`ENG`, `WLS`); `valid_to` is inclusive, None while in use."""

    code: str
    nation: str
    valid_from: date
    valid_to: date | None


@dataclass(frozen=True)
class Contract:
    """A feed's contract with every change up to one date applied."""

    feed: str
    version: str
    columns: tuple[Column, ...]
    rules: dict[str, Rule]
    codes: tuple[CodePeriod, ...]
    data: dict[str, Any]

    def column(self, name: str) -> Column | None:
        """The column of that name, if the feed has it."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def checks(self) -> dict[str, Any]:
        return dict(self.data.get("checks", {}))

    @property
    def required(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.required)

    @property
    def needs_one_of(self) -> list[list[str]]:
        return list(self.data.get("needs_one_of", []))

    @property
    def is_school_scoped(self) -> bool:
        return bool(self.data["scope"] == "school")


def normalise_header(text: str) -> str:
    """A header as it is compared: without case, spaces, underscores and hyphens."""
    return re.sub(r"[\s_\-]+", "", text).casefold()


def load_contract(feed: str, as_of: date | None = None) -> Contract:
    """The contract of a lake feed with every change dated up to `as_of` (default: all of them) applied."""
    return _load(CONTRACTS_DIR / feed, as_of)


@lru_cache(maxsize=64)
def _load(folder: Path, as_of: date | None) -> Contract:
    base = _read_yaml(folder / "base.yml")
    changes = [
        _read_yaml(path)
        for path in sorted(folder.glob("*.diff.yml"))
        if as_of is None or date.fromisoformat(path.name.removesuffix(".diff.yml")) <= as_of
    ]
    return build_contract(base, changes)


def _read_yaml(path: Path) -> dict[str, Any]:
    # The C parser reads the same subset some ten times faster; every worker reads every contract.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    content: dict[str, Any] = yaml.load(path.read_bytes(), Loader=loader)
    return content


def build_contract(base: dict[str, Any], diffs: list[dict[str, Any]]) -> Contract:
    """Applies dated changes to a base, oldest first.

    Parameters: `base`, a contract as in `base.yml`; `diffs`, contents of `YYYY-MM-DD.diff.yml`: a date and changes
    with `op` (add, modify, rename, remove) and `what` (column, rule, code). A renamed column keeps its old name as an
    alias; a removed code stays known, with its last day.
    Raises: `ContractError` for an unknown operation, a change to what is not there, or a rule id that no rule has.
    """
    data = copy.deepcopy(base)
    codes = [
        CodePeriod(str(code), nation, BEGINNING, None)
        for group in data.get("codes", [])
        for code in group["values"]
        for nation in group["nations"]
    ]
    version = data["version"]
    for diff in sorted(diffs, key=lambda one: one["date"]):
        version = max(version, diff["date"])
        for change in diff["changes"]:
            if change["op"] not in OPERATIONS:
                raise ContractError(
                    f"Contract {data['feed']}: unknown operation '{change['op']}' of {diff['date']}; use {OPERATIONS}."
                )
            if change["what"] == "code":
                codes = _change_codes(codes, change, diff["date"])
            elif change["what"] == "column":
                _change_column(data, change)
            elif change["what"] == "rule":
                _change_rule(data, change)
            else:
                raise ContractError(
                    f"Contract {data['feed']}: '{change['what']}' cannot be changed; use column, rule or code."
                )
    rules = {rule_id: Rule(rule_id, rule["severity"], rule["sentence"]) for rule_id, rule in data["rules"].items()}
    columns = tuple(_column(column) for column in data["columns"])
    _check(data, columns, rules)
    content = json.dumps(
        [data, [(p.code, p.nation, p.valid_from, p.valid_to) for p in codes]], sort_keys=True, default=str
    )
    fingerprint = hashlib.sha256(content.encode()).hexdigest()[:8]
    return Contract(data["feed"], f"{version}-{fingerprint}", columns, rules, tuple(codes), data)


def _column(entry: dict[str, Any]) -> Column:
    known = {"name", "type", "aliases", "required", "policy"}
    options = {key: value for key, value in entry.items() if key not in known}
    return Column(
        entry["name"],
        entry["type"],
        tuple(entry.get("aliases", ())),
        entry.get("required", False),
        entry["policy"],
        options,
    )


def _change_codes(codes: list[CodePeriod], change: dict[str, Any], day: date) -> list[CodePeriod]:
    named = {(str(value), nation) for value in change["values"] for nation in change["nations"]}
    current = {(one.code, one.nation) for one in codes if one.valid_to is None}
    if change["op"] == "add":
        if named & current:
            raise ContractError(f"The change of {day} adds codes that are in use already: {sorted(named & current)}.")
        return codes + [CodePeriod(code, nation, day, None) for code, nation in sorted(named)]
    if change["op"] == "remove":
        if named - current:
            raise ContractError(f"The change of {day} withdraws codes that are not in use: {sorted(named - current)}.")
        last = day - timedelta(days=1)
        return [
            CodePeriod(one.code, one.nation, one.valid_from, last)
            if one.valid_to is None and (one.code, one.nation) in named
            else one
            for one in codes
        ]
    raise ContractError(f"The change of {day} wants to {change['op']} a code; codes are only added or removed.")


def _change_column(data: dict[str, Any], change: dict[str, Any]) -> None:
    columns = data["columns"]
    name = change["column"]["name"] if change["op"] == "add" else change["name"]
    found = next((column for column in columns if column["name"] == name), None)
    if (found is None) != (change["op"] == "add"):
        raise ContractError(f"Contract {data['feed']}: cannot {change['op']} column '{name}'; check its name.")
    if found is None:
        columns.append(change["column"])
    elif change["op"] == "modify":
        found.update(change["set"])
    elif change["op"] == "remove":
        columns.remove(found)
    else:
        found["aliases"] = [*found.get("aliases", []), found["name"]]
        found["name"] = change["to"]


def _change_rule(data: dict[str, Any], change: dict[str, Any]) -> None:
    rules, rule_id = data["rules"], change["id"]
    if (rule_id in rules) == (change["op"] == "add"):
        raise ContractError(f"Contract {data['feed']}: cannot {change['op']} rule '{rule_id}'; check its id.")
    if change["op"] == "remove":
        del rules[rule_id]
    elif change["op"] == "rename":
        rules[change["to"]] = rules.pop(rule_id)
    else:
        rules[rule_id] = {**rules.get(rule_id, {}), **change["set"]}


def _check(data: dict[str, Any], columns: tuple[Column, ...], rules: dict[str, Rule]) -> None:
    """Every rule id that a column or a check names must exist, and every alias must mean one column."""
    used = {value for column in columns for key, value in column.options.items() if key.startswith("on_")}
    used |= set(_rule_ids(data.get("checks", {})))
    if used - rules.keys():
        raise ContractError(
            f"Contract {data['feed']} names rules that it does not state: {', '.join(sorted(used - rules.keys()))}."
        )
    meaning: dict[str, str] = {}
    for column in columns:
        for alias in {normalise_header(text) for text in (column.name, *column.aliases)}:
            if meaning.setdefault(alias, column.name) != column.name:
                raise ContractError(
                    f"Contract {data['feed']}: '{alias}' means both {meaning[alias]} and {column.name}."
                )


def _rule_ids(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [rule_id for value in node.values() for rule_id in _rule_ids(value)]
    return [node] if isinstance(node, str) and re.fullmatch(r"[A-Z]{2}-\d{3}", node) else []
