"""Who may see what. Deny by default: a role that is not known here reads nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dashboard.reader import Release, connect_release
from ingest.settings import Settings

# The environment of a dashboard process: its tier, and for tier pupils the role that narrows it.
TIER_VARIABLE = "EVERYPUPIL_DASHBOARD_TIER"
ROLE_VARIABLE = "EVERYPUPIL_DASHBOARD_ROLE"


class AccessError(PermissionError):
    """A role is unknown or may not do this; the message is one sentence."""


@dataclass(frozen=True)
class Grant:
    """What a role opens: a tier, and for tier pupils its schools (None: every school)."""

    role: str
    tier: str
    urns: tuple[str, ...] | None = None


_SCHOOL = re.compile(r"school:([0-9A-Za-z-]{1,20})")


def grant_of(role: str) -> Grant:
    """The grant of a role: `public`, `leaders`, `school:<urn>` or `operator`.

    The one place where a role becomes folders; a file of people and roles will be read here.
    Raises: `AccessError` for every other role.
    """
    if role == "public":
        return Grant(role, "public")
    if role == "leaders":
        return Grant(role, "leaders")
    if role == "operator":
        return Grant(role, "pupils")
    school = _SCHOOL.fullmatch(role)
    if school:
        return Grant(role, "pupils", (school.group(1),))
    raise AccessError("This role is not known, so it may read nothing; use public, leaders, school:URN or operator.")


def role_of_tier(tier: str) -> str:
    """The role a dashboard process has when only its tier is named. Raises `AccessError` for an unknown tier."""
    roles = {"public": "public", "leaders": "leaders", "pupils": "operator"}
    if tier not in roles:
        raise AccessError("This tier is not known, so nothing is shown; use public, leaders or pupils.")
    return roles[tier]


def connect_as(settings: Settings, role: str, release_id: str | None = None) -> Release:
    """Opens a release as a role; the caller closes it. Raises `AccessError`, `ReleaseError`."""
    grant = grant_of(role)
    return connect_release(settings, grant.tier, grant.urns, release_id)


@contextmanager
def open_as(settings: Settings, role: str, release_id: str | None = None) -> Iterator[Release]:
    """Opens a release as a role and closes it again. Raises `AccessError`, `ReleaseError`."""
    release = connect_as(settings, role, release_id)
    try:
        yield release
    finally:
        release.close()
