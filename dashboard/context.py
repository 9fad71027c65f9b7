"""What a page needs: the release in force, opened once for this process's role, and the registry that names things."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import queries, readings, wording
from dashboard.access import ROLE_VARIABLE, TIER_VARIABLE, AccessError, Grant, connect, grant_of, note, role_of_tier
from dashboard.components.figure import Caption
from dashboard.places import Places
from dashboard.reader import Release, current_release_id, read_last_run
from ingest.registry import Registry, load_registry
from ingest.settings import Settings, load_settings

SOURCE = "the schools' own records"
# The marts that pages show beside published figures, as far as a role has to be given a copy; nothing else is copied.
PAGE_MARTS = (
    "absence_spell",
    "attendance_by_status",
    "attendance_reason",
    "attendance_signal",
    "attendance_signal_backtest",
)


@dataclass(frozen=True)
class Context:
    """The release, its names and this process's grant. Made anew on every run of a page, from cached parts."""

    settings: Settings
    grant: Grant
    release: Release
    registry: Registry
    last_run: dict[str, Any] | None

    def ask(self, question: Callable[..., Any], *values: Any) -> Any:
        """The answer of one of `queries`, kept per release and role."""
        key = f"{question.__module__}.{question.__name__}"
        return _answer(
            str(self.settings.home), self.release.release_id, repr(self.grant), key, values, self.release, question
        )

    @property
    def measures(self) -> pd.DataFrame:
        frame: pd.DataFrame = self.ask(queries.measures)
        return frame

    @property
    def schools(self) -> pd.DataFrame:
        frame: pd.DataFrame = self.ask(queries.schools)
        return frame

    @property
    def places(self) -> Places:
        """The names of trusts, local authorities and schools."""
        return Places(self.schools)

    def definition(self, measure_id: str) -> dict[str, Any]:
        """The newest definition of a measure in the release, with blanks in words."""
        found = self.measures[self.measures["measure_id"] == measure_id]
        if found.empty:
            return {
                "measure_id": measure_id,
                "name": measure_id,
                "unit": "",
                "population": "not stated",
                "definition_version": "not stated",
                "direction": "higher",
            }
        return {str(key): value for key, value in found.iloc[-1].to_dict().items()}

    def topic(self, topic: str, measure_ids: list[str]) -> list[str]:
        """The measures of a topic, in the registry's order."""
        return self.ordered([m for m in measure_ids if wording.topic_of(self.registry, m) == topic])

    def ordered(self, measure_ids: list[str]) -> list[str]:
        """Measures in the registry's order; those it no longer has come last."""
        order = [measure["measure_id"] for measure in self.registry.measures]
        return sorted(measure_ids, key=lambda measure: order.index(measure) if measure in order else len(order))

    @property
    def as_of(self) -> str:
        return wording.day(str(self.release.manifest.get("as_of", "not stated")))

    @property
    def as_of_date(self) -> dt.date:
        """The day by which everything of the release had come."""
        return dt.date.fromisoformat(str(self.release.manifest["as_of"]))

    @property
    def coverage_sentence(self) -> str:
        return (
            str(self.release.manifest.get("coverage_sentence") or "Coverage is not stated in this release.").rstrip(".")
            + "."
        )

    def coverage_of(self, period: str) -> str:
        """The release's sentence of coverage, which is of its newest year; of an earlier one it would not be true."""
        sentence, years = self.coverage_sentence, self.ask(queries.academic_years)
        told = next((year for year in years if sentence.startswith(year)), None)
        if told is None or not any(period.startswith(year) for year in years if year != told):
            return sentence
        return "beside each figure; the page on data quality has an earlier year's by feed."

    def rests_on(self, row: Mapping[Any, Any] | None) -> str:
        """A sentence, with a space before it, where a figure of attendance rests on fewer schools than its unit has.

        Parameters: `row` of `measure_value`, `gap` or `attendance_bridge`, or None; the last has no period, since it is
        of the year to date.
        """
        if row is None or row["level"] == "school" or not self.topic("attendance", [str(row["measure_id"])]):
            return ""
        place = (row["academic_year"], row.get("period", "YTD"), row["level"], row["unit_code"])
        found: pd.DataFrame = self.ask(queries.unit_coverage, *map(str, place))
        sentence = readings.rests_on(found.iloc[0].to_dict()) if len(found) else None
        return f" {sentence}" if sentence else ""

    def units_of(self, frame: pd.DataFrame) -> dict[str, str]:
        """The units of a table's rows as `level|code`, with names: trusts, local authorities, schools by name."""
        places = self.places
        units = {(str(level), str(code)) for level, code in zip(frame["level"], frame["unit_code"], strict=True)}
        return {f"{level}|{code}": places.name(level, code) for level, code in places.in_order(units)}

    def caption(self, measure_id: str, place: str, period: str) -> Caption:
        definition = self.definition(measure_id)
        return Caption(
            measure=str(definition["name"]),
            population=str(definition["population"]),
            place=place,
            period=period,
            source=SOURCE,
            coverage=self.coverage_of(period),
            release_id=self.release.release_id,
            definition_version=str(definition["definition_version"]),
        )


def served_tier() -> str:
    """The tier that this process serves."""
    return os.environ.get(TIER_VARIABLE, "public")


def load_context() -> Context:
    """The context of this process, over the release in force now; a page of the pupils tier is logged.

    Raises: `AccessError` for an unknown tier or role, or a role of another tier than this process serves;
    `AccessLogError`; `ReleaseError` for a missing or damaged release.
    """
    settings = _settings(os.environ.get("EVERYPUPIL_HOME"))
    tier = served_tier()
    of_tier = role_of_tier(tier)
    grant = grant_of(settings, os.environ.get(ROLE_VARIABLE) or of_tier)
    if grant.tier != tier:
        raise AccessError(f"This role is of tier {grant.tier} and this dashboard of another; start one for that role.")
    release = _release(str(settings.home), repr(grant), current_release_id(settings), grant, settings)
    if tier == "pupils":
        note(settings, grant, "page", (), release.release_id)
    return Context(settings, grant, release, _registry(str(settings.registry_dir), settings), read_last_run(settings))


@st.cache_resource(max_entries=2, show_spinner=False)
def _settings(home: str | None) -> Settings:
    return load_settings(Path(home) if home else None)


@st.cache_resource(max_entries=2, show_spinner=False)
def _registry(folder: str, _settings: Settings) -> Registry:
    return load_registry(_settings)


def _close(release: Release) -> None:
    release.close()


@st.cache_resource(max_entries=2, show_spinner=False, on_release=_close)
def _release(home: str, grant: str, release_id: str, _grant: Grant, _settings: Settings) -> Release:
    return connect(_settings, _grant, release_id, action="page query", tables=PAGE_MARTS)


@st.cache_data(max_entries=512, show_spinner=False)
def _answer(
    home: str,
    release_id: str,
    grant: str,
    question: str,
    values: tuple[Any, ...],
    _release: Release,
    _question: Callable[..., Any],
) -> Any:
    return _question(_release, *values)
