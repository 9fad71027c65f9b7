"""From the landing folder to the lake: what is new, feed by feed, and what became of it.

Kept light to import: a run with nothing new ends here, so whatever reads files is imported only once there is a file
to read.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.settings import Settings

if TYPE_CHECKING:
    from ingest.delivery import DeliverySummary, Standing
    from ingest.lake import Refusal

FEEDS = (
    "schools",
    "calendar",
    "pupils",
    "session_marks",
    "attendance_totals",
    "assessment_results",
    "suspensions",
    "interventions",
    "dfe_statistics",
)
UNRECOGNISED = "unrecognised"
SEEN_FILE = "seen.json"
POOL_FROM_BYTES = 4 * 1024 * 1024
POOL_FROM_FILES = 200
BATCH_BYTES = 16 * 1024 * 1024
BATCH_FILES = 32

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class NewFile:
    """A file in the landing folder that was not seen as it now is; `trouble`, why it cannot even be opened."""

    path: str
    size: int
    mtime_ns: int
    folder: str | None
    laestab: str | None
    trouble: str | None = None


@dataclass(frozen=True)
class Survey:
    """What lies in the landing folder: `new` files by feed (and `unrecognised`), the number `seen` before, and of
    those the `refused`."""

    new: dict[str, tuple[NewFile, ...]]
    seen: int
    refused: tuple[str, ...] = ()

    @property
    def n_new(self) -> int:
        return sum(len(files) for files in self.new.values())

    @property
    def is_empty(self) -> bool:
        """Whether nothing new has come."""
        return self.n_new == 0


@dataclass
class FeedReport:
    """What became of a feed's new files; in `refused` the files not taken, with a sentence each."""

    feed: str
    files: int = 0
    deliveries: list[DeliverySummary] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)

    @property
    def rows_read(self) -> int:
        return sum(one.rows_read for one in self.deliveries)

    @property
    def rows_accepted(self) -> int:
        return sum(one.rows_accepted for one in self.deliveries)

    @property
    def rows_quarantined(self) -> int:
        return sum(one.rows_quarantined for one in self.deliveries)

    @property
    def rows_flagged(self) -> int:
        return sum(one.rows_flagged for one in self.deliveries)

    @property
    def rules(self) -> dict[str, int]:
        """Rows caught, by rule id."""
        total: dict[str, int] = {}
        for delivery in self.deliveries:
            for rule_id, n_rows in delivery.rules.items():
                total[rule_id] = total.get(rule_id, 0) + n_rows
        return dict(sorted(total.items()))

    @property
    def extra_columns(self) -> tuple[str, ...]:
        """Columns that the contract does not know, kept in `extra`."""
        return tuple(sorted({name for delivery in self.deliveries for name in delivery.extra_columns}))


def survey(settings: Settings) -> Survey:
    """Looks through the landing folder; opens no file that was seen with the same name, size and modification time.

    A file straight in `landing/` is recognised by its header and listed under its feed, or under `unrecognised`.
    """
    seen = _Seen.load(settings)
    new: dict[str, list[NewFile]] = {}
    n_seen = 0
    refused = []
    for landed in _walk(settings.landing_dir):
        outcome = seen.outcome(landed)
        if outcome is None:
            new.setdefault(_feed_of(settings.landing_dir, landed), []).append(landed)
        else:
            n_seen += 1
            if outcome == "refused":
                refused.append(landed.path)
    return Survey({feed: tuple(files) for feed, files in sorted(new.items())}, n_seen, tuple(refused))


def ingest_feed(settings: Settings, feed: str, survey: Survey, progress: Progress | None = None) -> FeedReport:
    """Takes a feed's new files into the lake; a bad file is recorded as a refusal and stops nothing.

    Parameters: `feed`, one of `FEEDS` (`schools` takes GIAS links as well) or `unrecognised`; `survey`, what `survey`
    returned; `progress`, called with (files done, files in all, file name).
    Raises: `ingest.keys.KeyMismatch` where the lake was built with another pseudonym key.
    """
    files = survey.new.get(feed, ())
    report = FeedReport(feed, len(files))
    if not files:
        return report
    from ingest.keys import load_pseudonymiser
    from ingest.lake import Lake

    settings.state_dir.mkdir(parents=True, exist_ok=True)
    lake = Lake(settings)
    lake.open_for_writing(load_pseudonymiser(settings).key_id)
    seen = _Seen.load(settings)
    for done, (landed, result) in enumerate(_results(settings, files), start=1):
        if isinstance(result, str):
            report.refused.append(_refuse(settings, lake, landed, feed, result))
        else:
            report.deliveries += result
        seen.note(landed, "refused" if isinstance(result, str) else "taken")
        if progress is not None:
            progress(done, len(files), Path(landed.path).name)
    seen.save(settings)
    report.deliveries.sort(key=lambda one: (one.feed, one.delivery_id))
    report.refused.sort(key=lambda one: one.path)
    return report


def ingest_all(settings: Settings, progress: Progress | None = None) -> dict[str, FeedReport]:
    """Everything new, feed by feed: what a run does before dbt."""
    found = survey(settings)
    return {feed: ingest_feed(settings, feed, found, progress) for feed in (*FEEDS, UNRECOGNISED)}


