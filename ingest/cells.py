"""What one cell means. Each parser takes a text and gives a value and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from enum import Enum
from functools import lru_cache
from typing import Any

from ingest.contracts import CodePeriod, Column
from ingest.upn import UpnStatus, upn_status


class Fault(Enum):
    """What is wrong with a cell: nothing, blank, unreadable, or a value that was retired."""

    NONE = 0
    MISSING = 1
    INVALID = 2
    LEGACY = 3


Parsed = tuple[Any, Fault]
Parser = Callable[[str], Parsed]

_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?Z?)?")
_BRITISH = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?: \d{2}:\d{2}(?::\d{2})?)?")
_YES = {"y", "yes", "t", "true", "1"}
_NO = {"n", "no", "f", "false", "0"}
_NC_YEAR = re.compile(r"(?:year|yr|y)?\s*0?(e1|e2|n1|n2|r|[1-9]|1[0-4]|x)")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?")
_SPLIT = re.compile(r"\s+[-–]\s+")


@lru_cache(maxsize=65_536)
def parse_date(text: str) -> date | None:
    """A date written `YYYY-MM-DD`, `DD/MM/YYYY` or `DD-MM-YYYY`, with or without a time; None for anything else."""
    if match := _ISO.fullmatch(text):
        year, month, day = match.groups()
    elif match := _BRITISH.fullmatch(text):
        day, month, year = match.groups()
    else:
        return None
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def code_of(text: str) -> str:
    """The code of a `CODE - Description` cell; a text without a description is its own code."""
    return _SPLIT.split(text, maxsplit=1)[0].strip()


def slug(text: str) -> str:
    """Lower case, runs of anything but letters and digits as one hyphen."""
    return re.sub(r"[^0-9a-z]+", "-", text.casefold()).strip("-")


def _date(text: str) -> Parsed:
    value = parse_date(text)
    return value, Fault.INVALID if value is None else Fault.NONE


def _text(text: str) -> Parsed:
    return text, Fault.NONE


def _slug(text: str) -> Parsed:
    value = slug(text)
    return (value, Fault.NONE) if value else (None, Fault.INVALID)


def _code(text: str) -> Parsed:
    return code_of(text).upper(), Fault.NONE


def _boolean(text: str) -> Parsed:
    word = code_of(text).casefold()
    if word in _YES:
        return True, Fault.NONE
    return (False, Fault.NONE) if word in _NO else (None, Fault.INVALID)


def _digits(least: int, most: int, width: int = 0) -> Parser:
    shape = re.compile(rf"\d{{{least},{most}}}")

    def parse(text: str) -> Parsed:
        text = text.removesuffix(".0")
        return (text.zfill(width), Fault.NONE) if shape.fullmatch(text) else (None, Fault.INVALID)

    return parse


def _laestab(text: str) -> Parsed:
    match = re.fullmatch(r"(\d{3})[/\- ]?(\d{4})", text)
    return ("".join(match.groups()), Fault.NONE) if match else (None, Fault.INVALID)


def _upn(text: str) -> Parsed:
    value = text.upper()
    good = upn_status(value) in (UpnStatus.VALID, UpnStatus.TEMPORARY)
    return (value, Fault.NONE) if good else (None, Fault.INVALID)


def _nc_year(text: str) -> Parsed:
    word = code_of(text).casefold()
    if word in ("reception", "rec"):
        return "R", Fault.NONE
    match = _NC_YEAR.fullmatch(word)
    return (match.group(1).upper(), Fault.NONE) if match else (None, Fault.INVALID)


def _integer(column: Column) -> Parser:
    minimum, maximum = column.options["minimum"], column.options["maximum"]

    def parse(text: str) -> Parsed:
        if not re.fullmatch(r"\d{1,9}(\.0+)?", text):
            return None, Fault.INVALID
        value = int(text.partition(".")[0])
        return (value, Fault.NONE) if minimum <= value <= maximum else (None, Fault.INVALID)

    return parse


def _choice(column: Column) -> Parser:
    """Reads the whole cell, else its code: `E - Education, Health and Care Plan` is E."""

    def fold(text: str) -> str:
        return re.sub(r"[\s_]+", " ", text).casefold()

    meaning = {fold(word): value for value, words in column.options["choices"].items() for word in (value, *words)}
    legacy = {fold(word): value for word, value in column.options.get("legacy", {}).items()}
    unknown = {fold(word) for word in column.options.get("not_known", ())}

    def parse(text: str) -> Parsed:
        for word in (fold(text), fold(code_of(text))):
            if word in meaning:
                return meaning[word], Fault.NONE
            if word in legacy:
                return legacy[word], Fault.LEGACY
            if word in unknown:
                return None, Fault.NONE
        return None, Fault.INVALID

    return parse


def register_code_parser(codes: tuple[CodePeriod, ...], missing: list[str]) -> Parser:
    """Register codes: trimmed, upper case, a doubled backslash as one, `CODE - Description` split.

    Parameters: `codes`, every code known; `missing`, the marks that mean that no mark was made.
    """
    known = {period.code for period in codes}

    def parse(text: str) -> Parsed:
        value = text.strip().upper()
        if value in missing:
            return None, Fault.MISSING
        if value == "\\\\":
            value = "\\"
        if value not in known:
            value = code_of(value)
        return (value, Fault.NONE) if value in known else (None, Fault.INVALID)

    return parse


def _academic_year(text: str) -> Parsed:
    """`2025/26` from 2025/26, 2025-26, 2025/2026 or 202526."""
    match = re.fullmatch(r"(20\d{2})[/\- ]?(?:20)?(\d{2})", text)
    if match is None or (int(match[1]) + 1) % 100 != int(match[2]):
        return None, Fault.INVALID
    return f"{match[1]}/{match[2]}", Fault.NONE


def _time_period(text: str) -> Parsed:
    return (text, Fault.NONE) if re.fullmatch(r"(?:19|20)\d{2}(?:\d{2})?", text) else (None, Fault.INVALID)


_PARSERS: dict[str, Parser] = {
    "academic_year": _academic_year,
    "time_period": _time_period,
    "text": _text,
    "slug": _slug,
    "code": _code,
    "date": _date,
    "boolean": _boolean,
    "laestab": _laestab,
    "upn": _upn,
    "urn": _digits(5, 6),
    "la_code": _digits(3, 3),
    "estab": _digits(1, 4, width=4),
    "nc_year": _nc_year,
}


def parser_for(column: Column, codes: tuple[CodePeriod, ...], missing_marks: list[str]) -> Parser:
    """The parser of a contract's column: trims, calls a blank cell missing, and reads the rest as the column's type.

    Raises: `KeyError` for a type that does not exist.
    """
    if column.type == "register_code":
        inner = register_code_parser(codes, missing_marks)
    elif column.type == "integer":
        inner = _integer(column)
    elif column.type == "choice":
        inner = _choice(column)
    else:
        inner = _PARSERS[column.type]

    def parse(text: str) -> Parsed:
        text = text.strip()
        return inner(text) if text else (None, Fault.MISSING)

    return parse


NUMERIC_PLACES = Decimal("0.000000001")
NUMERIC_LIMIT = Decimal(10) ** 9


def parse_number(text: str) -> tuple[Decimal | None, bool]:
    """A number as DECIMAL(18,9), and whether it had to be rounded; None where the text is no number of that range."""
    if not _NUMBER.fullmatch(text):
        return None, False
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None, False
    if abs(value) >= NUMERIC_LIMIT:
        return None, False
    rounded = value.quantize(NUMERIC_PLACES, rounding=ROUND_HALF_EVEN)
    return rounded, rounded != value
