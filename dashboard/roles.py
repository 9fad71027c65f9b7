"""Roles: who may read which tier, schools and year groups. Read from `access.yml`, else the four that are built in."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow.parquet as pq
import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator

from dashboard.reader import ReleaseError, current_release_id
from ingest.settings import Settings

OPERATOR = "operator"
_EVERY = "all"
_TIERS = ("public", "leaders", "pupils")
_ROLE = re.compile(r"[A-Za-z][A-Za-z0-9:_.-]{0,63}")
_URN = re.compile(r"[0-9A-Za-z-]{1,20}")
_YEAR_GROUPS = ("E1", "E2", "N1", "N2", "R", *(str(year) for year in range(1, 15)), "X")
# A role of these names is what the commands take when no role is named, so the name says the tier.
_TIER_OF_NAME = {"public": "public", "leaders": "leaders", OPERATOR: "pupils"}
Place = tuple[str | int, ...]
_DEEPEST = 8
_BUILT_IN_SCHOOL = re.compile(r"school:([0-9A-Za-z-]{1,20})")


class AccessError(PermissionError):
    """A role is unknown or may not do this, or the roles cannot be read; the message is one sentence."""


@dataclass(frozen=True)
class Grant:
    """What a role opens.

    Parameters: `role`, its name; `tier`, public, leaders or pupils; for tier pupils also `urns`, its schools (None:
    every school), `year_groups`, its NC years (None: all of them), and `special_category`, whether ethnicity, SEN,
    looked-after and free-meal status may be read.
    """

    role: str
    tier: str
    urns: tuple[str, ...] | None = None
    year_groups: tuple[str, ...] | None = None
    special_category: bool = False

    @property
    def is_narrowed(self) -> bool:
        """Whether some rows or columns of its own schools are withheld from it."""
        return self.tier == "pupils" and (self.year_groups is not None or not self.special_category)


def grant_of(settings: Settings, role: str) -> Grant:
    """The grant of a role: as `access.yml` says where there is one, else `public`, `leaders`, `school:<urn>` or
    `operator`.

    Raises: `AccessError` for a role that is not known, and for an `access.yml` that cannot be used.
    """
    roles = read_roles(settings)
    if roles is None:
        return _built_in(role)
    if role not in roles:
        raise AccessError(f"This role is not known, so it may read nothing; {settings.access_path} names the roles.")
    return roles[role]


def read_roles(settings: Settings) -> dict[str, Grant] | None:
    """The grants of `access.yml` by role, or None where there is no such file.

    Raises: `AccessError`, naming file, line and remedy, for a file that is no YAML or holds an unknown key, a misspelt
    tier or year group, a role twice, or a school that the release in force does not know.
    """
    path = settings.access_path
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if path.is_symlink():
            raise AccessError(f"{path} leads nowhere, so nobody may read anything; put the file back.") from None
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise AccessError(f"{path} cannot be read ({error}), so nobody may read anything; mend the file.") from None
    content, lines = _parsed(path, text)
    try:
        entries = _File.model_validate(content).roles
    except ValidationError as error:
        raise _refused(path, lines, error) from None
    _check_schools(settings, entries, lines)
    return {role: entry.as_grant(role) for role, entry in entries.items()}


def _built_in(role: str) -> Grant:
    if role in ("public", "leaders"):
        return Grant(role, role)
    if role == OPERATOR:
        return Grant(role, "pupils", special_category=True)
    school = _BUILT_IN_SCHOOL.fullmatch(role)
    if school:
        return Grant(role, "pupils", (school.group(1),))
    raise AccessError("This role is not known, so it may read nothing; use public, leaders, school:URN or operator.")


# What access.yml may say. Every scalar is taken as the text that stands there: YAML would read year group N as false.


def _every_or_list(value: object) -> object:
    if value == _EVERY:
        return None
    if not isinstance(value, list) or not value:
        raise ValueError("neither 'all' nor a list; write all, or a list such as [a, b]")
    return value


def _school(value: str) -> str:
    if not _URN.fullmatch(value):
        raise ValueError(f"'{value}' is no URN; write the school's number in Get Information about Schools")
    return value


def _year_group(value: str) -> str:
    if value not in _YEAR_GROUPS:
        raise ValueError(f"'{value}' is no year group; write one of {', '.join(_YEAR_GROUPS)}")
    return value


def _role_name(value: str) -> str:
    if not _ROLE.fullmatch(value):
        raise ValueError("a role's name is letters, digits and : _ . - after a first letter, 64 at most; rename it")
    return value


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    tier: Literal["public", "leaders", "pupils"]
    schools: Annotated[tuple[Annotated[str, AfterValidator(_school)], ...] | None, BeforeValidator(_every_or_list)] = ()
    year_groups: Annotated[
        tuple[Annotated[str, AfterValidator(_year_group)], ...] | None, BeforeValidator(_every_or_list)
    ] = ()
    special_category: Literal["true", "false"] = "false"

    @model_validator(mode="after")
    def _belongs_together(self) -> _Entry:
        narrowing = {"schools", "year_groups", "special_category"}
        if self.tier != "pupils" and self.model_fields_set & narrowing:
            raise ValueError(
                f"tier {self.tier} is one for all schools and holds no pupils' rows; take out "
                f"{', '.join(sorted(self.model_fields_set & narrowing))}, or write tier pupils"
            )
        missing = {"schools", "year_groups"} - self.model_fields_set
        if self.tier == "pupils" and missing:
            raise ValueError(f"a role of tier pupils names {' and '.join(sorted(missing))} too; write a list or all")
        return self

    def as_grant(self, role: str) -> Grant:
        if self.tier != "pupils":
            return Grant(role, self.tier)
        years = None if self.year_groups is None else tuple(sorted(set(self.year_groups)))
        schools = None if self.schools is None else tuple(sorted(set(self.schools)))
        return Grant(role, self.tier, schools, years, self.special_category == "true")


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    roles: dict[Annotated[str, AfterValidator(_role_name)], _Entry]

    @model_validator(mode="after")
    def _names_say_their_tier(self) -> _File:
        for role, entry in self.roles.items():
            tier = _TIER_OF_NAME.get(role, entry.tier)
            if entry.tier != tier:
                raise _RoleError(role, f"the role {role} is of tier {tier}; write tier: {tier}, or rename the role")
        return self


class _RoleError(ValueError):
    """A rule between roles; `role` says where."""

    def __init__(self, role: str, message: str) -> None:
        super().__init__(message)
        self.role = role


def _parsed(path: Path, text: str) -> tuple[Any, dict[Place, int]]:
    """The content of a YAML text with every scalar as text, and the line of every key and item.

    Raises: `AccessError` for a text that is no YAML, repeats a key or uses an anchor.
    """
    lines: dict[Place, int] = {}
    try:
        _refuse_riddles(path, text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = None if node is None else _plain(path, node, (), lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _at(path, mark.line + 1 if mark else 1, f"this is no YAML ({error.problem}); mend the line") from None
    except (yaml.YAMLError, RecursionError):
        raise _at(path, 1, "this is no YAML that can be read; write it anew") from None
    if not isinstance(content, dict) or not content.get("roles"):
        raise _at(path, 1, "no roles stand here; write 'roles:' and a role below it, or take the file away")
    return content, lines


def _refuse_riddles(path: Path, text: str) -> None:
    """Raises `AccessError` for aliases and deep nesting, which nobody needs to name roles."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            raise _at(path, line, "an alias stands for something written elsewhere; write it out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise _at(path, line, "this is nested too deeply; write a role, its keys and their lists, no more")


