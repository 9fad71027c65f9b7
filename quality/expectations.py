"""Rules as Great Expectations: each suite is judged in the warehouse, and only counts come back."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

# The data source comes first: it switches the library's analytics off before the library is loaded.
from quality.datasource import DuckDBDatasource, add_warehouse, ephemeral_context  # isort: skip

from great_expectations import ExpectationSuite
from great_expectations.core import ExpectationValidationResult
from great_expectations.expectations.core.expect_column_values_to_be_between import ExpectColumnValuesToBeBetween
from great_expectations.expectations.core.expect_column_values_to_be_in_set import ExpectColumnValuesToBeInSet
from great_expectations.expectations.core.expect_column_values_to_be_unique import ExpectColumnValuesToBeUnique
from great_expectations.expectations.core.expect_column_values_to_not_be_null import ExpectColumnValuesToNotBeNull
from great_expectations.expectations.core.expect_compound_columns_to_be_unique import ExpectCompoundColumnsToBeUnique
from great_expectations.expectations.core.unexpected_rows_expectation import UnexpectedRowsExpectation
from great_expectations.expectations.expectation import Expectation

from quality.results import BrokenGateError
from quality.rules import Between, InSet, NotNull, Rows, RowsWhere, Rule, Unique, failing_rows_sql

_BATCH = "\x00"
_COUNTS_ONLY = {"result_format": "BASIC", "partial_unexpected_count": 0}


class FailingRows(UnexpectedRowsExpectation):
    """A row rule: its query selects failing rows by key. Unlike its parent it fetches none of them, it only counts."""

    metric_dependencies: ClassVar[tuple[str, ...]] = ("unexpected_rows_query.row_count",)

    def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        n_failing = metrics["unexpected_rows_query.row_count"]
        return {"success": n_failing == 0, "result": {"unexpected_count": n_failing}}


@dataclass(frozen=True)
class Judgement:
    """A rule and how many rows its expectation found failing."""

    rule: Rule
    n_failing: int


def query_template(rule: Rule) -> str:
    """The query as the library wants it: `{batch}` for the table, any other brace doubled, or it would be a field."""
    return failing_rows_sql(rule, _BATCH).replace("{", "{{").replace("}", "}}").replace(_BATCH, "{batch}")


def expectation_of(rule: Rule) -> Expectation:
    """The expectation that judges a rule; its id, key and sentence travel in `meta`."""
    shared: dict[str, Any] = {
        "meta": {"rule_id": rule.rule_id, "key": list(rule.key), "sentence": rule.sentence},
        "severity": rule.severity,
    }
    match rule.check:
        case NotNull(column):
            return ExpectColumnValuesToNotBeNull(column=column, **shared)
        case Unique((column,)):
            return ExpectColumnValuesToBeUnique(column=column, **shared)
        case Unique(columns):
            return ExpectCompoundColumnsToBeUnique(
                column_list=list(columns), ignore_row_if="any_value_is_missing", **shared
            )
        case InSet(column, values):
            return ExpectColumnValuesToBeInSet(column=column, value_set=list(values), **shared)
        case Between(column, minimum, maximum):
            return ExpectColumnValuesToBeBetween(column=column, min_value=minimum, max_value=maximum, **shared)
        case RowsWhere() | Rows():
            return FailingRows(unexpected_rows_query=query_template(rule), **shared)


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Keeps the library from printing: what it logs about a failed query quotes SQL and may quote values."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    sink = io.StringIO()
    try:
        with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def open_source(path: Path, config: Mapping[str, Any]) -> DuckDBDatasource:
    """The warehouse, read-only, as a data source of a context that lives in memory.

    Parameters: `config`, the DuckDB configuration of this process (`Settings.duckdb_config()`).
    """
    with _silenced():
        return add_warehouse(ephemeral_context(), path, config)


def _raised(result: ExpectationValidationResult) -> str | None:
    """The class of the error that an expectation raised, or None. Its message is left out: it may quote values."""
    info = result.exception_info or {}
    entries = [info] if "raised_exception" in info else list(info.values())
    for entry in entries:
        if entry.get("raised_exception"):
            found = re.search(
                r"\b_?duckdb\.(\w+)", str(entry.get("exception_message")) + str(entry.get("exception_traceback"))
            )
            return found.group(1) if found else "error"
    return None


def _judgement(rule: Rule, result: ExpectationValidationResult) -> Judgement:
    error = _raised(result)
    if error is not None:
        raise BrokenGateError(
            f"Rule {rule.rule_id} on {rule.table} could not be evaluated ({error}); "
            f"the gate is broken and nothing is published, mend the rule in quality/suites or the table's columns."
        )
    found = result.result or {}
    count = found.get("unexpected_count")
    if count is None and found.get("element_count") == 0:
        count = 0  # the library sums over no rows: a table whose feed has not come has nothing to fail
    if not isinstance(count, int) or (count == 0) is not bool(result.success):
        raise BrokenGateError(
            f"Rule {rule.rule_id} on {rule.table} gave a verdict without a matching count; "
            f"the gate is broken and nothing is published, look at the expectation in quality/expectations.py."
        )
    return Judgement(rule, count)


def judge(source: DuckDBDatasource, rules: Sequence[Rule]) -> list[Judgement]:
    """Judges rules table by table, in the given order.

    Raises: `BrokenGateError` for the first expectation that raised, gave no count, or did not come back at all.
    """
    judgements = []
    for table, group in groupby(sorted(rules, key=lambda rule: rule.table), key=lambda rule: rule.table):
        of_table = {rule.rule_id: rule for rule in group}
        with _silenced():
            asset = source.add_table_asset(table, table_name=table.split(".")[1], schema_name=table.split(".")[0])
            batch = asset.add_batch_definition_whole_table("whole").get_batch()
            suite = ExpectationSuite(table, expectations=[expectation_of(rule) for rule in of_table.values()])
            validated = batch.validate(suite, result_format=_COUNTS_ONLY)
        results = {
            result.expectation_config.meta["rule_id"]: result
            for result in validated.results
            if result.expectation_config is not None and result.expectation_config.meta is not None
        }
        for rule_id, rule in of_table.items():
            if rule_id not in results:
                raise BrokenGateError(
                    f"Rule {rule_id} on {table} was not judged; the gate is broken and nothing is published."
                )
            judgements.append(_judgement(rule, results[rule_id]))
    return judgements
