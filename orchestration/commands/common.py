"""What every command shares: the home, JSON output and plain tables."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import click

from ingest.settings import Settings, load_settings
from orchestration.errors import WrongUse

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Home:
    """The home that was asked for; None where none was, so that a command may choose its own."""

    path: Path | None

    def settings(self, **overrides: Any) -> Settings:
        """The settings of this home. Raises `WrongUse` for a value or a key that no setting has."""
        return settings_of(self.path, **overrides)


def settings_of(home: Path | None, **overrides: Any) -> Settings:
    """The settings of a home. Raises `WrongUse` for a value or a key that no setting has."""
    from pydantic import ValidationError

    try:
        return load_settings(home, **{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise WrongUse(
            f"The setting '{name}' cannot be used ({first['msg']}); mend it in everypupil.toml or EVERYPUPIL_*."
        ) from error


def with_home(command: Command) -> Command:
    """Passes the `Home` of the command line as the first argument."""
    return click.pass_obj(command)  # type: ignore[return-value]  # click types the wrapper, not what it keeps


def as_json(command: Command) -> Command:
    """Adds `--json`."""
    return click.option("--json", "json_output", is_flag=True, help="Print JSON, for a program to read.")(command)


def print_json(content: Any) -> None:
    """Prints JSON: dates in ISO, decimals as numbers."""
    click.echo(json.dumps(content, indent=1, ensure_ascii=False, default=plain))


def plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and value.as_tuple().exponent == 0 else float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


def as_csv(names: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    """Rows as CSV; a text that a spreadsheet would take for a formula is put behind an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([_harmless(row[name]) for name in names])
    return out.getvalue()


def _harmless(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return "" if value is None else value


def as_table(names: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    """Rows as a plain table, columns as wide as what stands in them."""
    cells = [[("" if row[name] is None else str(row[name])) for name in names] for row in rows]
    widths = [max([len(name), *(len(line[index]) for line in cells)]) for index, name in enumerate(names)]
    lines = [list(names), ["-" * width for width in widths], *cells]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def print_lines(*lines: str) -> None:
    """Prints each line."""
    for line in lines:
        click.echo(line)