def _plain(path: Path, node: yaml.Node, place: Place, lines: dict[Place, int]) -> Any:
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(path, item, (*place, number), lines) for number, item in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return node.value
    content: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise _at(path, line, "a key is a word; mend the line")
        if key.value in content:
            what = "role" if place == ("roles",) else "key"
            raise _at(path, line, f"the {what} '{key.value}' stands here a second time; take one out or rename it")
        lines[(*place, key.value)] = line
        content[key.value] = _plain(path, value, (*place, key.value), lines)
    return content


def _refused(path: Path, lines: Mapping[Place, int], error: ValidationError) -> AccessError:
    """The first thing that is wrong as one sentence: a misspelt key before the key that is missing for it, then by
    line.
    """
    found = []
    for problem in error.errors(include_url=False):
        place = tuple(problem["loc"])
        cause = problem.get("ctx", {}).get("error")
        if isinstance(cause, _RoleError):
            place = ("roles", cause.role)
        sentence = _sentence(problem["type"], place, problem["input"], cause, problem["msg"])
        found.append((problem["type"] == "missing", _line(lines, place), sentence))
    _, line, sentence = min(found)
    return _at(path, line, sentence)


def _line(lines: Mapping[Place, int], place: Place) -> int:
    """The line of a place, else of what it stands in."""
    while place not in lines and place:
        place = place[:-1]
    return lines.get(place, 1)


def _sentence(kind: str, place: Place, found: Any, cause: Exception | None, message: str) -> str:
    name = str(place[-1]) if place else "the file"
    if cause is not None:
        return str(cause)
    if kind == "extra_forbidden":
        known = ["roles"] if len(place) == 1 else list(_Entry.model_fields)
        return f"'{name}' is no key here; {_instead(name, known)}"
    if kind == "missing":
        return f"the role has no {name}; write {name}: and {_listed(_TIERS)}"
    if kind == "literal_error":
        known = list(_TIERS) if name == "tier" else ["true", "false"]
        return f"'{found}' is no {name.replace('_', '-')}; {_instead(str(found), known)}"
    return f"{name} cannot be used ({message}); write it as the page on data protection shows"


def _instead(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word.lower(), known, 1)
    return f"write {close[0]}" if close else f"write {_listed(known)}"


def _listed(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def _at(path: Path, line: int, sentence: str) -> AccessError:
    return AccessError(f"{path}, line {line}: {' '.join(sentence.split())}.")


def _check_schools(settings: Settings, entries: Mapping[str, _Entry], lines: Mapping[Place, int]) -> None:
    """Raises `AccessError` for a school that the release in force does not know; without a release nobody can read."""
    named = [
        (_line(lines, ("roles", role, "schools", number)), urn)
        for role, entry in entries.items()
        for number, urn in enumerate(entry.schools or ())
    ]
    if not named:
        return
    try:
        release_id = current_release_id(settings)
    except ReleaseError:
        return
    table = settings.releases_dir / release_id / "public" / "dim_school.parquet"
    try:
        known = {str(urn) for urn in pq.read_table(table, columns=["urn"]).column(0).to_pylist()}
    except (OSError, ValueError, KeyError) as error:
        raise ReleaseError(
            f"The schools of release {release_id} cannot be read ({type(error).__name__}); run `everypupil verify`."
        ) from error
    for line, urn in sorted(named):
        if urn not in known:
            close = difflib.get_close_matches(urn, sorted(known), 1)
            meant = f"write {close[0]}, if that is meant, or take it out" if close else "mend it or take it out"
            raise _at(settings.access_path, line, f"release {release_id} knows no school with URN {urn}; {meant}")
