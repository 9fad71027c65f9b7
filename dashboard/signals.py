"""What the signals of one school come to: places in its queue, what was done first, week by week. Pure functions over
rows of `attendance_signal`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pandas as pd

from dashboard import wording
from ingest.registry import Registry

# The queue as a meeting reads it: whose turn, why, what was done; keys come after.
QUEUE_HEADINGS = {
    "signal_date": "Day of the signal",
    "queue_place": "Place in the queue",
    "is_in_queue": "In the queue",
    "school_name": "School",
    "pupil_key": "Pupil (key)",
    "rule_name": "Rule",
    "evidence_from": "Evidence since",
    "spells": "Spells of absence",
    "spell_starts": "Spells began on",
    "sessions": "Sessions missed",
    "possible": "Of possible sessions",
    "action_taken": "First action",
    "action_date": "Day of the first action",
    "school_days_to_action": "School days to it",
}


@dataclass(frozen=True)
class FollowUp:
    """Places in a queue, how many were followed by an action, by how many actions, and the median of school days to
    it (None: none was).
    """

    places: int
    followed: int
    actions: int
    median_days: float | None

    @property
    def words(self) -> str:
        """How many places were followed by an action, and how soon; from the second word of a sentence on."""
        of = f"of {self.places:,} place{'' if self.places == 1 else 's'} in the queue"
        if self.median_days is None:
            return f"{of}, none has an action recorded in time."
        left = self.places - self.followed
        rest = f"; for the other {left:,} nothing is recorded in time, or yet" if left else ""
        shared = f"; {self.actions:,} actions, for one may answer several" if self.actions < self.followed else ""
        return (
            f"{of}, {self.followed:,} {'was' if self.followed == 1 else 'were'} followed by an action, a median of "
            f"{days(self.median_days)} after the signal (n = {self.followed:,}{shared}){rest}."
        )

    @property
    def sentence(self) -> str:
        """The words as a sentence."""
        return f"{self.words[0].upper()}{self.words[1:]}"


def days(count: float) -> str:
    """School days in words; a median may lie half-way between two."""
    return f"{wording.number(count, 0 if count.is_integer() else 1)} school day{'' if count == 1 else 's'}"


def places(signals: pd.DataFrame) -> pd.DataFrame:
    """One row for each place in the queue, a pupil a day, with the first of its signals.

    Parameters: `signals`, rows of `attendance_signal` of one school, in the order of the queue.
    """
    return signals[signals["is_in_queue"].astype(bool)].drop_duplicates(["signal_date", "pupil_key"])


def follow_up(queue: pd.DataFrame) -> FollowUp:
    """What the places of a queue, as `places` gives them, were followed by."""
    taken = queue[queue["school_days_to_action"].notna()]
    actions = len(taken[["pupil_key", "action_taken", "action_date"]].drop_duplicates())
    median = float(taken["school_days_to_action"].median()) if len(taken) else None
    return FollowUp(len(queue), len(taken), actions, median)


def week_of(day: dt.date) -> dt.date:
    """The Monday of a day's week."""
    return day - dt.timedelta(days=day.weekday())


def by_week(queue: pd.DataFrame) -> pd.DataFrame:
    """The places of a queue by week, from the first week with one to the last; a week without any has zeros.

    Returns: columns week_from (a Monday), places, followed, not_followed, median_days.
    """
    mondays = pd.Series([week_of(day) for day in queue["signal_date"]], index=queue.index, dtype="object")
    rows = []
    week = mondays.min()
    while week <= mondays.max():
        found = follow_up(queue[mondays == week])
        rows.append(
            {
                "week_from": week,
                "places": found.places,
                "followed": found.followed,
                "not_followed": found.places - found.followed,
                "median_days": found.median_days,
            }
        )
        week += dt.timedelta(weeks=1)
    return pd.DataFrame(rows).astype({"median_days": "float64"})


@dataclass(frozen=True)
class RuleInWords:
    """A rule of early response: its name, and what it counts, when it speaks again and whose it is."""

    name: str
    text: str


def rules_in_words(registry: Registry) -> list[RuleInWords]:
    """The rules of early response in the order of the queue, for the page of definitions and the queue's workbook."""
    names = {entry["reason"]: str(entry["name"]) for entry in registry.data["absence_reasons"]}
    found = []
    for rule in registry.data["responses"]["rules"]:
        counted = "unauthorised sessions" if rule.get("unauthorised_only") else "absence"
        quiet = rule.get("quiet_school_days")
        again = f"Quiet for {quiet} school days after a signal" if quiet else "Speaks once a year"
        reasons = "; ".join(names[reason] for reason in rule["reasons"])
        text = f"counts {counted} for these reasons: {reasons}. {again}. Source: {rule['source']}."
        found.append(RuleInWords(str(rule["name"]), text))
    return found
