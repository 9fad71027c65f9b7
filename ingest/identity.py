"""Who is who: which pupil references are one child, which URNs are one school."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class PupilRow:
    """What a pupil list says about one child: references (63-bit, None where absent), date of birth and sex (M, F or
    None)."""

    ref_upn: int | None
    ref_former_upn: int | None
    ref_mis: int | None
    dob: date | None
    sex: str | None
    as_at: date


@dataclass(frozen=True, slots=True, order=True)
class IdentityConflict:
    """A link that was not made, because the two sides differ in `reason` (`dob` or `sex`)."""

    pupil_ref_a: int
    pupil_ref_b: int
    reason: str


@dataclass(frozen=True, slots=True)
class PupilIdentity:
    """`keys`: reference to key (the smallest reference of its component); `conflicts`: links that were blocked."""

    keys: dict[int, int]
    conflicts: tuple[IdentityConflict, ...]


@dataclass(slots=True)
class _Evidence:
    dobs: set[date] = field(default_factory=set)
    sexes: set[str] = field(default_factory=set)


class _Components:
    """Union-find whose root is the smallest member."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}

    def find(self, member: int) -> int:
        parent = self._parent
        root = parent.setdefault(member, member)
        while parent[root] != root:
            root = parent[root]
        while parent[member] != root:
            parent[member], member = root, parent[member]
        return root

    def union(self, one: int, other: int) -> int:
        low, high = sorted((self.find(one), self.find(other)))
        self._parent[high] = low
        return low

    def roots(self) -> dict[int, int]:
        return {member: self.find(member) for member in sorted(self._parent)}


def resolve_pupils(rows: Iterable[PupilRow]) -> PupilIdentity:
    """Joins the references that stand in one row of a pupil list into components.

    A child's date of birth and sex are evidence for the UPN of the row, and for the school's own id only where no UPN
    stands beside it: a school that gives an old id to a new child must not join the two. Links are tried newest list
    first, then by reference, so the answer depends on the set of rows alone. A link whose two sides have dates of
    birth, or sexes, and none in common, is not made and is returned as a conflict.
    """
    components = _Components()
    evidence: dict[int, _Evidence] = {}
    links: dict[tuple[int, int], date] = {}
    for row in rows:
        refs = [ref for ref in (row.ref_upn, row.ref_former_upn, row.ref_mis) if ref is not None]
        for ref in refs:
            components.find(ref)
        if not refs:
            continue
        known = evidence.setdefault(refs[0] if row.ref_upn is not None else refs[-1], _Evidence())
        if row.dob is not None:
            known.dobs.add(row.dob)
        if row.sex in ("M", "F"):
            known.sexes.add(row.sex)
        for one, other in pairwise(refs):
            link = (min(one, other), max(one, other))
            links[link] = max(row.as_at, links.get(link, row.as_at))

    conflicts = []
    for one, other in sorted(links, key=lambda link: (-links[link].toordinal(), link)):
        root_one, root_other = components.find(one), components.find(other)
        if root_one == root_other:
            continue
        left, right = evidence.get(root_one, _Evidence()), evidence.get(root_other, _Evidence())
        reason = _contradiction(left, right)
        if reason:
            conflicts.append(IdentityConflict(one, other, reason))
            continue
        evidence[components.union(one, other)] = _Evidence(left.dobs | right.dobs, left.sexes | right.sexes)
    return PupilIdentity(components.roots(), tuple(sorted(conflicts)))


def _contradiction(one: _Evidence, other: _Evidence) -> str | None:
    if one.dobs and other.dobs and one.dobs.isdisjoint(other.dobs):
        return "dob"
    if one.sexes and other.sexes and one.sexes.isdisjoint(other.sexes):
        return "sex"
    return None


def resolve_schools(urns: Iterable[str], links: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """URN to school key: the earliest (smallest) URN of its chain of conversions.

    Parameters: `urns`, every URN known; `links`, GIAS links (urn, linked urn, link type). Only plain predecessor and
    successor links of one school to one school join: a merger, an amalgamation or a split makes a new school.
    """
    components = _Components()
    for urn in urns:
        components.find(int(urn))
    before: dict[int, set[int]] = {}
    after: dict[int, set[int]] = {}
    for urn, link_urn, link_type in links:
        kind = link_type.strip().casefold()
        if kind not in ("predecessor", "successor"):
            continue
        old, new = (int(link_urn), int(urn)) if kind == "predecessor" else (int(urn), int(link_urn))
        before.setdefault(new, set()).add(old)
        after.setdefault(old, set()).add(new)
    for new, olds in sorted(before.items()):
        if len(olds) == 1 and len(after[next(iter(olds))]) == 1:
            components.union(new, next(iter(olds)))
    return {str(urn): str(root) for urn, root in components.roots().items()}
