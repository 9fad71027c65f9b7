"""What leaders take away: a table, or a pack for one school or the whole trust, at a role's tier, as xlsx, csv or
parquet.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import os
import tempfile
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dashboard import queries, readings, wording
from dashboard.access import AccessError, Grant, connect, grant_of, note
from dashboard.pack import (
    SCOPE,
    Names,
    headline_gaps,
    headlines,
    of_a_meeting,
    top_level,
    what_headlines_rest_on,
    with_registers,
)
from dashboard.reader import Release, ReleaseError
from dashboard.signals import QUEUE_HEADINGS, rules_in_words
from dashboard.workbook import SHORTHAND_LINE, Sheet, write_workbook
from ingest.registry import Registry, load_registry
from ingest.settings import Settings

FORMATS = ("xlsx", "csv", "parquet")
PACKS = ("school_pack", "trust_pack")
_LARGEST_EXACT_INTEGER = 2**53
_SIGNALS = "marts.attendance_signal"
_ESTIMATES_LINE = (
    "Figures are estimates with 95% intervals, not ranks; where intervals overlap, they are not clearly apart."
)
_QUEUE_LINE = "In the order of the queue: newest day first, then school by URN, then place."
_TEXT_COLUMNS = ("_key", "urn", "laestab", "_code", "_id")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_TIER_LINES = {
    "public": "Tier: public. Figures of small groups are hidden.",
    "leaders": "Tier: leaders. For leaders of the trust or local authority; not for publication.",
    "pupils": "Tier: pupils. Restricted: holds rows of pupils, or figures of small groups. Do not pass it on.",
}


class ExportError(ValueError):
    """An export cannot be made as asked; the message is one sentence."""


def export_table(
    settings: Settings,
    name: str,
    role: str,
    unit: str | None,
    file_format: str | None,
    out: Path,
    release_id: str | None = None,
) -> Path:
    """Writes one table or pack of a release for a role; the file appears whole or not at all.

    Parameters: `name`, a table of the role's tier (`measure_value`, `exports.gap`, `marts.progress_pupil`),
    `school_pack` or `trust_pack`; `role`, as in `access.grant_of`; `unit`, the URN of one school or None;
    `file_format`, xlsx, csv or parquet, None for what the file's name ends in, else xlsx; `out`, the file, or a
    folder, also one to be made, in which the file gets its name; `release_id`, default the release in force.
    Returns: the file written.
    Raises: `ExportError` for an unknown name, format or unit, `AccessError` for a role, `ReleaseError` for a release.
    """
    if file_format is None:
        ending = out.suffix.lower().removeprefix(".")
        file_format = ending if ending in FORMATS else FORMATS[0]
    if file_format not in FORMATS:
        raise ExportError(f"There is no export format '{file_format}'; choose one of {', '.join(FORMATS)}.")
    if name in PACKS and file_format != "xlsx":
        raise ExportError(
            f"A pack holds several tables, so it is a workbook: export {name} as xlsx, or name one table."
        )
    grant = grant_of(settings, role)
    if unit is None and name == "school_pack":
        if grant.urns is None or len(grant.urns) != 1:
            raise ExportError("A school pack is about one school: give its URN as the unit.")
        unit = grant.urns[0]
    if unit is not None and grant.urns is not None and unit not in grant.urns:
        raise AccessError("This role may take away its own school's figures only; give that school's URN as the unit.")
    target = Path(out)
    if target.is_dir() or (not target.suffix and not target.exists()):
        target = target / f"{'-'.join(part for part in (name.replace('.', '_'), unit) if part)}.{file_format}"
    wanted = () if name in PACKS else (name.rpartition(".")[2],)
    release = connect(settings, grant, release_id, action=None, tables=wanted)
    try:
        content = export_bytes(settings, release, grant, name, unit, file_format)
    finally:
        release.close()
    return _write_whole(target, content)


def export_bytes(
    settings: Settings, release: Release, grant: Grant, name: str, unit: str | None, file_format: str
) -> bytes:
    """As `export_table`, over a release that is open, as bytes for a download. The export is logged before they are
    given out; raises `AccessLogError` where it cannot be.
    """
    school = _school(release, unit) if unit is not None else None
    if name in PACKS:
        content, rows = _pack(settings, release, grant, name, school)
        what: tuple[str, ...] = (name,)
    else:
        what = (_view(release, name),)
        content, rows = _table(settings, release, what[0], school, file_format)
    note(settings, grant, "export", what, release.release_id, rows, unit=unit, file_format=file_format)
    return content


def _view(release: Release, name: str) -> str:
    if name not in _names(release):
        raise ExportError(
            f"There is no table or pack '{name}' for this role; choose one of {', '.join(_names(release))}."
        )
    return queries.source(release, name)


def _table(
    settings: Settings, release: Release, view: str, school: dict[str, Any] | None, file_format: str
) -> tuple[bytes, int]:
    """One table as a file of a format, and its number of rows."""
    name = view.split(".")[1]
    registry = load_registry(settings)
    frame = _rows(release, view, school, registry)
    not_applicable = wording.NOT_APPLICABLE.get(name, frozenset())
    if file_format == "parquet":
        return _parquet(release, frame), len(frame)
    if file_format == "csv":
        return csv_text(frame, release.release_id, not_applicable).encode("utf-8"), len(frame)
    if frame.empty:
        raise ExportError(
            f"Table '{name}' has no rows for this unit in release {release.release_id}; nothing was written."
        )
    is_queue = view == _SIGNALS
    what = "Signals of early response" if is_queue else name.replace("_", " ").capitalize()
    title = f"{what}{'' if school is None else ', ' + school['school_name']}"
    names = _known_names(settings, release)
    shown = names.beside(frame)
    others = [str(column) for column in shown if column not in QUEUE_HEADINGS]
    sheet = _sheet(
        name[:31],
        title,
        [_period_line(release), *([_QUEUE_LINE] if is_queue else [])],
        shown,
        names.units,
        (lambda column: QUEUE_HEADINGS.get(column) or wording.label(column)) if is_queue else wording.label,
        [*QUEUE_HEADINGS, *others] if is_queue else None,
        not_applicable=not_applicable,
    )
    terms = _rules_sheet(registry) if is_queue else _definitions_sheet(release)
    hiding = _hiding_lines(registry) if view.startswith("exports.") else []
    return _book(release, title, [sheet], {}, [], terms, hiding, settings.notice), len(frame)


def _rows(release: Release, view: str, school: dict[str, Any] | None, registry: Registry) -> pd.DataFrame:
    """The rows of a table, of one school or all; signals of early response in the order of their queue."""
    if view == _SIGNALS:
        rules = [str(rule["rule_id"]) for rule in registry.data["responses"]["rules"]]
        return queries.signals(release, view, None if school is None else str(school["urn"]), rules)
    if school is None:
        return queries.whole_table(release, view)
    return queries.table_of_school(release, view, school)


def _names(release: Release) -> list[str]:
    plain = {table.split(".")[1] for table in release.tables}
    return sorted({*plain, *release.tables, *PACKS})


def _school(release: Release, unit: str) -> dict[str, Any]:
    frame = queries.table_of_school(release, queries.published(release, "dim_school"), {"urn": unit})
    if frame.empty:
        raise ExportError(
            f"Release {release.release_id} has no school with URN {unit}; export dim_school to see the URNs."
        )
    return {str(key): value for key, value in frame.iloc[0].to_dict().items()}


# Packs


def _pack(
    settings: Settings, release: Release, grant: Grant, name: str, school: dict[str, Any] | None
) -> tuple[bytes, int]:
    """A pack as a workbook, and the number of rows of its tables."""
    registry = load_registry(settings)
    if name == "trust_pack" and grant.urns is not None:
        raise AccessError("This role may take away its own school's figures only; export school_pack instead.")
    if name == "school_pack" and school is None:
        raise ExportError("A school pack is about one school: give its URN as the unit.")
    if name == "trust_pack" and school is not None:
        raise ExportError("A trust pack is about every school: leave the unit out, or export school_pack.")
    names = _known_names(settings, release)
    units = names.units
    top = "school"

    def rows_of(table: str) -> pd.DataFrame:
        # A role that reads its schools' rows in part gets the figures of whole schools as leaders do.
        view = queries.published(release, table) if grant.is_narrowed else queries.source(release, table)
        return queries.whole_table(release, view) if school is None else queries.table_of_school(release, view, school)

    values, gaps = rows_of("measure_value"), rows_of("gap")
    if school is None:
        top = top_level(values)
    topics = [wording.topic_of(registry, measure) for measure in values["measure_id"]]
    of_topic: Callable[[str], pd.DataFrame] = lambda topic: values[[found == topic for found in topics]]  # noqa: E731 - a filter
    value_columns = [
        "school_name",
        "measure_name",
        "unit",
        "academic_year",
        "period",
        "group_dimension",
        "group_name",
        "n",
        "value",
        "ci_low",
        "ci_high",
        "coverage",
        "status",
        "definition_version",
    ]
    gap_columns = [
        "school_name",
        "measure_name",
        "unit",
        "academic_year",
        "period",
        "group_dimension",
        "group_name",
        "comparator",
        "n_group",
        "n_comparator",
        "value_group",
        "value_comparator",
        "gap",
        "ci_low",
        "ci_high",
        "effect_size",
        "coverage",
        "status",
        "definition_version",
    ]
    progress_columns = [
        "school_name",
        "measure_name",
        "academic_year",
        "n",
        "raw_mean",
        "raw_ci_low",
        "raw_ci_high",
        "shrunken",
        "shrunken_ci_low",
        "shrunken_ci_high",
        "reliability",
        "probability_above",
        "coverage",
        "status",
    ]
    coverage_columns = ["school_name", "feed", "academic_year", "period", "expected", "received", "share", "status"]
    parts = [
        ("Attendance", "Attendance and absence", of_topic("attendance"), value_columns),
        ("Attainment", "Attainment", of_topic("attainment"), value_columns),
        ("Progress by group", "Progress by group of pupils", of_topic("progress"), value_columns),
        ("Progress", "Progress by school: value added", rows_of("progress_school"), progress_columns),
        ("Gaps", "Gaps between groups of pupils", gaps, gap_columns),
        ("Coverage", "Coverage: what was expected and what was received", rows_of("coverage"), coverage_columns),
    ]
    coverage = queries.all_unit_coverage(release) if school is None else pd.DataFrame()
    attendance = {measure for measure in names.units if wording.topic_of(registry, measure) == "attendance"}
    whom = "every school" if school is None else str(school["school_name"])
    heading: Callable[[str], str] = lambda column: (  # noqa: E731 - one word differs
        "School or area" if school is None and column == "school_name" else wording.label(column)
    )
    sheets, absent = [], {}
    for sheet_name, title, frame, columns in parts:
        if frame.empty:
            absent[sheet_name] = f"{title}: no data in this release."
            continue
        kept = of_a_meeting(frame, whole_trust=school is None)
        if school is None and sheet_name in ("Attendance", "Gaps"):
            kept, columns = with_registers(kept, coverage, attendance), [*columns, "registers"]
        shown = names.worded(kept)
        information = [_period_line(release), _INTERVAL_LINE]
        sheets.append(_sheet(sheet_name, f"{title}, {whom}", information, shown, units, heading, columns))
    figures = headlines(values, top, dt.date.fromisoformat(str(release.manifest["as_of"])))
    lines = what_headlines_rest_on(figures, values, coverage, names)
    summaries = _summaries(release, names, figures, headline_gaps(gaps, top), whom, heading, lines)
    title, terms = f"Everypupil: figures of {whom}", _definitions_sheet(release)
    hiding = _hiding_lines(registry) if grant.is_narrowed or release.tier != "pupils" else []
    content = _book(release, title, sheets, absent, summaries, terms, hiding, settings.notice)
    return content, sum(len(sheet.rows) for sheet in [*summaries, *sheets])


_INTERVAL_LINE = "95% interval: of 100 such intervals, about 95 hold the true figure of pupils like these."
_SUMMARY = [
    "measure_name",
    "academic_year",
    "n",
    "value",
    "unit",
    "ci_low",
    "ci_high",
    "coverage",
    "compared_over",
    "value_compared",
    "value_before",
    "against_before",
    "status_words",
]
_SUMMARY_OF_GAPS = [
    "measure_name",
    "academic_year",
    "group_name",
    "n_group",
    "comparator",
    "n_comparator",
    "gap",
    "unit",
    "ci_low",
    "ci_high",
    "effect_size",
    "gap_reading",
    "coverage",
    "status_words",
]


def _summaries(
    release: Release,
    names: Names,
    figures: pd.DataFrame,
    gaps: pd.DataFrame,
    whom: str,
    heading: Callable[[str], str],
    lines: list[str],
) -> list[Sheet]:
    """The sheets that a meeting starts from: the headline figures, and the gaps of disadvantage and sex; `lines` say
    what they rest on.
    """
    similar = (
        "Compared over: a year that still runs is set beside the year before on its newest whole term, at first on "
        "half-term 1 and from June on its first five half-terms; else on the year to date. "
        "Similar: the two intervals overlap, so the figures are not clearly apart; above or below: they do not."
    )
    sheets = []
    for name, title, frame, columns, line in (
        ("Summary", f"Summary: year to date, all pupils, {whom}", figures, _SUMMARY, similar),
        (
            "Summary of gaps",
            f"Summary of gaps: year to date, {whom}",
            gaps,
            _SUMMARY_OF_GAPS,
            "Gap: the figure of those compared with, less that of the group.",
        ),
    ):
        if frame.empty:
            continue
        units = names.units
        shown = names.worded(frame)
        if name == "Summary of gaps":
            shown = shown.assign(unit=[readings.unit_words(unit) for unit in shown["unit"]])
        places = ["school_name"] if shown["unit_code"].nunique() > 1 else []
        years = sorted(set(shown["academic_year"]))
        title = f"{title}, {years[0]}" if len(years) == 1 else title
        kept = [column for column in columns if column != "academic_year" or len(years) > 1]
        information = [_period_line(release), _INTERVAL_LINE, line, *lines]
        sheet = _sheet(name, title, information, shown, units, heading, [*places, *kept])
        sheets.append(replace(sheet, widest=24))
    return sheets


def _known_names(settings: Settings, release: Release) -> Names:
    return Names(load_registry(settings), queries.schools(release), queries.measures(release))


def _period_line(release: Release) -> str:
    as_of = wording.day(str(release.manifest.get("as_of", "")))
    return f"Data as of {as_of}. Release {release.release_id}. Source: the schools' own records."


def _sheet(
    name: str,
    title: str,
    information: list[str],
    frame: pd.DataFrame,
    units: dict[str, str],
    heading: Callable[[str], str],
    columns: list[str] | None = None,
    not_applicable: Collection[str] = frozenset(),
) -> Sheet:
    columns = columns or list(frame.columns)
    records = _records(frame)
    rows = [
        [_excel_cell(column, record, units.get(str(record.get("measure_id"))), not_applicable) for column in columns]
        for record in records
    ]
    places = [[_places(column, record, units) for column in columns] for record in records]
    return Sheet(
        name,
        title,
        ["This sheet has one table.", *information, SHORTHAND_LINE],
        _unique([heading(c) for c in columns]),
        rows,
        places,
    )


def _unique(headings: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    result = []
    for text in headings:
        seen[text] = seen.get(text, 0) + 1
        result.append(text if seen[text] == 1 else f"{text} ({seen[text]})")
    return result


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    return [{name: wording.plain(value) for name, value in record.items()} for record in table.to_pylist()]


def _status(record: dict[str, Any]) -> str | None:
    status = record.get("status")
    return None if status is None else str(status)


def _excel_cell(column: str, record: dict[str, Any], unit: str | None, not_applicable: Collection[str]) -> Any:
    value = record[column]
    own = {"value_before": "status_before", "value_compared": "status_compared"}.get(column)
    status = _status(record) if own is None else str(record[own])
    letter = wording.status_of(column, value, status, not_applicable)
    if letter is not None:
        return f"[{letter}]"
    if wording.is_low(column, value, unit):
        return "[low]"
    if column == "status":
        return "shown" if value == "ok" else f"[{value}]" if value in wording.STATUS_WORDS else str(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and (column.endswith(_TEXT_COLUMNS) or abs(value) >= _LARGEST_EXACT_INTEGER):
        return str(value)
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, int | float | dt.date):
        return value
    return str(value) or "[x]"


def _places(column: str, record: dict[str, Any], units: dict[str, str]) -> int | None:
    return (
        wording.decimals(column, units.get(str(record.get("measure_id"))))
        if isinstance(record[column], float)
        else None
    )


def _book(
    release: Release,
    title: str,
    sheets: list[Sheet],
    absent: dict[str, str],
    summaries: list[Sheet],
    terms: Sheet,
    hiding: list[str],
    notice: str | None,
) -> bytes:
    """A workbook. terms: the sheet that says what is counted. hiding: notes on what is hidden of its figures. notice:
    what its cover says before anything else.
    """
    manifest = release.manifest
    headings = {heading for sheet in [*summaries, *sheets] for heading in sheet.columns}
    has_intervals = any("interval" in heading for heading in headings)
    sheets = [*sheets, terms]
    published = str(manifest.get("published_at", ""))
    cover = [
        *([notice] if notice else []),
        f"Release: {release.release_id}",
        f"Data as of: {wording.day(str(manifest.get('as_of', '')))}",
        f"Published: {wording.day(published)}",
        f"Coverage: {manifest.get('coverage_sentence', 'not stated in this release')}",
        f"Definitions: registry {manifest.get('registry_fingerprint', 'not stated')}; see the {terms.name} sheet.",
        _TIER_LINES[release.tier],
        *absent.values(),
        *([_ESTIMATES_LINE] if has_intervals else []),
        "Questions: ask the data team of your trust or local authority, and name the release.",
    ]
    notes = [
        f"Figures are worked out from the schools' own records, as described in the {terms.name} sheet.",
        *[f"[{letter}] means {meaning}." for letter, meaning in wording.STATUS_MEANINGS.items()],
        *(["Gap is the comparator's value less the group's value."] if wording.label("gap") in headings else []),
        *hiding,
        *([SCOPE] if summaries else []),
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = write_workbook(
            Path(folder) / "workbook.xlsx", title, cover, notes, sheets, _moment(published), summaries
        )
        return path.read_bytes()


def _definitions_sheet(release: Release) -> Sheet:
    line = "Each figure names the version of its definition."
    return _sheet("Definitions", "Definitions of the measures", [line], queries.measures(release), {}, wording.label)


def _rules_sheet(registry: Registry) -> Sheet:
    """What speaks in the queue, in the order of the queue."""
    rules = pd.DataFrame([{"rule_name": rule.name, "text": rule.text} for rule in rules_in_words(registry)])
    heading = {"rule_name": "Rule", "text": "What it counts"}.__getitem__
    sheet = _sheet("Rules", "Rules of early response", ["In the order of the queue."], rules, {}, heading)
    return replace(sheet, widest=90)


def _hiding_lines(registry: Registry) -> list[str]:
    return [
        f"Figures of fewer pupils than the limits ({_limits(registry)}) are hidden.",
        "Figures from which a hidden one could be worked out are hidden too.",
    ]


def _limits(registry: Registry) -> str:
    limits = registry.data["disclosure"]["minimum_pupils"]
    return ", ".join(f"{limit} in {tier} figures" for tier, limit in limits.items())


def _moment(text: str) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ReleaseError("The manifest of this release has no publication date; run `everypupil verify`.") from error
    return moment.astimezone(dt.UTC).replace(tzinfo=None) if moment.tzinfo else moment


# Machine formats


def csv_text(frame: pd.DataFrame, release_id: str, not_applicable: Collection[str] = frozenset()) -> str:
    """A tidy CSV with a symbol in the place of every missing figure and the release on every row.

    Tables of figures by year and level start with `time_period`, `time_identifier` and `geographic_level` as in DfE's
    open data. `not_applicable`: columns in which a missing value means that there is none to have.
    """
    out = io.StringIO()
    # RFC 4180 ends lines so; with a bare line feed the writer would leave a carriage return in a cell unquoted.
    writer = csv.writer(out, lineterminator="\r\n")
    columns = [str(column) for column in frame.columns]
    tidy = {"academic_year", "period", "level"} <= set(columns)
    writer.writerow([*(["time_period", "time_identifier", "geographic_level"] if tidy else []), *columns, "release_id"])
    for record in _records(frame):
        front: list[str] = []
        if tidy:
            year = str(record["academic_year"])
            period, level = wording.period_name(str(record["period"])), wording.level_name(str(record["level"]))
            front = [year.replace("/", ""), period, level]
        writer.writerow([*front, *[_csv_cell(column, record, not_applicable) for column in columns], release_id])
    return out.getvalue()


def _csv_cell(column: str, record: dict[str, Any], not_applicable: Collection[str]) -> str:
    value = record[column]
    letter = wording.status_of(column, value, _status(record), not_applicable)
    if letter is not None:
        return letter
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    text = value.isoformat() if isinstance(value, dt.date) else str(value)
    # A spreadsheet that opens the file must not run a cell that came from a school's file.
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _parquet(release: Release, frame: pd.DataFrame) -> bytes:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    facts = {"release_id": release.release_id, "tier": release.tier, "as_of": str(release.manifest.get("as_of", ""))}
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata((table.schema.metadata or {}) | facts), buffer)
    return buffer.getvalue()


def _write_whole(target: Path, content: bytes) -> Path:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=target.parent, prefix=".export-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.chmod(draft, 0o640)
            os.replace(draft, target)
        finally:
            Path(draft).unlink(missing_ok=True)
    except OSError as error:
        raise ExportError(
            f"The file {target} cannot be written ({error.strerror}); choose another place with --out."
        ) from error
    return target


def exportable(release: Release) -> Iterable[str]:
    """The names that `export_table` takes for this reader."""
    return _names(release)
