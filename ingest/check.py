"""Judges a file without loading it."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ingest.settings import Settings


@dataclass(frozen=True)
class RuleCount:
    """Rows that one rule caught, and the lines of the first of them."""

    rule_id: str
    severity: str
    sentence: str
    n_rows: int
    first_lines: tuple[int, ...]


@dataclass(frozen=True)
class FileVerdict:
    """What ingest would make of a file. `refusal` is the one sentence for a file that could not be taken at all."""

    file_name: str
    feed: str | None
    missing_columns: tuple[str, ...]
    extra_columns: tuple[str, ...]
    rows_read: int
    rows_accepted: int
    rows_refused: int
    rules: tuple[RuleCount, ...]
    refusal: str | None

    @property
    def is_clean(self) -> bool:
        """Whether the file and every row of it would be taken."""
        return self.refusal is None and self.rows_refused == 0


def check_file(settings: Settings, path: Path, feed: str | None = None) -> FileVerdict:
    """Judges a file as `run` would, and writes nothing.

    Parameters: `path`, any file; `feed`, the landing feed to judge it as (default: the feed folder it lies in, else
    its header). A school is taken from a parent folder named by a LAESTAB.
    Raises: `ValueError` for a feed that does not exist.
    """
    from ingest.delivery import context_for, origin_of
    from ingest.judge import judge, lone_heading_sentence, match_header
    from ingest.pipeline import FEEDS, standing_of
    from ingest.recognise import contracts_of_folder, recognise
    from ingest.refusal import FileRefused
    from ingest.tabular import read_table

    if feed is not None and feed not in FEEDS:
        raise ValueError(f"There is no feed '{feed}'; use one of {', '.join(FEEDS)}.")
    parents = [parent.name for parent in list(path.absolute().parents)[:2]]
    laestab = parents[0] if parents and re.fullmatch(r"\d{7}", parents[0]) else None
    folder = feed or next((name for name in parents if name in FEEDS), None)
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    known = None
    try:
        with tempfile.TemporaryDirectory() as scratch:
            table = read_table(path, Path(scratch))
            # Of a first line that is no header there is no column to name.
            if folder is not None and lone_heading_sentence(path.name, table.header) is None:
                nearest = min(
                    (match_header(contract, table.header, path.name) for contract in contracts_of_folder(folder)),
                    key=lambda match: (len(match.missing), -len(match.positions)),
                )
                missing, extra = nearest.missing, tuple(table.header[position] for position in nearest.extra)
            contract = recognise(table.header, path.name, folder)
            known = contract.feed
            extra = tuple(table.header[position] for position in match_header(contract, table.header, path.name).extra)
            origin = origin_of(contract, path.name, path.stat().st_mtime_ns)
            judged = judge(contract, table, context_for(standing_of(settings), origin, laestab), path.name)
    except FileRefused as refusal:
        return FileVerdict(path.name, known or folder, missing, extra, 0, 0, 0, (), str(refusal))
    except OSError as error:
        sentence = f"{path.name}: the file cannot be read ({error.strerror}); check its name and rights."
        return FileVerdict(path.name, folder, (), (), 0, 0, 0, (), sentence)
    n_ragged = len(table.ragged)
    n_refused = int(judged.refused.sum()) + n_ragged
    caught = {rule_id: [int(line) for line in table.lines[mask]] for rule_id, mask in judged.caught.items()}
    if n_ragged:
        caught[contract.checks["fields"]] = [line for line, _ in table.ragged]
    rules = tuple(
        RuleCount(
            rule_id, contract.rules[rule_id].severity, contract.rules[rule_id].sentence, len(lines), tuple(lines[:5])
        )
        for rule_id, lines in sorted(caught.items())
    )
    return FileVerdict(
        path.name, known, (), extra, table.rows_read, table.rows_read - n_refused, n_refused, rules, None
    )
