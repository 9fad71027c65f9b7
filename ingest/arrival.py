"""One private copy of a landed file, so that what is read, what is hashed and what is kept are the same bytes."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from ingest.refusal import FileRefused

_COPY_BYTES = 1 << 20


def copy_arrival(landing: Path, relative: str, scratch: Path) -> Path:
    """Copies a landed file into `scratch` through one open file, under its own name.

    A file could be swapped for a link, or a folder on its way for one, between the survey and the reading; a sender
    could still be writing it. So it is opened once, links are not followed, and where it really lies is asked of the
    open file.
    Raises: `FileRefused` for a link, for what is no regular file, and for a file that lies outside the landing folder.
    """
    path = landing / relative
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if path.is_symlink():
            raise FileRefused(f"{path.name}: this is a link; put the file itself into the landing folder.") from error
        raise
    with os.fdopen(handle, "rb") as source:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise FileRefused(f"{path.name}: this is no regular file; put a file into the landing folder.")
        if not Path(os.readlink(f"/proc/self/fd/{handle}")).is_relative_to(landing.resolve()):
            raise FileRefused(f"{path.name}: this lies outside the landing folder; put the file itself into it.")
        copy = scratch / "arrived" / path.name
        copy.parent.mkdir()
        with copy.open("wb") as target:
            shutil.copyfileobj(source, target, _COPY_BYTES)
    return copy
