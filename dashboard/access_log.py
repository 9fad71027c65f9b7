"""The access log: who read pupils' rows or took figures away, in lines that each hold the hash of the line before.

A line that is changed, removed or moved no longer fits its neighbours. A line missing at the end is told by the head, a
small file beside the log with the number of lines and the last hash. Whoever may write both files and rewrites both
leaves no trace here; copies kept elsewhere would show it.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import hashlib
import json
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ingest.settings import Settings

FIRST = "0" * 64  # what the first line holds in the place of a hash before it
_TAIL_BYTES = 1 << 16
_MEND = "run `everypupil access-log --verify`, keep the log and its head as evidence and move both away"


class AccessLogError(PermissionError):
    """The access log cannot be written or does not hold, so nothing is read; the message is one sentence."""


@dataclass(frozen=True)
class Access:
    """One access, as far as it is logged: names and counts, never a value of a pupil.

    Parameters: `what`, tables read or the table or pack taken away; `rows` given out (None: none, because it failed or
    was the opening of a page); `unit`, a
    school's URN; `file_format`, of an export; `query_sha256`, of the query's text.
    """

    role: str
    action: str
    what: tuple[str, ...]
    release: str
    rows: int | None
    tier: str = "pupils"
    unit: str | None = None
    file_format: str | None = None
    query_sha256: str | None = None


@dataclass(frozen=True)
class Problem:
    """A place where the log does not hold: the line's number from 1, and what is wrong with it."""

    line: int
    sentence: str


@dataclass(frozen=True)
class _Head:
    """The end of the log as it was last written: lines, bytes, and the hash of the last line."""

    lines: int = 0
    size: int = 0
    hash: str = FIRST


def record(settings: Settings, access: Access) -> None:
    """Appends one access and waits until it is on disk; the reader gets nothing before that.

    Raises: `AccessLogError` where the log cannot be written, or does not end as its head says.
    """
    path = settings.access_log_path
    try:
        with _locked(path, fcntl.LOCK_EX):
            head = _end(path)
            entry = {
                "line": head.lines + 1,
                "at": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
                "who": _account(),
                **asdict(access),
                "previous": head.hash,
            }
            digest = _hash(entry)
            line = _text(entry | {"hash": digest}).encode() + b"\n"
            _append(path, line)
            _write_head(path, _Head(head.lines + 1, head.size + len(line), digest))
    except OSError as error:
        if isinstance(error, AccessLogError):
            raise
        raise AccessLogError(
            f"The access log {path} cannot be written ({error.strerror or error}), so nothing may be read; give this "
            "account the right to, or a log of its own with EVERYPUPIL_ACCESS_LOG."
        ) from error


def read_log(settings: Settings) -> tuple[list[dict[str, Any]], list[Problem]]:
    """Every line of the log that can be read, and every place where the log does not hold.

    Raises: `AccessLogError` where the log is there and cannot be read.
    """
    path = settings.access_log_path
    if not path.parent.is_dir():
        return [], []
    try:
        with _locked(path, fcntl.LOCK_SH):
            content = path.read_bytes() if path.exists() else b""
            head = _read_head(path)
    except OSError as error:
        if isinstance(error, AccessLogError):
            return [], [Problem(1, str(error))]
        raise AccessLogError(
            f"The access log {path} cannot be read ({error.strerror or error}); it is for the account that owns it."
        ) from error
    return _verified(content, head)


def _verified(content: bytes, head: _Head | None) -> tuple[list[dict[str, Any]], list[Problem]]:
    entries: list[dict[str, Any]] = []
    problems: list[Problem] = []
    previous, expected, seen = FIRST, 1, set[str]()
    *lines, rest = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        entry = _entry(line)
        if entry is None:
            problems.append(Problem(number, "this line is no line of an access log: it was changed"))
            previous, expected = "", expected + 1
            continue
        entries.append(entry)
        digest = str(entry["hash"])
        if _hash({key: value for key, value in entry.items() if key != "hash"}) != digest:
            problems.append(Problem(number, "this line is not as it was written: its hash is another"))
        elif digest in seen:
            problems.append(Problem(number, "this line stands here a second time"))
        elif entry["previous"] != previous and previous:
            said = entry["line"]
            if isinstance(said, int) and said > expected:
                sentence = f"it was written as line {said}: {said - expected} before it were removed or moved"
            elif said != expected:
                sentence = f"it was written as line {said}: it was moved here"
            else:
                sentence = "it does not follow on the line before it: one of the two was replaced"
            problems.append(Problem(number, sentence))
        seen.add(digest)
        previous = digest
        expected = entry["line"] + 1 if isinstance(entry["line"], int) else expected + 1
    if rest:
        problems.append(Problem(len(lines) + 1, "this line has no end: it was cut off"))
    problems += _against_head(lines, entries, head)
    return entries, problems


