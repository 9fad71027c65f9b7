"""What a role that may not read every row and column of its schools reads of each mart. Deny by default: a mart that is
not named here is not read by it at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Ethnicity and language, SEN, looked-after and free-meal status, and what is derived from them.
SPECIAL_COLUMNS = frozenset(
    {
        "disadvantage_basis",
        "ethnicity",
        "ethnicity_major",
        "fsm_days_eligible",
        "fsm_days_known",
        "fsm_eligible_share",
        "idaci_decile",
        "is_disadvantaged",
        "is_eal",
        "is_fsm",
        "is_fsm6",
        "is_looked_after",
        "is_post_looked_after",
        "is_pupil_premium",
        "language",
        "sen_provision",
    }
)
_WHOLE = "SELECT * FROM t"
# Unsuppressed figures of a small group tell who is in it. Every dimension but these counts as a special category.
_PLAIN_GROUPS = "SELECT * FROM t WHERE group_dimension IN ('all', 'sex', 'nc_year')"
_OWN_YEAR_GROUPS = """
SELECT * FROM t
WHERE group_dimension = 'nc_year' AND group_value IN (SELECT nc_year FROM reach.year_group)
  AND academic_year = (SELECT academic_year FROM reach.current_year)
"""
_OWN_ENROLMENTS = "SELECT * FROM t WHERE enrolment_key IN (SELECT enrolment_key FROM reach.enrolment)"
_OWN_PUPILS = "SELECT * FROM t WHERE (pupil_key, school_key) IN (SELECT (pupil_key, school_key) FROM reach.enrolment)"
# A status is readable for the days on which the pupil was on roll here.
_OWN_STATUSES = """
SELECT * FROM t
WHERE EXISTS (
    SELECT 1 FROM reach.enrolment AS e
    WHERE e.pupil_key = t.pupil_key AND t.valid_to > e.entry_date
      AND t.valid_from <= coalesce(e.leaving_date, DATE '9999-12-31')
)
"""
# Without the statuses: when a status began would say that one changed, so the days go too.
_OWN_SEXES = "SELECT DISTINCT pupil_key, sex FROM t WHERE pupil_key IN (SELECT pupil_key FROM reach.enrolment)"
_OF_SCHOOLS = {
    "absence_spell": _WHOLE,
    "assessment_result": _WHOLE,
    "attendance_bridge": _WHOLE,
    "attendance_by_status": _PLAIN_GROUPS,
    "attendance_enrolment_year": _WHOLE,
    "attendance_pupil_year": _WHOLE,
    "attendance_reason": _PLAIN_GROUPS,
    "attendance_signal": _WHOLE,
    "attendance_signal_backtest": _PLAIN_GROUPS,
    "coverage": _WHOLE,
    "data_quality_issue": _WHOLE,
    "delivery": _WHOLE,
    "dim_school": _WHOLE,
    "fct_enrolment": _WHOLE,
    "fct_session": _WHOLE,
    "gap": _PLAIN_GROUPS,
    "measure": _WHOLE,
    "measure_value": _PLAIN_GROUPS,
    "progress_model": _WHOLE,
    "progress_pupil": _WHOLE,
    "progress_school": _WHOLE,
    "published_comparator": _WHOLE,
    "published_statistic": _WHOLE,
    "unit_coverage": _WHOLE,
}
_OF_YEAR_GROUPS = {
    "absence_spell": _OWN_ENROLMENTS,
    "assessment_result": _OWN_PUPILS,
    "attendance_enrolment_year": _OWN_ENROLMENTS,
    "attendance_pupil_year": _OWN_PUPILS,
    "attendance_signal": _OWN_ENROLMENTS,
    "dim_school": _WHOLE,
    "fct_enrolment": _OWN_ENROLMENTS,
    "fct_session": _OWN_ENROLMENTS,
    "measure": _WHOLE,
    "measure_value": _OWN_YEAR_GROUPS,
    "progress_pupil": _OWN_PUPILS,
    "published_comparator": _WHOLE,
    "published_statistic": _WHOLE,
}
# Whose pupils a role reads: on roll at its schools in the release's academic year, in one of its year groups; where it
# has every year group, every pupil that these schools ever had.
ENROLMENTS = """
SELECT enrolment_key, pupil_key, school_key, entry_date, leaving_date FROM t
WHERE NOT (SELECT is_limited FROM reach.current_year)
   OR (nc_year IN (SELECT nc_year FROM reach.year_group)
       AND (leaving_date IS NULL OR leaving_date >= (SELECT first_day FROM reach.current_year)))
"""
STATUS_TABLE = "dim_pupil_status"
ENROLMENT_TABLE = "fct_enrolment"


@dataclass(frozen=True)
class Reach:
    """How far a reader of pupils' rows sees.

    Parameters: `urns`, its schools (None: every school and the rows of no one school); `year_groups`, NC years (None:
    all of them); `special_category`, whether ethnicity, SEN, looked-after and free-meal status may be read.
    """

    urns: tuple[str, ...] | None = None
    year_groups: tuple[str, ...] | None = None
    special_category: bool = False

    def copy_of(self, table: str, columns: Sequence[str]) -> str | None:
        """What is copied of a mart in place of its files, as SQL over `t`; None where the mart may be read as it is.

        Raises: `KeyError` where this reader has no such mart.
        """
        is_everything = self.special_category and self.year_groups is None
        if table == STATUS_TABLE:
            if is_everything and self.urns is None:
                return None
            return _OWN_STATUSES if self.special_category else _OWN_SEXES
        if is_everything:
            return None
        queries = _OF_YEAR_GROUPS if self.year_groups is not None else _OF_SCHOOLS
        query = queries[table]
        return None if query == _WHOLE and not SPECIAL_COLUMNS & set(columns) else query

    def columns_of(self, columns: Sequence[str]) -> list[str]:
        """The columns of a mart that may be read."""
        return [column for column in columns if self.special_category or column not in SPECIAL_COLUMNS]


def named_in(text: str) -> set[str]:
    """The marts whose names stand in a text, so that no other has to be copied for it."""
    return {name for name in {*_OF_SCHOOLS, STATUS_TABLE} if name in text.lower()}