# ---------------------------------------------------------------------- the landing folder


def _walk(landing: Path) -> Iterator[NewFile]:
    """Every file of the landing folder in order of path; hidden and partly uploaded files are left for later."""
    if not landing.is_dir():
        return
    root = os.path.realpath(landing)
    yield from _walk_folder(root, "", ())


def _walk_folder(root: str, prefix: str, parts: tuple[str, ...]) -> Iterator[NewFile]:
    for entry in sorted(os.scandir(os.path.join(root, prefix)), key=lambda one: one.name):
        name = entry.name
        if (name.startswith(".") and not name.startswith("..")) or name.endswith((".part", ".tmp", ".crdownload", "~")):
            continue
        path = f"{prefix}{name}"
        if entry.is_symlink():
            target = os.path.realpath(entry.path)
            if os.path.commonpath((root, target)) != root or not os.path.isfile(target):
                status = entry.stat(follow_symlinks=False)
                sentence = f"{name}: the link leads out of the landing folder or to no file; copy the file itself."
                yield NewFile(path, status.st_size, status.st_mtime_ns, None, None, sentence)
                continue
        if entry.is_dir():
            yield from _walk_folder(root, path + "/", (*parts, name))
        else:
            yield _landed(path, entry.stat(), parts, entry.is_file())


def _landed(path: str, status: os.stat_result, parts: tuple[str, ...], is_file: bool) -> NewFile:
    name = path.rpartition("/")[2]
    folder = parts[0] if parts else None
    laestab = parts[1] if len(parts) > 1 else None
    trouble = None
    if not is_file:
        trouble = f"{name!r}: this is no ordinary file; put the extract itself here."
    elif re.search(r"\\|\.\.|%2f|%5c|[\x00-\x1f]", name, re.IGNORECASE) or not _is_unicode(name):
        shown = name.encode("utf-8", "replace").decode()
        trouble = f"{shown!r}: the name is like a path out of the folder or holds control characters; rename the file."
    elif folder is not None and folder not in FEEDS:
        trouble = f"{name}: the folder '{folder}' is no feed; use one of {', '.join(FEEDS)}."
    elif len(parts) > 2 or (laestab is not None and not re.fullmatch(r"\d{7}", laestab)):
        trouble = (
            f"{name}: the folder '{'/'.join(parts[1:])}' is no LAESTAB of seven digits; use landing/{folder}/1234567/."
        )
    return NewFile(path, status.st_size, status.st_mtime_ns, folder, laestab, trouble)


def _is_unicode(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _feed_of(landing: Path, landed: NewFile) -> str:
    if landed.trouble is not None:
        return landed.folder if landed.folder in FEEDS else UNRECOGNISED
    if landed.folder is not None:
        return landed.folder
    from ingest.recognise import header_of, recognise
    from ingest.refusal import FileRefused

    path = landing / landed.path
    try:
        return str(recognise(header_of(path), path.name).data["landing_folder"])
    except (FileRefused, OSError):
        # Said again, and recorded, when the file is ingested.
        return UNRECOGNISED


# ---------------------------------------------------------------------- what was seen


class _Seen:
    """Files as they were when they were last ingested. Disposable: without it every file is opened again and nothing
    changes."""

    def __init__(self, stamp: str, files: dict[str, list[Any]]) -> None:
        self._stamp = stamp
        self._files = files

    @classmethod
    def load(cls, settings: Settings) -> _Seen:
        stamp = _stamp(settings)
        path = settings.state_dir / SEEN_FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            files = content["files"] if content["stamp"] == stamp else {}
        except (OSError, ValueError, KeyError):
            files = {}
        return cls(stamp, files)

    def outcome(self, landed: NewFile) -> str | None:
        known = self._files.get(_printable(landed.path))
        return known[2] if known and known[:2] == [landed.size, landed.mtime_ns] else None

    def note(self, landed: NewFile, outcome: str) -> None:
        self._files[_printable(landed.path)] = [landed.size, landed.mtime_ns, outcome]

    def save(self, settings: Settings) -> None:
        path = settings.state_dir / SEEN_FILE
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps({"stamp": _stamp(settings), "files": self._files}), encoding="utf-8")
        temporary.replace(path)