def _against_head(lines: list[bytes], entries: list[dict[str, Any]], head: _Head | None) -> list[Problem]:
    """What the head says of the end. One line more than it counts is a process that ended between the two writes."""
    if head is None:
        return [Problem(len(lines), "the head beside the log is missing, so its end cannot be judged")] if lines else []
    if head.lines > len(lines):
        missing = head.lines - len(lines)
        return [Problem(len(lines) + 1, f"{missing} missing here, at the end: the head counts {head.lines}")]
    if head.lines < len(lines) - 1:
        return [Problem(head.lines + 1, f"from here on the head, which counts {head.lines}, knows no line")]
    last = _entry(lines[head.lines - 1]) if head.lines else None
    if (last["hash"] if last else FIRST) != head.hash:
        return [Problem(max(head.lines, 1), "the head holds another hash for this line: one of the two was replaced")]
    return []


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    is_entry = isinstance(found, dict) and {"line", "hash", "previous"} <= found.keys()
    # The text must be the one that is written: spaces or a key twice would be a change that no hash shows.
    return found if is_entry and _text(found).encode() == line else None


def _text(entry: dict[str, Any]) -> str:
    return json.dumps(entry, separators=(",", ":"), sort_keys=True, ensure_ascii=True)


def _hash(entry: dict[str, Any]) -> str:
    return hashlib.sha256(_text(entry).encode()).hexdigest()


def _account() -> str:
    """The account that the operating system says this process runs under; a variable could say anything."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.stem}{suffix}")


@contextmanager
def _locked(path: Path, kind: int) -> Iterator[None]:
    if kind == fcntl.LOCK_EX:
        # Two readers may be the first at the same moment.
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(_beside(path, ".lock"), flags, 0o600)
    try:
        fcntl.flock(handle, kind)
        yield
    finally:
        os.close(handle)


def _end(path: Path) -> _Head:
    """The end of the log, checked against its head without reading the log; what a killed process left is put right.

    Raises: `AccessLogError` where the two do not fit.
    """
    head = _read_head(path)
    size = path.stat().st_size if path.exists() else 0
    if head is None and not size:
        return _Head()
    if head is None or size < head.size:
        raise AccessLogError(f"The access log {path} does not end as its head says, so nothing may be read; {_MEND}.")
    with path.open("rb") as log:
        log.seek(max(0, head.size - _TAIL_BYTES))
        before = log.read(min(head.size, _TAIL_BYTES))
        after = log.read(_TAIL_BYTES)
    last = _entry(before.rstrip(b"\n").rpartition(b"\n")[2]) if head.lines else None
    fits = (last["hash"] if last else FIRST) == head.hash and (not head.size or before.endswith(b"\n"))
    if fits and after and after.endswith(b"\n"):
        late = _entry(after[:-1])
        fits = late is not None and late["previous"] == head.hash and late["hash"] == _hash(_without_hash(late))
        if fits and late is not None:
            return _Head(head.lines + 1, size, str(late["hash"]))
    elif fits and after and b"\n" not in after:
        # The first half of a line whose writer was killed: nothing was given out for it.
        os.truncate(path, head.size)
    elif fits and after:
        fits = False
    if not fits:
        raise AccessLogError(f"The access log {path} does not end as its head says, so nothing may be read; {_MEND}.")
    return head


def _without_hash(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != "hash"}


def _append(path: Path, line: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(path, flags, 0o600)
    try:
        os.fchmod(handle, 0o600)
        if os.write(handle, line) != len(line):
            raise OSError(f"only a part of the line was written to {path.name}")
        os.fsync(handle)
    finally:
        os.close(handle)


def _read_head(path: Path) -> _Head | None:
    place = _beside(path, ".head.json")
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
        head = _Head(int(found["lines"]), int(found["size"]), str(found["hash"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise AccessLogError(
            f"The head of the access log, {place}, is damaged, so nothing may be read; {_MEND}."
        ) from error
    return head


def _write_head(path: Path, head: _Head) -> None:
    place = _beside(path, ".head.json")
    draft = place.with_name(place.name + ".new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, _text(asdict(head)).encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
    os.replace(draft, place)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
