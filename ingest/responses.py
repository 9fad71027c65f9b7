"""Whether the registry's reasons of absence and rules of early response can be meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_TOP = ("absence_reasons", "responses")
_RESPONSES = (
    "reasons_never_counted",
    "pupils_in_queue_per_school_and_day",
    "action_answers_within_school_days",
    "rules",
    "backtest",
)
_ALWAYS = frozenset({"rule_id", "name", "looks_at", "reasons", "source"})
_NUMBERS = {
    "spells": frozenset({"count", "within_school_days"}),
    "sessions": frozenset({"count"}),
    "run": frozenset({"count"}),
    "rate": frozenset({"of_last", "below_percent"}),
}
_MAY_HAVE = frozenset({"quiet_school_days", "unauthorised_only"})
_MAY_HAVE_BY_KIND = {"sessions": frozenset({"within_school_days"})}


def response_faults(data: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with `absence_reasons` and `responses`, one sentence each; nothing where both can be meant.

    Parameters: `data`, the content of the registry file that holds them.
    """
    lacking = [*_lacking("", data, _TOP), *_lacking("responses.", data.get("responses", {}), _RESPONSES)]
    if lacking:
        yield from lacking
        return
    reasons = [reason["reason"] for reason in data["absence_reasons"]]
    codes = [code for reason in data["absence_reasons"] for code in reason["codes"]]
    yield from _repeated("reason of absence", reasons)
    yield from _repeated("register code", codes)
    responses = data["responses"]
    never = responses["reasons_never_counted"]
    yield from _unknown("reasons_never_counted", never, reasons)
    if not _is_positive(responses["pupils_in_queue_per_school_and_day"]):
        yield "pupils_in_queue_per_school_and_day is no number from 1; give how many pupils a team can take up a day."
    if not _is_positive(responses["action_answers_within_school_days"]):
        yield "action_answers_within_school_days is no number from 1; say how soon an action must follow a signal."
    rules = responses["rules"]
    if not rules:
        yield "responses.rules is empty; write at least one rule."
    yield from _repeated("rule", [*(rule["rule_id"] for rule in rules), responses["backtest"]["plain_rule"]["rule_id"]])
    for rule in rules:
        yield from _rule_faults(rule, reasons, never)


def _rule_faults(rule: Mapping[str, Any], reasons: list[str], never: list[str]) -> Iterator[str]:
    name, kind = f"rule {rule['rule_id']}", rule.get("looks_at")
    if kind not in _NUMBERS:
        yield f"{name} looks at '{kind}'; write one of {', '.join(_NUMBERS)}."
        return
    needed = _ALWAYS | _NUMBERS[kind]
    allowed = needed | _MAY_HAVE | _MAY_HAVE_BY_KIND.get(kind, frozenset())
    for key in sorted(needed - rule.keys()):
        yield f"{name} lacks {key}; add it."
    for key in sorted(rule.keys() - allowed):
        yield f"{name} has {key}, which no rule of {kind} reads; take it out."
    for key in sorted(rule.keys() & {"count", "within_school_days", "of_last", "below_percent", "quiet_school_days"}):
        if not _is_positive(rule[key]):
            yield f"{name} has {key} {rule[key]!r}; write a whole number from 1."
    yield from _unknown(name, rule.get("reasons", []), reasons)
    for reason in sorted(set(rule.get("reasons", [])) & set(never)):
        yield f"{name} counts {reason}, which stands for a characteristic protected in law; take it out."


def _lacking(where: str, data: Mapping[str, Any], keys: tuple[str, ...]) -> list[str]:
    return [f"{where}{key} is not there; add it." for key in keys if key not in data]


def _is_positive(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number > 0


def _repeated(what: str, names: list[str]) -> Iterator[str]:
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{what} {name} stands twice; keep one."


def _unknown(where: str, names: list[str], known: list[str]) -> Iterator[str]:
    for name in sorted(set(names) - set(known)):
        yield f"{where} names the reason {name}, which is none of absence_reasons; write one of {', '.join(known)}."
