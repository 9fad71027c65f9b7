"""The name of a place that figures are of. Every page, workbook and caption calls one place by one name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from dashboard import wording

_LEVELS = ("trust", "la", "school")


@dataclass(frozen=True)
class Places:
    """Names of trusts, local authorities and schools.

    Parameters: `schools`, the table dim_school.
    """

    schools: pd.DataFrame

    @cached_property
    def _names(self) -> dict[tuple[str, str], str]:
        found: dict[tuple[str, str], str] = {}
        for row in self.schools.to_dict("records"):
            for level, key, name in (
                ("trust", "trust_code", "trust_name"),
                ("la", "la_code", "la_name"),
                ("school", "school_key", "school_name"),
                ("school", "urn", "school_name"),
            ):
                if not wording.missing(row[name]):
                    found[level, str(row[key])] = str(row[name])
        return found

    def name(self, level: str, code: str) -> str:
        """A place in words; a code whose name did not come stands for itself.

        A trust's figure is of all its schools, an authority's of those of its schools that sent their records here,
        which need not be all: so neither is called by the bare name. Parameters: `code`, of the level: of a school
        its URN or key.
        """
        name = self._names.get((level, code))
        if level == "trust":
            return f"All schools of {name or f'trust {code}'}"
        if level == "la":
            return f"Schools in {name or f'local authority {code}'}"
        return name or code

    def in_order(self, units: set[tuple[str, str]]) -> list[tuple[str, str]]:
        """Units as level and code: trusts, then authorities, then schools, each in the order of their names."""
        return sorted(units, key=lambda unit: (_LEVELS.index(unit[0]), self.name(*unit), unit[1]))

    def schools_of(self, level: str, code: str) -> set[str]:
        """The URNs of the schools whose pupils enter the figures of a trust or a local authority."""
        inside = self.schools["trust_code" if level == "trust" else "la_code"].eq(code)
        return {str(urn) for urn in self.schools.loc[inside, "urn"]}
