"""What a rule of the gate is, as plain data: nothing here opens a database or imports a library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["critical", "warning"]

STATUSES = ("ok", "c", "x", "z", "low", "u")
# Estimates are stored with 9 significant digits: a sum or difference of three may be off by a few units of the ninth,
# and of nobody Wilson's lower end is 1e-15 rather than 0.
ROUNDING = "1e-7"


@dataclass(frozen=True)
class NotNull:
    """A row fails where `column` is null."""

    column: str


@dataclass(frozen=True)
class Unique:
    """A row fails where another has the same values in `columns`; rows with a null among them are left to `NotNull`."""

    columns: tuple[str, ...]


@dataclass(frozen=True)
class InSet:
    """A row fails where `column` is not null and not one of `values`."""

    column: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Between:
    """A row fails where `column` is not null and outside `minimum` to `maximum`, both inclusive."""

    column: str
    minimum: float
    maximum: float


@dataclass(frozen=True)
class RowsWhere:
    """A row fails where the SQL `condition` over the table's own columns is true."""

    condition: str


@dataclass(frozen=True)
class Rows:
    """Every row that the SQL `query` returns is a failure; the rule's own table stands in it as `judged`."""

    query: str


Check = NotNull | Unique | InSet | Between | RowsWhere | Rows


@dataclass(frozen=True)
class Rule:
    """One thing that must be true of one table before a release may be published.

    `rule_id` and `table` (`schema.name`) together are unique. `key` names the columns that find a failing row again;
    `school` the column (URN, school key or LAESTAB) by which failures are counted per school, where there is one.
    `sentence` says to people what must hold. `severity`: critical refuses the release, warning is recorded.
    """

    rule_id: str
    table: str
    sentence: str
    check: Check
    key: tuple[str, ...]
    school: str | None = None
    severity: Severity = "critical"

    @property
    def schema_name(self) -> str:
        return self.table.split(".")[0]

    @property
    def table_name(self) -> str:
        return self.table.split(".")[1]

    @property
    def selected(self) -> tuple[str, ...]:
        """The columns of a failing row that are kept: its key, and its school where that is not part of the key."""
        return self.key if self.school is None or self.school in self.key else (*self.key, self.school)


@dataclass(frozen=True)
class Suite:
    """The rules of one layer: `raw`, `marts`, `exports` or `reconciliation`."""

    name: str
    rules: tuple[Rule, ...]


def literal(value: str) -> str:
    """A text value as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def academic_year_sql(date: str) -> str:
    """The academic year of a date, `2025/26`, 1 August to 31 July, as SQL."""
    first = f"(year({date}) - case when month({date}) < 8 then 1 else 0 end)"
    return f"(cast({first} as varchar) || '/' || right(cast({first} + 1 as varchar), 2))"


def any_null(columns: Sequence[str]) -> RowsWhere:
    """A row fails where any of `columns` is null."""
    return RowsWhere(" or ".join(f"{column} is null" for column in columns))


def condition_of(check: NotNull | InSet | Between | RowsWhere) -> str:
    """The SQL condition that is true of a failing row, for a check that looks at one row at a time."""
    match check:
        case NotNull(column):
            return f"{column} is null"
        case InSet(column, values):
            return f"{column} is not null and {column} not in ({', '.join(literal(value) for value in values)})"
        case Between(column, minimum, maximum):
            return f"{column} is not null and not ({column} >= {minimum!r} and {column} <= {maximum!r})"
        case RowsWhere(condition):
            return condition


def failing_rows_sql(rule: Rule, batch: str | None = None) -> str:
    """The SELECT of the key (and school) of every failing row of a rule.

    Parameters: `batch`, what stands for the rule's table (default: the table; an expectation puts a placeholder).
    """
    source = batch or rule.table
    columns = ", ".join(rule.selected)
    match rule.check:
        case Rows(query):
            return f"with judged as (select * from {source}) {query}"
        case Unique(unique):
            keys = ", ".join(unique)
            present = " and ".join(f"{column} is not null" for column in unique)
            return f"select {columns} from {source} where {present} qualify count(*) over (partition by {keys}) > 1"
        case _:
            return f"select {columns} from {source} where {condition_of(rule.check)}"


def within_interval(
    rule_id: str, table: str, low: str, value: str, high: str, key: tuple[str, ...], school: str | None
) -> Rule:
    """An interval has both ends or none, and its estimate lies within."""
    return Rule(
        rule_id,
        table,
        f"{value} lies within its interval {low} to {high}, which has both ends or none.",
        RowsWhere(
            f"({low} is null) <> ({high} is null) or ({low} is not null and "
            f"(({value} is null) or not ({low} <= {value} + {ROUNDING} and {value} <= {high} + {ROUNDING})))"
        ),
        key,
        school,
    )
