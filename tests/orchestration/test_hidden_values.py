"""No hidden figure is in what a tier can read: not in a byte of its files, its workbooks or its pages."""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from streamlit.testing.v1 import AppTest

from dashboard.access import TIER_VARIABLE, connect, grant_of
from dashboard.export import export_bytes
from ingest.settings import Settings
from orchestration.releases import current_id
from tests.orchestration.hidden_release import FROM_BOTH, FROM_PUBLIC, encodings, publish_hidden

TIERS = {"public": (FROM_BOTH, FROM_PUBLIC), "leaders": (FROM_BOTH,)}
PAGES = ("overview", "attendance", "progress", "gaps", "data_quality", "definitions")
SCRIPT = """
import importlib
from dashboard.app import _page
_page(importlib.import_module("dashboard.views." + {page!r}).render)()
"""
_ZSTD = b"\x28\xb5\x2f\xfd"


def as_needles(figures: Iterable[float | int]) -> np.ndarray:
    content = b"".join(needle for figure in figures for needle in encodings(figure))
    return np.unique(np.frombuffer(content, dtype="<u8"))


class Trust:
    """The published trust, and what was planted in it."""

    def __init__(self, settings: Settings, planted: list[float | int]) -> None:
        self.settings = settings
        self.planted = planted
        self.root = settings.releases_dir / str(current_id(settings))
        self.needles = as_needles(planted)


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust(*publish_hidden(tmp_path_factory.mktemp("hidden") / "home"))


def is_planted(value: Any, bases: Iterable[int]) -> bool:
    """Whether a value is near a planted one, whatever was done to its last digits, or is a text that holds one."""
    if isinstance(value, bool) or value is None:
        return False
    if isinstance(value, int | float | Decimal):
        number = abs(float(value))
        return any(base <= number < base + 1 or base <= number / 1e5 < base + 1 for base in bases)
    return has_text(str(value).encode(), bases)


def has_text(content: bytes, bases: Iterable[int]) -> bool:
    """Whether a text holds a planted figure: a decimal (7919.2), a count (791900012), or either grouped (7,919)."""
    found = content.decode("utf-8", "replace")
    return any(re.search(pattern, found) for base in bases for pattern in _patterns(str(base)))


def _patterns(base: str) -> Iterator[str]:
    gap = "[,\u2009\u202f\u00a0 ]"
    yield rf"(?<!\d){base}\.\d"
    yield rf"(?<!\d){base}0\d{{4}}(?!\d)"
    yield rf"(?<!\d){base[0]}{gap}{base[1:]}(?!\d)"
    yield rf"(?<!\d){base[:3]}{gap}{base[3]}0\d{gap}\d{{3}}(?!\d)"


def pages_of(content: bytes) -> Iterator[bytes]:
    """The raw bytes and every zstd frame in them, unpacked: the pages and dictionaries of a Parquet file."""
    yield content
    for found in re.finditer(re.escape(_ZSTD), content):
        try:
            yield zstandard.ZstdDecompressor().decompressobj().decompress(content[found.start() :])
        except zstandard.ZstdError:
            continue  # the four bytes were data and no frame


def planted_in_parquet(path: Path, bases: tuple[int, ...]) -> list[str]:
    """Where a planted figure stands in a Parquet file: values, statistics of its footer, its metadata."""
    found = []
    file = pq.ParquetFile(path)
    for name, column in zip(file.schema_arrow.names, file.read().columns, strict=True):
        found += [f"{path.name} {name}" for value in pa.chunked_array(column).to_pylist() if is_planted(value, bases)]
    for group in range(file.metadata.num_row_groups):
        for number in range(file.metadata.num_columns):
            column = file.metadata.row_group(group).column(number)
            if column.statistics is not None and column.statistics.has_min_max:
                ends = (column.statistics.min, column.statistics.max)
                found += [f"{path.name} footer {column.path_in_schema}" for end in ends if is_planted(end, bases)]
    return found


