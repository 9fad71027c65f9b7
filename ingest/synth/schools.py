"""The schools of the trust: phases, sizes, numbers, and one that became an academy while the data were being kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ingest.synth import names
from ingest.synth.config import SynthConfig, SynthReport
from ingest.synth.csvfile import write_rows

PRIMARY, SECONDARY, SPECIAL = "Primary", "Secondary", "Special"
YEAR_GROUPS = {PRIMARY: range(7), SECONDARY: range(7, 12), SPECIAL: range(12)}
"""National curriculum years taught, 0 being Reception."""

_RELATIVE_SIZE = {PRIMARY: 330.0, SECONDARY: 950.0, SPECIAL: 110.0}
_FIRST_ESTABLISHMENT = {PRIMARY: 2500, SECONDARY: 4500, SPECIAL: 7500}
_AUTHORITIES = (("850", "Hampshire"), ("851", "Portsmouth"), ("852", "Southampton"))
_FIRST_URN = 900001
"""Far above any URN that Get Information About Schools has given."""
_LINKED_URN = 890001

SCHOOL_HEADER = [
    *("URN", "LA (code)", "LA (name)", "EstablishmentNumber", "EstablishmentName", "TypeOfEstablishment (name)"),
    *("EstablishmentStatus (name)", "OpenDate", "CloseDate", "PhaseOfEducation (name)", "StatutoryLowAge"),
    *("StatutoryHighAge", "Gender (name)", "Trusts (code)", "Trusts (name)", "GOR (name)"),
]
LINK_HEADER = ["URN", "LinkURN", "LinkName", "LinkType", "LinkEstablishedDate"]


@dataclass(frozen=True)
class School:
    """One school as the generator knows it; `deprivation` is in standard deviations, `effects` on value added by
    subject in z-scores."""

    index: int
    urn: str
    la_code: str
    la_name: str
    establishment: str
    name: str
    phase: str
    size: int
    deprivation: float
    white_british: float
    effects: tuple[float, float]
    former_urn: str | None
    converted_on: date | None

    @property
    def laestab(self) -> str:
        return self.la_code + self.establishment

    @property
    def year_groups(self) -> range:
        return YEAR_GROUPS[self.phase]


def _phases(n: int) -> list[str]:
    special = 0 if n < 4 else max(1, round(0.08 * n))
    secondary = 0 if n < 2 else max(1, round(0.3 * n))
    return [PRIMARY] * (n - special - secondary) + [SECONDARY] * secondary + [SPECIAL] * special


def make_schools(config: SynthConfig, school_effect_sd: float) -> list[School]:
    """The schools, primaries first.

    Parameters: `school_effect_sd`, standard deviation between schools of value added, in z-scores; drawn effects are
    rescaled to it exactly where there are three schools or more, so that a small trust has the variance it was asked to
    have.

    """
    rng = config.rng(1)
    phases = _phases(config.schools)
    weights = [_RELATIVE_SIZE[phase] * float(rng.lognormal(0, 0.25)) for phase in phases]
    sizes = [
        max(2 * len(YEAR_GROUPS[p]), round(w / sum(weights) * config.pupils))
        for p, w in zip(phases, weights, strict=True)
    ]
    common = rng.normal(size=config.schools)
    effects = 0.75 * common[:, None] + 0.66 * rng.normal(size=(config.schools, 2))
    if config.schools >= 3:
        effects = (effects - effects.mean(axis=0)) / effects.std(axis=0, ddof=1)
    effects *= school_effect_sd
    places = rng.permutation(len(names.PLACES) * len(names.QUALIFIERS))
    middle = config.year_starts[len(config.year_starts) // 2]
    schools = []
    for index, phase in enumerate(phases):
        la_code, la_name = _AUTHORITIES[index % len(_AUTHORITIES)]
        qualifier, place = divmod(int(places[index % len(places)]), len(names.PLACES))
        title = " ".join(part for part in (names.PLACES[place], names.QUALIFIERS[qualifier]) if part)
        title += f" {index // len(places) + 1}" if index >= len(places) else ""
        kind = {PRIMARY: "Primary School", SECONDARY: "Academy", SPECIAL: "Special School"}[phase]
        converts = index == min(1, config.schools - 1)
        schools.append(
            School(
                index=index,
                urn=str(_FIRST_URN + index),
                la_code=la_code,
                la_name=la_name,
                establishment=str(_FIRST_ESTABLISHMENT[phase] + index // len(_AUTHORITIES)),
                name=f"{title} {kind}",
                phase=phase,
                size=sizes[index],
                deprivation=float(rng.normal(0, 0.55)),
                white_british=float(min(0.95, max(0.15, rng.normal(0.68, 0.2)))),
                effects=(float(effects[index, 0]), float(effects[index, 1])),
                former_urn=str(_LINKED_URN + index) if converts else None,
                converted_on=date(middle + 1, 1, 1) if converts else None,
            )
        )
    return schools


def _rows(school: School, taken: date) -> list[list[str]]:
    ages = {PRIMARY: ("4", "11"), SECONDARY: ("11", "16"), SPECIAL: ("4", "16")}[school.phase]
    phase = "Not applicable" if school.phase == SPECIAL else school.phase

    def row(urn: str, kind: str, status: str, opened: str, closed: str, in_trust: bool) -> list[str]:
        trust = [names.TRUST_CODE, names.TRUST_NAME] if in_trust else ["", ""]
        here = [urn, school.la_code, school.la_name, school.establishment, school.name]
        return [*here, kind, status, opened, closed, phase, *ages, "Mixed", *trust, "South East"]

    academy = "Academy special converter" if school.phase == SPECIAL else "Academy converter"
    if school.former_urn is None or school.converted_on is None:
        return [row(school.urn, academy, "Open", "01-09-2014", "", True)]
    if taken < school.converted_on:
        return [row(school.former_urn, "Community school", "Open", "01-09-1990", "", False)]
    opened = school.converted_on.strftime("%d-%m-%Y")
    closed = date.fromordinal(school.converted_on.toordinal() - 1).strftime("%d-%m-%Y")
    return [
        row(school.former_urn, "Community school", "Closed", "01-09-1990", closed, False),
        row(school.urn, academy, "Open", opened, "", True),
    ]


def write_schools(out: Path, schools: list[School], taken: list[date], report: SynthReport) -> None:
    """The register of schools as Get Information About Schools gives it, with its links, as taken on each of some
    days."""
    folder = out / "schools"
    for day in taken:
        stamp = f"{day.isoformat()}_{day.strftime('%Y%m%d')}T060000.csv"
        rows = [row for school in schools for row in _rows(school, day)]
        report.count("schools", write_rows(folder / f"schools_{stamp}", SCHOOL_HEADER, rows))
        links = []
        for school in schools:
            if school.former_urn and school.converted_on and day >= school.converted_on:
                on = school.converted_on.strftime("%d-%m-%Y")
                links.append([school.urn, school.former_urn, school.name, "Predecessor", on])
                links.append([school.former_urn, school.urn, school.name, "Successor", on])
        if links:
            report.count("school_links", write_rows(folder / f"school_links_{stamp}", LINK_HEADER, links))
