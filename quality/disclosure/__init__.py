"""Disclosure control: which cells of the published tables are hidden, per tier, so that none can be solved for."""

from quality.disclosure.cells import GAP_KEY, MEASURE_VALUE_KEY, Marts, read_marts
from quality.disclosure.pattern import (
    COMPLEMENTARY,
    DERIVED,
    FEW_PUPILS,
    ONE_SCHOOL,
    PATTERN_COLUMNS,
    SMALL_NUMERATOR,
    decide,
    decide_pattern,
)
from quality.disclosure.warehouse import write_pattern

__all__ = [
    "COMPLEMENTARY",
    "DERIVED",
    "FEW_PUPILS",
    "GAP_KEY",
    "MEASURE_VALUE_KEY",
    "ONE_SCHOOL",
    "PATTERN_COLUMNS",
    "SMALL_NUMERATOR",
    "Marts",
    "decide",
    "decide_pattern",
    "read_marts",
    "write_pattern",
]