def needles_in(contents: Iterable[bytes], needles: np.ndarray) -> list[bytes]:
    """The planted eight bytes that stand anywhere in these bytes, aligned or not."""
    found: list[bytes] = []
    for content in contents:
        for offset in range(min(8, max(0, len(content) - 7))):
            windows = np.frombuffer(content, dtype="<u8", offset=offset, count=(len(content) - offset) // 8)
            found += [window.tobytes() for window in windows[np.isin(windows, needles)]]
    return found


def test_no_file_of_a_tier_holds_a_hidden_figure_as_a_value_or_in_its_footer(trust: Trust) -> None:
    for tier, bases in TIERS.items():
        files = sorted((trust.root / tier).glob("*.parquet"))
        assert len(files) >= 7
        assert [place for path in files for place in planted_in_parquet(path, bases)] == []
    # What only the public may not see stands in leaders' files, and everything stands in the marts' own.
    assert any(planted_in_parquet(path, (FROM_PUBLIC,)) for path in (trust.root / "leaders").glob("*.parquet"))
    marts = list((trust.root / "pupils").rglob("*.parquet"))
    found = {place for path in marts for place in planted_in_parquet(path, (FROM_BOTH,))}
    tables = {"coverage", "data_quality_issue", "delivery", "gap", "measure_value", "progress_model", "progress_school"}
    assert {place.split(".")[0] for place in found} == tables | {"unit_coverage"}
    texts = ("gap.parquet interval_method", "progress_model.parquet coefficients", "progress_school.parquet dfe_band")
    assert found >= set(texts), "words tell of a figure too"


def test_no_byte_of_a_tier_holds_a_hidden_figure_in_any_encoding(trust: Trust) -> None:
    assert len(trust.planted) > 90
    for tier, bases in TIERS.items():
        for path in sorted((trust.root / tier).iterdir()):
            pages = list(pages_of(path.read_bytes()))
            assert needles_in(pages, trust.needles) == [], path.name
            assert not any(has_text(page, bases) for page in pages), path.name
    assert needles_in([(trust.root / "manifest.json").read_bytes()], trust.needles) == []


def test_the_search_of_bytes_finds_every_planted_figure_in_the_marts(trust: Trust) -> None:
    """As numbers of 8 bytes or decimals of 16: what the two tests above look for is what a file would hold."""
    pages = [page for path in (trust.root / "pupils").rglob("*.parquet") for page in pages_of(path.read_bytes())]
    found = set(needles_in(pages, trust.needles))
    missed = [figure for figure in trust.planted if not found & set(encodings(figure))]
    assert missed == []


def exports(trust: Trust, role: str) -> Iterator[tuple[str, bytes]]:
    """What a role can take away, by name: each table in both machine formats, packs and one table as workbooks."""
    grant = grant_of(trust.settings, role)
    release = connect(trust.settings, grant, action=None)
    wanted = [("trust_pack", None, "xlsx"), ("school_pack", "100003", "xlsx"), ("gap", None, "xlsx")]
    wanted += [(table, None, file_format) for table in release.tables for file_format in ("csv", "parquet")]
    try:
        for name, unit, file_format in wanted:
            content = export_bytes(trust.settings, release, grant, name, unit, file_format)
            if file_format != "xlsx":
                yield f"{name}.{file_format}", content
                continue
            with zipfile.ZipFile(io.BytesIO(content)) as book:
                for part in book.namelist():
                    yield f"{name} {unit} {part}", book.read(part)
    finally:
        release.close()


def numbers_of(part: bytes) -> Iterator[float]:
    for text in re.findall(rb"<v>(-?[\d.]+(?:[eE][-+]?\d+)?)</v>", part):
        if math.isfinite(number := float(text)):
            yield number


@pytest.mark.parametrize("tier", TIERS)
def test_no_export_of_a_tier_holds_a_hidden_figure(trust: Trust, tier: str) -> None:
    parts, leaders_own = 0, False
    for name, content in exports(trust, tier):
        parts += 1
        if name.endswith(".parquet"):
            table = pq.read_table(io.BytesIO(content))
            values = [value for column in table.columns for value in column.to_pylist()]
            assert not any(is_planted(value, TIERS[tier]) for value in values), name
        else:
            assert not has_text(content, TIERS[tier]), name
            assert not any(is_planted(number, TIERS[tier]) for number in numbers_of(content)), name
        assert needles_in(pages_of(content), trust.needles) == [], name
        leaders_own = leaders_own or has_text(content, (FROM_PUBLIC,))
    assert parts > 50
    assert leaders_own is (tier == "leaders"), "what only the public may not see stands in leaders' exports"


def sent_to_the_browser(settings: Settings, page: str) -> bytes:
    """Every message of a page, as it goes to the browser: text, HTML, and the data of its charts."""
    shown = AppTest.from_string(SCRIPT.format(page=page), default_timeout=60).run()
    assert not shown.exception
    assert not shown.error
    pending, messages = [shown._tree], []
    while pending:
        node = pending.pop()
        pending.extend(getattr(node, "children", {}).values())
        proto = getattr(node, "proto", None)
        if proto is not None:
            messages.append(proto.SerializeToString())
    assert len(messages) > 5
    return b"\0\0\0".join(messages)


@pytest.mark.usefixtures("fresh_pages")
@pytest.mark.parametrize("tier", TIERS)
def test_no_page_of_a_tier_sends_a_hidden_figure_to_the_browser(
    trust: Trust, tier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVERYPUPIL_HOME", str(trust.settings.home))
    monkeypatch.setenv(TIER_VARIABLE, tier)
    sent = {page: sent_to_the_browser(trust.settings, page) for page in PAGES}
    for page, content in sent.items():
        assert not has_text(content, TIERS[tier]), page
        assert needles_in(pages_of(content), trust.needles) == [], page
    leaders_own = any(has_text(content, (FROM_PUBLIC,)) for content in sent.values())
    assert leaders_own is (tier == "leaders"), "what only the public may not see stands on leaders' pages"


@pytest.mark.parametrize(
    "figure", [7919.25, 791900012, Decimal("7919.5"), -7919.1, "of 7,919 pupils", "7919.2%", "791,900,012"]
)
def test_the_search_sees_a_planted_figure_however_it_is_written(figure: Any) -> None:
    assert is_planted(figure, (FROM_BOTH,))


@pytest.mark.parametrize("figure", [791.9, 7920.5, None, True, "17919.2", "2026-07-31-791900000012", "a7919"])
def test_the_search_takes_no_other_figure_for_a_planted_one(figure: Any) -> None:
    assert not is_planted(figure, (FROM_BOTH,))