def _printable(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()


def _stamp(settings: Settings) -> str:
    """Changes with the lake, key, contracts, registry's scales and parser: then every file is judged again."""
    room = Path(__file__).parent
    sources = [
        settings.lake_dir / "LAKE.json",
        settings.secrets_dir / "pseudonym.key",
        settings.registry_dir / "assessments.yml",
        *sorted((room / "contracts").glob("*/*.yml")),
        *(
            room / name
            for name in (
                *("cells.py", "judge.py", "statistics_table.py", "delivery.py"),
                *("tabular.py", "decoding.py", "file_names.py"),
            )
        ),
    ]
    digest = hashlib.sha256(str(settings.landing_dir).encode())
    for source in sources:
        digest.update(source.read_bytes() if source.exists() else b"-")
        digest.update(b"\0")
    return digest.hexdigest()[:16]


# ---------------------------------------------------------------------- the work


def _results(settings: Settings, files: tuple[NewFile, ...]) -> Iterator[tuple[NewFile, list[DeliverySummary] | str]]:
    """Each file with what came of it: its deliveries, or the sentence of its refusal."""
    healthy = [landed for landed in files if landed.trouble is None]
    for landed in files:
        if landed.trouble is not None:
            yield landed, landed.trouble
    is_little = len(healthy) < 2 or (
        len(healthy) < POOL_FROM_FILES and sum(one.size for one in healthy) < POOL_FROM_BYTES
    )
    if settings.ingest_workers == 1 or is_little:
        for landed in healthy:
            yield landed, _ingest_batch(settings, [landed])[0]
        return
    yield from _pooled(settings, healthy)


def _pooled(settings: Settings, files: list[NewFile]) -> Iterator[tuple[NewFile, list[DeliverySummary] | str]]:
    """Through a pool of processes; when one dies, the files it may have held go one by one, and the one that kills
    again is refused."""
    suspects: list[NewFile] = []
    with ProcessPoolExecutor(settings.ingest_workers, mp_context=get_context("spawn")) as pool:
        pending: dict[Future[list[list[DeliverySummary] | str]], list[NewFile]] = {
            pool.submit(_ingest_batch, settings, batch): batch for batch in _batches(files)
        }
        while pending:
            finished, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in finished:
                batch = pending.pop(future)
                try:
                    yield from zip(batch, future.result(), strict=True)
                except BrokenProcessPool:
                    suspects += batch
    while suspects:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            while suspects:
                landed = suspects.pop(0)
                try:
                    yield landed, pool.submit(_ingest_batch, settings, [landed]).result()[0]
                except BrokenProcessPool:
                    name = Path(landed.path).name
                    yield (
                        landed,
                        f"{name}: the process that read this file died; check the file, or send it in smaller parts.",
                    )
                    break


def _batches(files: list[NewFile]) -> Iterator[list[NewFile]]:
    """Large files first, so that no worker is left alone with one at the end."""
    batch: list[NewFile] = []
    size = 0
    for landed in sorted(files, key=lambda one: (-one.size, one.path)):
        if batch and (size + landed.size > BATCH_BYTES or len(batch) >= BATCH_FILES):
            yield batch
            batch, size = [], 0
        batch.append(landed)
        size += landed.size
    if batch:
        yield batch


def _ingest_batch(settings: Settings, files: list[NewFile]) -> list[list[DeliverySummary] | str]:
    from ingest.delivery import LandedFile, deliver
    from ingest.lake import Lake
    from ingest.refusal import FileRefused

    standing = standing_of(settings)
    lake = Lake(settings)
    results: list[list[DeliverySummary] | str] = []
    for landed in files:
        name = Path(landed.path).name
        file = LandedFile(landed.path, landed.size, landed.mtime_ns, landed.folder, landed.laestab)
        try:
            results.append(deliver(settings.landing_dir, file, lake, standing))
        except FileRefused as refusal:
            results.append(str(refusal))
        except FileNotFoundError:
            results.append(f"{name}: the file went away while it was read; land it again.")
        except PermissionError:
            results.append(f"{name}: the file may not be read; give this user the right to read it.")
        except (ValueError, ArithmeticError, LookupError, OSError) as error:
            # What no check foresaw must not stop the good files; an error's message may hold values, its type does not.
            results.append(f"{name}: the file could not be judged ({type(error).__name__}); send it with a report.")
        except MemoryError:
            results.append(f"{name}: the file is too large for the memory of this machine; send it in smaller parts.")
    return results


_STANDINGS: dict[str, Standing] = {}


def standing_of(settings: Settings) -> Standing:
    """The pseudonymiser of this home and what its registry says of scales; made once a process."""
    from ingest.delivery import Standing
    from ingest.keys import load_pseudonymiser
    from ingest.registry import load_registry

    name = str(settings.home)
    pseudonymiser = load_pseudonymiser(settings)
    known = _STANDINGS.get(name)
    if known is None or known.pseudonymiser.secret != pseudonymiser.secret:
        registry = load_registry(settings).data
        scales = {scale["scale_id"]: (float(scale["minimum"]), float(scale["maximum"])) for scale in registry["scales"]}
        known = Standing(pseudonymiser, scales, frozenset(str(code).upper() for code in registry["non_scores"]))
        _STANDINGS[name] = known
    return known


def _refuse(settings: Settings, lake: Any, landed: NewFile, feed: str, sentence: str) -> Refusal:
    import shutil

    from ingest.decoding import content_sha256

    path = settings.landing_dir / landed.path
    sha256 = None
    if not path.is_symlink() and path.is_file():
        scratch = lake.scratch()
        try:
            sha256 = content_sha256(path)
            lake.keep_original(path, sha256, scratch)
        except OSError:
            sha256 = None
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    refusal: Refusal = lake.write_refusal(
        _printable(landed.path), None if feed == UNRECOGNISED else feed, sentence, sha256, landed.size, landed.mtime_ns
    )
    return refusal
