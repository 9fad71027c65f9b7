"""Which register delivery is in force for each school and day, and which is held as partial."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

Extent = Literal["whole_school", "pupils_in_file"]


@dataclass(frozen=True, slots=True)
class RegisterDelivery:
    """A register file as the replacement rule sees it.

    `window_from` and `window_to` are inclusive; `pupils` holds the number of distinct pupils named for each day that
    has rows.
    """

    delivery_id: str
    laestab: str
    extracted_at: datetime
    content_hash: str
    window_from: date
    window_to: date
    extent: Extent
    pupils: Mapping[date, int]
    is_accepted: bool = False


@dataclass(frozen=True, slots=True, order=True)
class InForce:
    """Layer 0 owns the day of the school; layers 1 and up lie over it for the pupils they name."""

    laestab: str
    session_date: date
    layer: int
    delivery_id: str


@dataclass(frozen=True, slots=True)
class Hold:
    """A whole-school file that names too few of the pupil-days it would replace."""

    delivery_id: str
    pupil_days: int
    superseded_pupil_days: int

    @property
    def sentence(self) -> str:
        """Why it is held, and how to apply it."""
        return (
            f"It names {self.pupil_days} of the {self.superseded_pupil_days} pupil-days that it would replace; "
            f"send the whole register again, or apply it with 'accept --partial {self.delivery_id}'."
        )


@dataclass(frozen=True, slots=True)
class Resolution:
    """What is in force, sorted by school, day and layer, and what is held, sorted by delivery."""

    in_force: tuple[InForce, ...]
    held: tuple[Hold, ...]


@dataclass(slots=True)
class _Day:
    owner: RegisterDelivery | None = None
    overlays: list[RegisterDelivery] = field(default_factory=list)


def resolve_windows(deliveries: Iterable[RegisterDelivery], whole_school_share_percent: int | float) -> Resolution:
    """Walks each school's deliveries from oldest to newest extract and lets each replace its window.

    Ties break on the content hash. A whole-school file whose pupil-days, on the days of its window that another file
    owns, are under `whole_school_share_percent` of that file's is held and replaces nothing, unless it was accepted.
    The answer depends on the set of deliveries alone.
    """
    days: dict[tuple[str, date], _Day] = {}
    held: list[Hold] = []
    for delivery in sorted(
        deliveries, key=lambda one: (one.laestab, one.extracted_at, one.content_hash, one.delivery_id)
    ):
        window = [
            days.setdefault((delivery.laestab, day), _Day()) for day in _days(delivery.window_from, delivery.window_to)
        ]
        if delivery.extent == "pupils_in_file":
            for state in window:
                state.overlays.append(delivery)
            continue
        hold = _hold(delivery, days)
        if hold.pupil_days * 100 < whole_school_share_percent * hold.superseded_pupil_days and not delivery.is_accepted:
            held.append(hold)
            continue
        for state in window:
            state.owner = delivery
            state.overlays.clear()
    in_force = []
    for (laestab, day), state in sorted(days.items(), key=lambda item: item[0]):
        if state.owner is not None:
            in_force.append(InForce(laestab, day, 0, state.owner.delivery_id))
        in_force += [InForce(laestab, day, layer, one.delivery_id) for layer, one in enumerate(state.overlays, start=1)]
    return Resolution(tuple(in_force), tuple(sorted(held, key=lambda hold: hold.delivery_id)))


def _hold(delivery: RegisterDelivery, days: Mapping[tuple[str, date], _Day]) -> Hold:
    named = superseded = 0
    for day in _days(delivery.window_from, delivery.window_to):
        owner = days[delivery.laestab, day].owner
        if owner is not None and day in owner.pupils:
            named += delivery.pupils.get(day, 0)
            superseded += owner.pupils[day]
    return Hold(delivery.delivery_id, named, superseded)


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
