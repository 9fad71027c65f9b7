"""`python -m quality.attacker --release DIR [--parent DIR] --tier T`: attacks a release as one of its readers.

Ends with 0 (nothing is given away), 3 (something is) or 1 (the attack could not be made).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow

from ingest.registry import load_registry
from ingest.settings import load_settings
from quality.attacker.attack import attack
from quality.attacker.tables import read_release


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m quality.attacker",
        description="Solve for every hidden count from all that a tier's reader can read.",
    )
    parser.add_argument("--release", type=Path, required=True, help="the folder of a release")
    parser.add_argument("--parent", type=Path, default=None, help="the folder of the release before it")
    parser.add_argument("--tier", required=True, help="public or leaders: the reader whose part is played")
    parser.add_argument("--home", type=Path, default=None, help="the home whose registry holds (default: this one's)")
    parser.add_argument("--json", action="store_true", help="print the breaches as JSON")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        registry = load_registry(load_settings(options.home))
        tables = read_release(options.release, options.tier, registry)
        parent = read_release(options.parent, options.tier, registry) if options.parent is not None else None
        breaches = attack(tables, registry, options.tier, parent)
    except (ValueError, ArithmeticError, KeyError, OSError, pyarrow.ArrowException, duckdb.Error) as error:
        print(f"The attack could not be made: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps([breach.as_json() for breach in breaches], indent=1, ensure_ascii=False))
    else:
        for breach in breaches:
            print(breach.sentence())
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(Counter(b.kind for b in breaches).items()))
        print(
            f"{options.tier}: {len(breaches)} breaches{f' ({kinds})' if kinds else ''} in "
            f"{time.monotonic() - started:.1f} s"
        )
    return 3 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
