"""Opens a release as a role. Deny by default: a role that is not known reads nothing, and no pupil's row unlogged."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from dashboard.access_log import Access, record
from dashboard.reader import Reading, Release, connect_release
from dashboard.roles import AccessError, Grant, grant_of
from ingest.settings import Settings

__all__ = [
    "ROLE_VARIABLE",
    "TIER_VARIABLE",
    "AccessError",
    "Grant",
    "connect",
    "grant_of",
    "note",
    "open_as",
    "role_of_tier",
]

# The environment of a dashboard process: its tier, and the role that narrows it.
TIER_VARIABLE = "EVERYPUPIL_DASHBOARD_TIER"
ROLE_VARIABLE = "EVERYPUPIL_DASHBOARD_ROLE"


def role_of_tier(tier: str) -> str:
    """The role a dashboard process has when only its tier is named. Raises `AccessError` for an unknown tier."""
    roles = {"public": "public", "leaders": "leaders", "pupils": "operator"}
    if tier not in roles:
        raise AccessError("This tier is not known, so nothing is shown; use public, leaders or pupils.")
    return roles[tier]


def connect(
    settings: Settings,
    grant: Grant,
    release_id: str | None = None,
    *,
    action: str | None = "query",
    tables: Collection[str] | None = None,
) -> Release:
    """Opens a release for a grant; the caller closes it.

    Parameters: `action`, what the access log calls each query of the pupils tier (None: whoever calls records what it
    gives out); `tables`, names of the marts that will be asked for, so that no other is copied (None: any).
    Raises: `ReleaseError`; from `query`, `AccessLogError` where the log cannot be written.
    """

    def journal(release: str, reading: Reading) -> None:
        note(settings, grant, str(action), reading.tables, release, reading.rows, query_sha256=reading.query_sha256)

    return connect_release(
        settings,
        grant.tier,
        grant.urns,
        release_id,
        year_groups=grant.year_groups,
        special_category=grant.special_category,
        tables=tables,
        journal=journal if grant.tier == "pupils" and action is not None else None,
    )


def note(
    settings: Settings,
    grant: Grant,
    action: str,
    what: tuple[str, ...],
    release_id: str,
    rows: int | None = None,
    **facts: str | None,
) -> None:
    """Writes one access of a grant into the access log; see `Access`. Raises `AccessLogError` where it cannot."""
    record(settings, Access(grant.role, action, what, release_id, rows, tier=grant.tier, **facts))


@contextmanager
def open_as(
    settings: Settings,
    role: str,
    release_id: str | None = None,
    *,
    action: str | None = "query",
    tables: Collection[str] | None = None,
) -> Iterator[Release]:
    """Opens a release as a role and closes it again; see `connect`. Raises `AccessError`, `ReleaseError`."""
    release = connect(settings, grant_of(settings, role), release_id, action=action, tables=tables)
    try:
        yield release
    finally:
        release.close()
