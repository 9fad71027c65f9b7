"""Which feed a file belongs to: by its folder, else by its header."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ingest.contracts import LAKE_FEEDS, Contract, load_contract
from ingest.decoding import is_workbook, read_head
from ingest.judge import lone_heading_sentence, match_header, missing_columns_sentence
from ingest.refusal import FileRefused
from ingest.tabular import read_header, read_workbook_header


def header_of(path: Path) -> tuple[str, ...]:
    """The header of a file, reading no more of a text file than its beginning. Raises `FileRefused` as reading it
    would."""
    if is_workbook(path):
        return read_workbook_header(path)
    return read_header(read_head(path), path.name)[1]


def contracts_of_folder(folder: str) -> tuple[Contract, ...]:
    """The contracts whose files arrive in a landing folder."""
    contracts = (load_contract(feed) for feed in LAKE_FEEDS)
    return tuple(contract for contract in contracts if contract.data["landing_folder"] == folder)


def recognise(header: Sequence[str], file_name: str, folder: str | None = None) -> Contract:
    """The contract that a header satisfies best, of those of its landing folder or, without one, of all.

    Raises: `FileRefused` where none is satisfied, with what the nearest one looked for, or where two are satisfied
    equally.
    """
    candidates = contracts_of_folder(folder) if folder else tuple(load_contract(feed) for feed in LAKE_FEEDS)
    matches = [(match_header(contract, header, file_name), contract) for contract in candidates]
    complete = sorted(
        ((len(match.positions), contract.feed, contract) for match, contract in matches if not match.missing),
        reverse=True,
    )
    if not complete:
        match, contract = max(matches, key=lambda pair: (-len(pair[0].missing), len(pair[0].positions)))
        if folder is None and len(match.positions) < 2:
            raise FileRefused(
                lone_heading_sentence(file_name, header)
                or f"{file_name}, line 1: the header is that of no feed known here; put the file in landing/<feed>/, "
                f"where <feed> is one of {', '.join(dict.fromkeys(one.data['landing_folder'] for one in candidates))}."
            )
        raise FileRefused(missing_columns_sentence(file_name, contract, header, match.missing))
    if len(complete) > 1 and complete[0][0] == complete[1][0]:
        raise FileRefused(
            f"{file_name}, line 1: the header fits both {complete[0][1]} and {complete[1][1]}; "
            "put the file in landing/<feed>/."
        )
    return complete[0][2]
