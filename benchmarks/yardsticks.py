"""What the product is held against: DuckDB doing the bare minimum with the same files. Run as a process of its own.

`python -m benchmarks.yardsticks load LANDING TARGET [--text] [--feed NAME]` loads every CSV of a folder into tables;
`python -m benchmarks.yardsticks copy WAREHOUSE TARGET` copies `marts.fct_session` with one `create table as`;
`python -m benchmarks.yardsticks empty TARGET` opens a database and ends, which is what the others are net of.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import duckdb


def csv_groups(landing: Path, feed: str | None = None) -> dict[tuple[str, bytes], list[str]]:
    """The CSV files under `landing`, grouped by feed folder and header line: what one `read_csv` can take at once."""
    groups: dict[tuple[str, bytes], list[str]] = defaultdict(list)
    for path in sorted(landing.rglob("*.csv")):
        name = path.relative_to(landing).parts[0]
        if feed is None or name == feed:
            with path.open("rb") as file:
                groups[name, file.readline()].append(str(path))
    return groups


def load(landing: Path, target: Path, *, text: bool, feed: str | None = None) -> int:
    """Loads the files into `target`, a table per group. Returns the number of rows."""
    rows = 0
    with duckdb.connect(str(target)) as connection:
        for number, files in enumerate(csv_groups(landing, feed).values()):
            options = ", all_varchar = true" if text else ""
            connection.execute(f"create table load_{number} as select * from read_csv($1{options})", [files])
            counted = connection.execute(f"select count(*) from load_{number}").fetchone()
            rows += counted[0] if counted else 0
        connection.execute("checkpoint")
    return rows


def copy_sessions(warehouse: Path, target: Path) -> None:
    """One `create table as` of `fct_session`, from the warehouse (opened read-only) into `target`."""
    with duckdb.connect(str(target)) as connection:
        quoted = str(warehouse).replace("'", "''")
        connection.execute(f"attach '{quoted}' as warehouse (read_only)")
        connection.execute("create table fct_session as select * from warehouse.marts.fct_session")
        connection.execute("checkpoint")


def main() -> None:
    parser = argparse.ArgumentParser()
    actions = parser.add_subparsers(dest="action", required=True)
    loading = actions.add_parser("load")
    loading.add_argument("landing", type=Path)
    loading.add_argument("target", type=Path)
    loading.add_argument("--text", action="store_true")
    loading.add_argument("--feed")
    copying = actions.add_parser("copy")
    copying.add_argument("warehouse", type=Path)
    copying.add_argument("target", type=Path)
    empty = actions.add_parser("empty")
    empty.add_argument("target", type=Path)
    arguments = parser.parse_args()
    arguments.target.unlink(missing_ok=True)
    if arguments.action == "load":
        print(load(arguments.landing, arguments.target, text=arguments.text, feed=arguments.feed))
    elif arguments.action == "copy":
        copy_sessions(arguments.warehouse, arguments.target)
    else:
        duckdb.connect(str(arguments.target)).close()


if __name__ == "__main__":
    main()
