"""When the landing folder has something new: the cursor is what was seen, never what time it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Stamp = tuple[int, int]
Listing = dict[str, Stamp]


@dataclass(frozen=True)
class Cursor:
    """What the sensor knows.

    Parameters: `taken`, the files a run was asked for; `waiting`, files seen for the first time or still growing;
    both map a
    path under landing to (size in bytes, modification time in ns); `contents`, the content hash of every taken file.
    """

    taken: Listing = field(default_factory=dict)
    waiting: Listing = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps({"taken": self.taken, "waiting": self.waiting, "contents": self.contents}, sort_keys=True)


def read_cursor(text: str | None) -> Cursor:
    """The cursor of the tick before; empty on the first tick."""
    if not text:
        return Cursor()
    content = json.loads(text)
    listings = [{path: (stamp[0], stamp[1]) for path, stamp in content[name].items()} for name in ("taken", "waiting")]
    return Cursor(listings[0], listings[1], dict(content["contents"]))


def list_landing(landing: Path) -> Listing:
    """Every file in landing by its path, with size and modification time; hidden and half-copied (`.part`, `.tmp`)
    ones are not.
    """
    if not landing.is_dir():
        return {}
    found: Listing = {}
    for path in sorted(landing.rglob("*")):
        inside = path.relative_to(landing)
        if path.suffix in {".part", ".tmp"} or any(part.startswith(".") for part in inside.parts):
            continue
        if path.is_file() and not path.is_symlink():
            state = path.stat()
            found[inside.as_posix()] = (state.st_size, state.st_mtime_ns)
    return found


def tick(before: Cursor, listing: Mapping[str, Stamp], hash_file: Callable[[str], str]) -> tuple[Cursor, str | None]:
    """One look at the landing folder.

    Parameters: `listing`, what lies there now; `hash_file`, the content hash of a path.
    Returns: the cursor for the next look and the key of the run to ask for, or None. A run is asked for when every
    new file has
    kept its size and time since the look before (an upload that still grows holds it back); its key is a hash of the
    content
    of all files, so the same state never asks twice.
    """
    new = {path: stamp for path, stamp in listing.items() if before.taken.get(path) != stamp}
    if not new:
        kept = {path: stamp for path, stamp in before.taken.items() if path in listing}
        return Cursor(kept, {}, {path: digest for path, digest in before.contents.items() if path in kept}), None
    if any(before.waiting.get(path) != stamp for path, stamp in new.items()):
        return Cursor(before.taken, dict(new), before.contents), None
    contents = {path: hash_file(path) if path in new else before.contents[path] for path in listing}
    state = "".join(f"{path}\0{digest}\n" for path, digest in sorted(contents.items()))
    return Cursor(dict(listing), {}, contents), hashlib.sha256(state.encode()).hexdigest()
