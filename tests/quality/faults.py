"""One planted fault for every rule: the SQL that spoils the warehouse, and exactly what must then fail."""

from __future__ import annotations

from dataclasses import dataclass

from quality.suites.exports import row_key_sql
from quality.suites.marts import FIGURE_KEY, GAP_KEY
from tests.quality.warehouse_fixture import PLANTED_UPN


@dataclass(frozen=True)
class Fault:
    """`sql` plants it; `fails` is how many rows fail each rule (`rule id@schema.table`); no other rule may fail."""

    sql: str
    fails: dict[str, int]

    @property
    def name(self) -> str:
        return next(iter(self.fails))


ONE_PUPIL = "where pupil_key = 3"
ONE_YEAR_ROW = "where enrolment_key = md5('3')"
SCHOOL_ALL = "where level = 'school' and unit_code = '100001' and group_dimension = 'all'"
SCHOOL_GAP = "where level = 'school' and unit_code = '100001'"


def _raw() -> list[Fault]:
    def of(rule: str, table: str, sql: str, **others: int) -> Fault:
        return Fault(
            sql, {f"{rule}@raw.{table}": 1, **{key.replace("__", "@raw."): count for key, count in others.items()}}
        )

    unknown = "update raw.{0} set delivery_id = 'elsewhere' where line = 2"
    lost = {"schools": "RC-010", "calendar": "RC-011", "pupils": "RC-012", "assessment_results": "RC-013"}
    lost |= {"attendance_totals": "RC-014", "suspensions": "RC-015", "interventions": "RC-016"}
    numbers = {feed: 10 * place for place, feed in enumerate(lost)}
    column = {"schools": "urn", "calendar": "laestab", "pupils": "laestab", "assessment_results": "subject"}
    column |= {"attendance_totals": "term", "suspensions": "kind", "interventions": "intervention"}
    faults = [
        of(f"QR-{numbers[feed] + 1:03d}", feed, f"update raw.{feed} set {column[feed]} = null where line = 2")
        for feed in lost
    ]
    faults += [
        Fault(unknown.format(feed), {f"QR-{numbers[feed] + 2:03d}@raw.{feed}": 1, f"{rule}@raw.{feed}": 1})
        for feed, rule in lost.items()
    ]
    faults += [
        Fault(f"insert into raw.{feed} from raw.{feed} where line = 2", {f"{rule}@raw.{feed}": 1})
        for feed, rule in lost.items()
    ]
    return [
        *faults,
        of("QR-014", "calendar", "update raw.calendar set session = 'EVE' where line = 2"),
        of("QR-015", "calendar", "update raw.calendar set session_status = 'shut' where line = 2"),
        of("QR-024", "pupils", "update raw.pupils set sex = 'X' where line = 2"),
        of("QR-025", "pupils", "update raw.pupils set sen_provision = 'S' where line = 2"),
        of("QR-026", "pupils", "update raw.pupils set idaci_decile = 11 where line = 2"),
        # A part sent as a whole, two days after the list of all.
        of(
            "QR-027",
            "pupils",
            "insert into raw.pupils select * replace (100 + line as line, 'part' as delivery_id, "
            "date '2025-09-03' as as_at_date) from raw.pupils where pupil_ref <= 7; "
            "insert into lake.delivery select * replace ('part' as delivery_id, 7 as rows_read, 7 as rows_accepted, "
            "0 as rows_quarantined) from lake.delivery where delivery_id = 'dpupils'; "
            "insert into marts.delivery select * replace ('part' as delivery_id, 7 as rows_read, 7 as rows_accepted, "
            "0 as rows_quarantined, 7 as rows_current) from marts.delivery where delivery_id = 'dpupils'",
        ),
        of("QR-050", "session_marks", "update raw.session_marks set session = 'EVE' where line = 2"),
    ]


def _dimensions() -> list[Fault]:
    return [
        Fault(
            "insert into marts.dim_school by name select * replace (null as school_key, 'x' as urn, 'x' as laestab) "
            "from marts.dim_school where urn = '100001'",
            {"QM-004@marts.dim_school": 1},
        ),
        Fault(
            "insert into marts.dim_school by name select * replace ('other' as school_key) "
            "from marts.dim_school where urn = '100001'",
            {"QM-003@marts.dim_school": 2},
        ),
        Fault(
            "insert into marts.dim_school from marts.dim_school where urn = '100001'",
            {"QM-001@marts.dim_school": 2, "QM-003@marts.dim_school": 2},
        ),
        Fault(
            "update marts.dim_school set urn = null where urn = '100001'",
            {"QM-002@marts.dim_school": 1, "RC-030@marts.measure_value": 3},
        ),
        Fault(
            "insert into marts.dim_pupil_status from marts.dim_pupil_status where pupil_key = 3",
            {"QM-010@marts.dim_pupil_status": 2},
        ),
        Fault(
            "update marts.dim_pupil_status set valid_from = null where pupil_key = 3",
            {"QM-011@marts.dim_pupil_status": 1},
        ),
        Fault(
            "update marts.dim_pupil_status set valid_to = valid_from where pupil_key = 3",
            {"QM-012@marts.dim_pupil_status": 1},
        ),
        Fault(
            "insert into marts.dim_pupil_status by name select * replace (date '2025-10-01' as valid_from) from "
            "marts.dim_pupil_status where pupil_key = 3",
            {"QM-013@marts.dim_pupil_status": 1},
        ),
        Fault(
            "update marts.dim_pupil_status set sen_provision = 'S' where pupil_key = 3",
            {"QM-014@marts.dim_pupil_status": 1},
        ),
        Fault("update marts.dim_pupil_status set sex = 'X' where pupil_key = 3", {"QM-015@marts.dim_pupil_status": 1}),
        Fault(
            "update marts.dim_pupil_status set idaci_decile = 0 where pupil_key = 3",
            {"QM-016@marts.dim_pupil_status": 1},
        ),
        *(
            Fault(
                f"update marts.dim_pupil_status set {wrong} where pupil_key = 3", {"QM-225@marts.dim_pupil_status": 1}
            )
            for wrong in ("fsm_days_eligible = 41", "fsm_eligible_share = null", "fsm_eligible_share = 25.1")
        ),
        Fault(
            f"insert into marts.fct_enrolment by name select * replace (date '2024-09-01' as entry_date) from "
            f"marts.fct_enrolment {ONE_PUPIL}",
            {"QM-020@marts.fct_enrolment": 2},
        ),
        Fault(
            f"insert into marts.fct_enrolment by name select * replace ('again' as enrolment_key) from "
            f"marts.fct_enrolment {ONE_PUPIL}",
            {"QM-021@marts.fct_enrolment": 2},
        ),
        Fault(f"update marts.fct_enrolment set school_key = '999999' {ONE_PUPIL}", {"QM-022@marts.fct_enrolment": 1}),
        Fault(
            f"update marts.fct_enrolment set leaving_date = date '2025-08-31', leaving_date_basis = 'stated' "
            f"{ONE_PUPIL}",
            {"QM-023@marts.fct_enrolment": 1, "QM-035@marts.fct_session": 1},
        ),
        Fault(f"update marts.fct_enrolment set urn = null {ONE_PUPIL}", {"QM-024@marts.fct_enrolment": 1}),
        Fault(
            f"update marts.fct_enrolment set leaving_date = date '2026-07-01' {ONE_PUPIL}",
            {"QM-025@marts.fct_enrolment": 1},
        ),
    ]


def _sessions() -> list[Fault]:
    one = "where pupil_key = 3 and session_date = date '2025-09-02' and session = 'AM'"
    at = "marts.fct_session"
    return [
        Fault(f"update {at} set category = null {one}", {f"QM-030@{at}": 1}),
        Fault(f"update {at} set session = 'EVE' {one}", {f"QM-031@{at}": 1}),
        Fault(f"update {at} set is_attended = false {one}", {f"QM-032@{at}": 1, f"RC-020@{at}": 1}),
        Fault(f"update {at} set is_missing = true {one}", {f"QM-033@{at}": 1, f"RC-020@{at}": 1}),
        Fault(f"insert into {at} from {at} {one}", {f"QM-034@{at}": 1, f"RC-020@{at}": 1, f"RC-022@{at}": 1}),
        Fault(f"update {at} set enrolment_key = 'nobody' {one}", {f"QM-035@{at}": 1}),
        Fault(f"update {at} set code = '?' {one}", {f"QM-036@{at}": 1}),
        Fault(f"delete from {at} {one}", {f"RC-020@{at}": 1}),
        Fault(
            f"update {at} set session_date = date '2025-09-03', session = 'PM' {one}",
            {f"RC-022@{at}": 1, f"QM-034@{at}": 1},
        ),
    ]


def _attendance() -> list[Fault]:
    faults = []
    for number, name, key in (
        (40, "attendance_enrolment_year", "enrolment_key"),
        (50, "attendance_pupil_year", "pupil_key"),
    ):
        at = f"marts.{name}"
        sums = {"RC-021@marts.attendance_pupil_year": 1}
        slices = {"RC-020@marts.fct_session": 1} if key == "enrolment_key" else {}
        rule = {step: f"QM-{number + step:03d}@{at}" for step in range(7)}
        faults += [
            Fault(f"insert into {at} from {at} {ONE_PUPIL}", {rule[0]: 2, **sums, **slices}),
            Fault(f"update {at} set late = null {ONE_PUPIL}", {rule[1]: 1}),
            Fault(f"update {at} set attended = attended - 1 {ONE_PUPIL}", {rule[2]: 1, **sums, **slices}),
            Fault(f"update {at} set late = possible + 1 {ONE_PUPIL}", {rule[3]: 1, **sums, **slices}),
            Fault(
                f"update {at} set academic_year = '2025/27' {ONE_PUPIL}",
                {
                    rule[4]: 1,
                    "RC-021@marts.attendance_pupil_year": 2,
                    **({"RC-020@marts.fct_session": 2} if slices else {}),
                },
            ),
            Fault(f"update {at} set is_persistent_absent = not is_persistent_absent {ONE_PUPIL}", {rule[5]: 1}),
            Fault(f"update {at} set is_severely_absent = not is_severely_absent {ONE_PUPIL}", {rule[6]: 1}),
        ]
    return faults


def _results_and_progress() -> list[Fault]:
    result, pupil, school, model = (
        "marts.assessment_result",
        "marts.progress_pupil",
        "marts.progress_school",
        "marts.progress_model",
    )
    one = "where school_key = '100001'"

    def school_fault(rule: str, change: str, figures: int = 0) -> Fault:
        """A change of a mart's figure makes the figure that each tier shows differ from it."""
        tiers = {f"QX-034@exports_{tier}.progress_school": figures for tier in ("public", "leaders")} if figures else {}
        return Fault(f"update {school} set {change} {one}", {f"{rule}@{school}": 1, **tiers})

    return [
        Fault(f"insert into {result} from {result} {ONE_PUPIL}", {f"QM-060@{result}": 2}),
        Fault(f"update {result} set subject = null {ONE_PUPIL}", {f"QM-061@{result}": 1}),
        Fault(f"update {result} set is_score = false {ONE_PUPIL}", {f"QM-062@{result}": 1}),
        Fault(f"update {result} set numeric_value = 170, z_value = 70.0 / 15 {ONE_PUPIL}", {f"QM-063@{result}": 1}),
        Fault(f"update {result} set z_value = z_value + 0.001 {ONE_PUPIL}", {f"QM-064@{result}": 1}),
        Fault(f"insert into {pupil} from {pupil} {ONE_PUPIL}", {f"QM-070@{pupil}": 2}),
        Fault(f"update {pupil} set measure_id = null {ONE_PUPIL}", {f"QM-071@{pupil}": 1}),
        Fault(f"update {pupil} set exclusion_reason = 'no baseline' {ONE_PUPIL}", {f"QM-072@{pupil}": 1}),
        Fault(f"update {pupil} set residual = residual + 0.001 {ONE_PUPIL}", {f"QM-073@{pupil}": 1}),
        Fault(f"update {pupil} set academic_year = '2025-26' {ONE_PUPIL}", {f"QM-074@{pupil}": 1}),
        Fault(f"insert into {school} from {school} {one}", {f"QM-080@{school}": 2}),
        Fault(
            f"update {school} set school_key = '999999' {one}",
            {
                f"QM-081@{school}": 1,
                **{
                    f"{rule}@exports_{tier}.progress_school": 1
                    for rule in ("QX-034", "QX-035")
                    for tier in ("public", "leaders")
                },
            },
        ),
        school_fault("QM-082", "status = 'fine'"),
        school_fault("QM-083", "raw_mean = 0.5", 1),
        school_fault("QM-084", "shrunken_ci_high = null", 1),
        school_fault("QM-085", "reliability = 1.2", 1),
        school_fault("QM-086", "probability_above = -0.1", 1),
        school_fault("QM-087", "coverage = 101", 1),
        school_fault("QM-088", "n = 0", 1),
        school_fault("QM-089", "status = 'x'"),
        Fault(f"insert into {model} from {model}", {f"QM-090@{model}": 2}),
        Fault(f"update {model} set icc = 1.5", {f"QM-091@{model}": 1, **_tiers("QX-044", "progress_model")}),
        Fault(f"update {model} set var_school = -0.1", {f"QM-092@{model}": 1, **_tiers("QX-044", "progress_model")}),
        Fault(f"update {model} set status = 'fine'", {f"QM-093@{model}": 1}),
        Fault(f"update {model} set n_schools = 0", {f"QM-094@{model}": 1, **_tiers("QX-044", "progress_model")}),
    ]


def _tiers(rule: str, table: str, count: int = 1) -> dict[str, int]:
    return {f"{rule}@exports_{tier}.{table}": count for tier in ("public", "leaders")}


def _figures() -> list[Fault]:
    value, gap = "marts.measure_value", "marts.gap"

    def value_fault(rule: str, change: str, shown: bool = True, **others: int) -> Fault:
        tiers = _tiers("QX-014", "measure_value") if shown else {}
        return Fault(
            f"update {value} set {change} {SCHOOL_ALL}",
            {f"{rule}@{value}": 1, **tiers, **{key.replace("__", "@"): n for key, n in others.items()}},
        )

    def gap_fault(rule: str, change: str, shown: bool = True) -> Fault:
        return Fault(
            f"update {gap} set {change} where level = 'trust'",
            {f"{rule}@{gap}": 1, **(_tiers("QX-024", "gap") if shown else {})},
        )

    moved = {**_tiers("QX-014", "measure_value"), **_tiers("QX-015", "measure_value")}
    gap_moved = {**_tiers("QX-024", "gap"), **_tiers("QX-025", "gap")}
    return [
        Fault(f"insert into {value} from {value} {SCHOOL_ALL}", {f"QM-100@{value}": 2, f"RC-030@{value}": 1}),
        Fault(
            f"update {value} set phase = phase, group_value = null {SCHOOL_ALL}",
            {f"QM-101@{value}": 1, f"RC-030@{value}": 1, **moved},
        ),
        value_fault("QM-102", "status = 'fine'", shown=False),
        Fault(
            f"update {value} set level = 'class' {SCHOOL_ALL}", {f"QM-103@{value}": 1, f"RC-030@{value}": 1, **moved}
        ),
        value_fault("QM-104", "ci_high = 101"),
        value_fault("QM-105", "ci_low = 85"),
        value_fault("QM-106", "interval_method = null"),
        value_fault("QM-107", "n = 0"),
        value_fault("QM-108", "status = 'x'", shown=False),
        value_fault("QM-109", "coverage = -1"),
        Fault(
            f"update {value} set definition_version = 7 {SCHOOL_ALL}",
            {f"QM-110@{value}": 1, f"RC-030@{value}": 1, **moved},
        ),
        value_fault("QM-111", "value = 81"),
        Fault(
            f"update {value} set academic_year = '2025/27' {SCHOOL_ALL}",
            {f"QM-112@{value}": 1, f"RC-030@{value}": 1, **moved},
        ),
        Fault(
            f"update {value} set numerator = numerator - 1.2, value = 79 {SCHOOL_ALL}",
            {
                f"RC-030@{value}": 1,
                "RC-031@marts.attendance_bridge": 1,
                "RC-033@marts.attendance_by_status": 6,
                **_tiers("QX-014", "measure_value"),
            },
        ),
        Fault(f"insert into {gap} from {gap} where level = 'trust'", {f"QM-120@{gap}": 2}),
        Fault(f"update {gap} set comparator = null where level = 'trust'", {f"QM-121@{gap}": 1, **gap_moved}),
        gap_fault("QM-122", "status = 'fine'", shown=False),
        gap_fault("QM-123", "value_group = 79.5"),
        gap_fault("QM-124", "ci_low = 2"),
        gap_fault("QM-125", "n_comparator = 0"),
        gap_fault("QM-126", "status = 'x'", shown=False),
        gap_fault("QM-127", "within_school = 0.5"),
        gap_fault("QM-128", "coverage = 101"),
        Fault(f"update {gap} set measure_id = 'invented' where level = 'trust'", {f"QM-129@{gap}": 1, **gap_moved}),
    ]


def _bridges() -> list[Fault]:
    at = "marts.attendance_bridge"
    last = "where unit_code = '100001' and step = 2"
    first = "where unit_code = '100001' and step = 0"
    return [
        Fault(f"insert into {at} from {at} {last}", {f"QM-200@{at}": 2, f"QM-201@{at}": 1}),
        Fault(f"update {at} set change = change + 0.000000001 {last}", {f"QM-201@{at}": 1}),
        Fault(f"update {at} set value = null {last}", {f"QM-202@{at}": 1}),
        Fault(f"update {at} set status = 'c' {last}", {f"QM-203@{at}": 1}),
        Fault(f"update {at} set numerator = numerator + 1 {first}", {f"RC-031@{at}": 1}),
    ]


def _reasons() -> list[Fault]:
    at = "marts.attendance_reason"
    one = f"where unit_code || code = (select min(unit_code || code) from {at})"
    return [
        Fault(f"insert into {at} from {at} {one}", {f"QM-210@{at}": 2, f"RC-032@{at}": 3, f"RC-035@{at}": 4}),
        Fault(f"update {at} set meaning = null {one}", {f"QM-211@{at}": 1}),
        Fault(f"update {at} set value = value + 1 {one}", {f"QM-212@{at}": 1}),
        Fault(f"update {at} set ci_low = null, ci_high = null {one}", {f"QM-213@{at}": 1}),
        Fault(f"update {at} set ci_low = value + 0.1 {one}", {f"QM-214@{at}": 1}),
        Fault(
            f"insert into {at} select * replace ('sex@census' as group_definition, 'sex' as group_dimension, "
            f"'F' as group_value, n + 1 as n) from {at} {one}",
            {f"RC-035@{at}": 1},
        ),
    ]


def _statuses() -> list[Fault]:
    at = "marts.attendance_by_status"
    one = "where unit_code = '100001' and group_definition = 'fsm@session' and group_value = 'eligible'"
    same = "where unit_code = '100001' and group_value = 'F'"
    return [
        Fault(f"insert into {at} from {at} {one}", {f"QM-220@{at}": 2, f"RC-033@{at}": 3}),
        Fault(f"update {at} set value = 101, ci_high = 102 {one}", {f"QM-221@{at}": 1}),
        Fault(f"update {at} set ci_low = null, ci_high = null {one}", {f"QM-222@{at}": 1}),
        Fault(f"update {at} set ci_low = value + 1 {one}", {f"QM-224@{at}": 1}),
        Fault(f"update {at} set measure_id = 'severe_absence_rate' {one}", {f"QM-223@{at}": 1, f"RC-033@{at}": 1}),
        Fault(f"update {at} set denominator = denominator + 1 {one}", {f"RC-033@{at}": 2}),
        Fault(f"update {at} set n = n + 1 {same}", {f"RC-034@{at}": 1}),
    ]


def _records() -> list[Fault]:
    coverage, issue, delivery, one = (
        "marts.coverage",
        "marts.data_quality_issue",
        "marts.delivery",
        "where delivery_id = 'dpupils'",
    )
    return [
        Fault(f"insert into {coverage} from {coverage} where school_key = '100001'", {f"QM-130@{coverage}": 2}),
        Fault(f"update {coverage} set share = 101 where school_key = '100001'", {f"QM-131@{coverage}": 1}),
        Fault(f"update {coverage} set received = -1 where school_key = '100001'", {f"QM-132@{coverage}": 1}),
        Fault(f"update {coverage} set status = 'fine' where school_key = '100001'", {f"QM-133@{coverage}": 1}),
        Fault(
            f"update {coverage} set feed = 'assessment_results' where school_key = '100001'",
            {f"RC-024@{coverage}": 1},
        ),
        Fault(f"update {coverage} set school_key = '999999' where school_key = '100001'", {f"QM-134@{coverage}": 1}),
        Fault(f"insert into {issue} from {issue}", {f"QM-140@{issue}": 2}),
        Fault(f"update {issue} set n_rows = 0", {f"QM-141@{issue}": 1}),
        Fault(f"insert into {delivery} from {delivery} {one}", {f"QM-150@{delivery}": 2}),
        Fault(f"update {delivery} set extracted_at_basis = 'guess' {one}", {f"QM-151@{delivery}": 1}),
        Fault(
            "insert into marts.measure from marts.measure where measure_id = 'attendance_rate'",
            {"QM-160@marts.measure": 2},
        ),
        Fault("delete from marts.measure where measure_id = 'severe_absence_rate'", {"QM-161@marts.measure": 1}),
        Fault(
            "update lake.delivery set rows_read = rows_read + 1 where feed = 'pupils'",
            {"RC-001@lake.delivery": 1, f"RC-004@{delivery}": 1},
        ),
        Fault(
            f"update {delivery} set rows_read = rows_read + 1 {one}", {f"RC-002@{delivery}": 1, f"RC-004@{delivery}": 1}
        ),
        Fault(f"update {delivery} set rows_held = null {one}", {f"RC-003@{delivery}": 1, f"RC-005@{delivery}": 1}),
        Fault(f"delete from {delivery} {one}", {f"RC-004@{delivery}": 1}),
        Fault(
            f"update {delivery} set rows_current = rows_current - 1 {one}",
            {f"RC-005@{delivery}": 1, f"RC-003@{delivery}": 1},
        ),
    ]


def _exports(tier: str) -> list[Fault]:
    value, gap, progress, model, loss, units = (
        f"exports_{tier}.{name}"
        for name in ("measure_value", "gap", "progress_school", "progress_model", "disclosure_loss", "unit_coverage")
    )
    lacking = "where period = 'AUT'"
    miscounted = {f"QX-004@{loss}": 1}
    of_models = "where level = 'model'"
    # Hidden in both tiers: five boys in a school.
    hidden = "where level = 'school' and unit_code = '100001' and group_value = 'M'"
    gap_hidden = "where level = 'school' and unit_code = '100001'"
    one = "where school_key = '100001'"

    def pattern(table: str, row_key: str) -> str:
        return f"insert into disclosure.pattern values ('{tier}', '{table}', '{row_key}', 'c', 'primary', 'DC-001')"

    school_key = "2025/26|value_added_reading|100001"
    model_key = "2025/26|value_added_reading|REML"
    faults = [
        Fault(f"update {value} set value = 80.0 {hidden}", {f"QX-010@{value}": 1, f"QX-011@{value}": 1}),
        Fault(
            f"delete from disclosure.pattern where tier = '{tier}'; update {value} set value = 80.0 {hidden}",
            {f"QX-011@{value}": 1},
        ),
        Fault(f"update {value} set status = 'x' {hidden}", {f"QX-012@{value}": 1, **miscounted}),
        Fault(
            f"update marts.measure_value set n = 3 {SCHOOL_ALL}; update {value} set n = 3 {SCHOOL_ALL}",
            {f"QX-013@{value}": 1, f"QX-014@{_other(tier)}.measure_value": 1},
        ),
        Fault(f"update {value} set ci_high = 91 {SCHOOL_ALL}", {f"QX-014@{value}": 1}),
        Fault(f"delete from {value} {SCHOOL_ALL}", {f"QX-015@{value}": 1, **miscounted}),
        Fault(pattern("measure_value", "written|otherwise"), {f"QX-016@{value}": 1}),
        Fault(f"insert into {value} from {value} {SCHOOL_ALL}", {f"QX-017@{value}": 2, **miscounted}),
        Fault(f"update {value} set status = 'fine' {SCHOOL_ALL}", {f"QX-018@{value}": 1}),
        Fault(f"update {value} set value = null {SCHOOL_ALL}", {f"QX-019@{value}": 1}),
        Fault(f"update {gap} set gap = 1.0 {gap_hidden}", {f"QX-020@{gap}": 1, f"QX-021@{gap}": 1}),
        Fault(
            f"delete from disclosure.pattern where tier = '{tier}'; update {gap} set gap = 1.0 {gap_hidden}",
            {f"QX-021@{gap}": 1},
        ),
        Fault(f"update {gap} set status = 'x' {gap_hidden}", {f"QX-022@{gap}": 1, **miscounted}),
        Fault(
            f"update marts.gap set n_group = 3 where level = 'trust'; update {gap} set n_group = 3 where level = "
            f"'trust'",
            {f"QX-023@{gap}": 1, f"QX-024@{_other(tier)}.gap": 1},
        ),
        Fault(f"update {gap} set gap = 2 where level = 'trust'", {f"QX-024@{gap}": 1}),
        Fault(f"delete from {gap} where level = 'trust'", {f"QX-025@{gap}": 1, **miscounted}),
        Fault(pattern("gap", "written|otherwise"), {f"QX-026@{gap}": 1}),
        Fault(f"insert into {gap} from {gap} where level = 'trust'", {f"QX-027@{gap}": 2, **miscounted}),
        Fault(f"update {gap} set status = 'fine' where level = 'trust'", {f"QX-028@{gap}": 1}),
        Fault(f"update {gap} set gap = null where level = 'trust'", {f"QX-029@{gap}": 1}),
        Fault(pattern("progress_school", school_key), {f"QX-030@{progress}": 1, f"QX-032@{progress}": 1}),
        Fault(f"update {progress} set status = 'c' {one}", {f"QX-031@{progress}": 1, **miscounted}),
        Fault(
            f"{pattern('progress_school', school_key)}; update {progress} set status = 'u', n = null, raw_mean = "
            f"null, raw_ci_low = null, raw_ci_high = null, "
            f"shrunken = null, shrunken_se = null, shrunken_ci_low = null, shrunken_ci_high = null, reliability = "
            f"null, probability_above = null, dfe_band = null, coverage = null {one}",
            {f"QX-032@{progress}": 1},
        ),
        Fault(
            f"update {progress} set n = 3 {one}; update marts.progress_school set n = 3 {one}",
            {f"QX-033@{progress}": 1, f"QX-034@{_other(tier)}.progress_school": 1},
        ),
        Fault(f"update {progress} set shrunken = 0.06 {one}", {f"QX-034@{progress}": 1}),
        Fault(f"delete from {progress} {one}", {f"QX-035@{progress}": 1, **miscounted}),
        Fault(pattern("progress_school", "written|otherwise"), {f"QX-036@{progress}": 1}),
        Fault(f"insert into {progress} from {progress} {one}", {f"QX-037@{progress}": 2, **miscounted}),
        Fault(f"update {progress} set status = 'fine' {one}", {f"QX-038@{progress}": 1}),
        Fault(f"update {progress} set raw_mean = null {one}", {f"QX-039@{progress}": 1}),
        Fault(pattern("progress_model", model_key), {f"QX-040@{model}": 1, f"QX-042@{model}": 1}),
        Fault(f"update {model} set status = 'c'", {f"QX-041@{model}": 1, **miscounted}),
        Fault(
            f"{pattern('progress_model', model_key)}; update {model} set status = 'u', n_pupils = null, n_schools = "
            f"null, coefficients = null, var_school = null, "
            "var_pupil = null, icc = null, deviance = null",
            {f"QX-042@{model}": 1},
        ),
        Fault(
            f"update {model} set n_pupils = 3; update marts.progress_model set n_pupils = 3",
            {f"QX-043@{model}": 1, f"QX-044@{_other(tier)}.progress_model": 1},
        ),
        Fault(f"update {model} set icc = 0.2", {f"QX-044@{model}": 1}),
        Fault(f"delete from {model}", {f"QX-045@{model}": 1, **miscounted}),
        Fault(pattern("progress_model", "written|otherwise"), {f"QX-046@{model}": 1}),
        Fault(f"insert into {model} from {model}", {f"QX-047@{model}": 2, **miscounted}),
        Fault(f"update {model} set status = 'fine'", {f"QX-048@{model}": 1}),
        Fault(f"update {model} set deviance = null", {f"QX-049@{model}": 1}),
        Fault(
            "update marts.measure_value set measure_id = 'persistent_absence_rate', numerator = 10, denominator = "
            "12, value = 83.3333333 where level = 'trust' and group_dimension = 'all'; "
            "update exports_public.measure_value set measure_id = 'persistent_absence_rate', numerator = 10, "
            "denominator = 12, value = 83.3333333 where level = 'trust' and group_dimension = 'all'; "
            "update exports_leaders.measure_value set measure_id = 'persistent_absence_rate', numerator = 10, "
            "denominator = 12, value = 83.3333333 where level = 'trust' and group_dimension = 'all'",
            {f"QX-003@{value}": 1, f"QX-003@{_other(tier)}.measure_value": 1},
        ),
        Fault(
            f"update {loss} set hidden = hidden + 1 where table_name = 'measure_value' and level = 'school'",
            {**miscounted, f"QX-005@{loss}": 1},
        ),
        Fault(f"update {loss} set cells = cells + 1 {of_models}", miscounted),
        Fault(f"delete from {loss} where table_name = 'gap' and level = 'school'", miscounted),
        Fault(
            f"insert into {loss} by name select * replace ('primary' as reason) from {loss} {of_models}",
            {f"QX-005@{loss}": 1},
        ),
        Fault(f"update {loss} set reason = 'primary' {of_models}", {f"QX-005@{loss}": 1}),
        Fault(f"update {loss} set percent_hidden = 1.0 {of_models}", {f"QX-005@{loss}": 1}),
        Fault(f"update {loss} set is_over_limit = true {of_models}", {f"QX-005@{loss}": 1}),
        Fault(f"update {units} set schools = 9 {lacking}", {f"QX-070@{units}": 1}),
        Fault(
            f"insert into disclosure.pattern select tier, 'measure_value.coverage', {row_key_sql(FIGURE_KEY)}, 'c', "
            f"'derived', 'DC-004' from {value}, (select '{tier}' as tier) {SCHOOL_ALL}",
            {f"QX-071@{value}": 1},
        ),
        Fault(f"update {value} set coverage = null {SCHOOL_ALL}", {f"QX-071@{value}": 1}),
        Fault(
            f"insert into disclosure.pattern select tier, 'gap.coverage', {row_key_sql(GAP_KEY)}, 'c', "
            f"'derived', 'DC-004' from {gap}, (select '{tier}' as tier) where level = 'trust'",
            {f"QX-072@{gap}": 1},
        ),
        Fault(f"update {gap} set coverage = null where level = 'trust'", {f"QX-072@{gap}": 1}),
        Fault(pattern("progress_school.coverage", school_key), {f"QX-073@{progress}": 1}),
        Fault(f"update {progress} set coverage = null {one}", {f"QX-073@{progress}": 1}),
    ]
    texts = {
        "dim_school": "school_name",
        "measure": "name",
        "measure_value": "phase",
        "gap": "interval_method",
        "progress_school": "dfe_band",
        "progress_model": "coefficients",
        "coverage": "feed",
        "disclosure_loss": "level",
        "unit_coverage": "level",
        "published_comparator": "comparator_name",
        "data_quality_issue": "rule_id",
        "delivery": "file_name",
    }
    for position, (table, column) in enumerate(texts.items()):
        if tier == "leaders" or position < 10:
            where = {
                "measure_value": SCHOOL_ALL,
                "measure": "where measure_id = 'attendance_rate'",
                "gap": "where level = 'trust'",
                "progress_model": "",
                "disclosure_loss": of_models,
                "unit_coverage": lacking,
                "published_comparator": "",
                "data_quality_issue": "",
                "delivery": "where feed = 'pupils'",
            }.get(table, one)
            also = {
                "progress_model": {f"QX-044@{model}": 1},
                "gap": {f"QX-024@{gap}": 1},
                "progress_school": {f"QX-034@{progress}": 1},
                "disclosure_loss": {f"QX-004@{loss}": 2},
                "unit_coverage": {f"QX-070@{units}": 2},
            }.get(table, {})
            faults.append(
                Fault(
                    f"update exports_{tier}.{table} set {column} = '{PLANTED_UPN}' {where}",
                    {f"QX-{50 + position:03d}@exports_{tier}.{table}": 1, **also},
                )
            )
    return faults


def _unit_coverage() -> list[Fault]:
    table, lacking = "marts.unit_coverage", "where period = 'AUT'"
    told = {f"QX-070@exports_{tier}.unit_coverage": 1 for tier in ("public", "leaders")}
    return [
        Fault(f"insert into {table} from {table} {lacking}", {f"QM-135@{table}": 2}),
        Fault(f"update {table} set schools_received = 4 {lacking}", {f"QM-136@{table}": 1, **told}),
        Fault(f"update {table} set pupils = null {lacking}", {f"QM-137@{table}": 1}),
        Fault(f"update {table} set pupils_received = pupils {lacking}", {f"QM-137@{table}": 1}),
        Fault(f"update {table} set status = 'u' where period = 'YTD'", {f"QM-138@{table}": 1}),
    ]


def _responses() -> list[Fault]:
    spell, signal, tested = "marts.absence_spell", "marts.attendance_signal", "marts.attendance_signal_backtest"
    one = "where pupil_key = 7"
    run = f"{one} and rule_id = 'unexplained_run'"
    third = "where rule_id = 'third_spell' and group_value = 'all'"
    sums = {f"RC-023@{spell}": 1}

    def another(change: str) -> str:
        return f"insert into {spell} by name select * replace ({change}) from {spell} {one}"

    overlaps = another("date '2025-09-02' as start_date, false as is_open")
    opens_again = another("date '2025-08-01' as start_date, date '2025-08-04' as end_date")
    crowd = (
        f"insert into {signal} by name select s.* replace (s.pupil_key + n as pupil_key, "
        f"concat(s.enrolment_key, n) as enrolment_key) from {signal} as s, range(100, 111) as t(n) {run}"
    )
    too_soon = (
        f"insert into {signal} by name select * replace (date '2025-09-05' as signal_date, "
        f"date '2025-09-05' as action_date) from {signal} {run}"
    )
    again = {f"QM-174@{spell}": 1, f"QM-178@{spell}": 1}
    return [
        Fault(f"insert into {spell} from {spell} {one}", {f"QM-170@{spell}": 2, **again, **sums}),
        Fault(f"update {spell} set main_reason = null {one}", {f"QM-171@{spell}": 1}),
        Fault(f"update {spell} set sessions = sessions - 1 {one}", {f"QM-172@{spell}": 1}),
        Fault(f"update {spell} set end_date = date '2025-08-31' {one}", {f"QM-173@{spell}": 1}),
        Fault(overlaps, {f"QM-174@{spell}": 1, **sums}),
        Fault(f"update {spell} set main_reason = 'weather' {one}", {f"QM-175@{spell}": 1}),
        Fault(f"update {spell} set start_session = 'EVE' {one}", {f"QM-176@{spell}": 1}),
        Fault(f"update {spell} set school_days = 4 {one}", {f"QM-177@{spell}": 1}),
        Fault(opens_again, {f"QM-178@{spell}": 1, **sums}),
        Fault(f"delete from {spell} {one}", sums),
        Fault(f"insert into {signal} from {signal} {run}", {f"QM-180@{signal}": 2, f"QM-187@{signal}": 1}),
        Fault(f"update {signal} set evidence_from = null {run}", {f"QM-181@{signal}": 1}),
        Fault(f"update {signal} set rule_id = 'guess' {run}", {f"QM-182@{signal}": 1}),
        Fault(f"update {signal} set evidence_from = date '2025-09-04' {run}", {f"QM-183@{signal}": 1}),
        Fault(f"update {signal} set sessions = 4 {run}", {f"QM-184@{signal}": 1}),
        Fault(f"update {signal} set action_date = date '2025-09-02' {run}", {f"QM-185@{signal}": 1}),
        Fault(f"update {signal} set school_days_to_action = 26 {run}", {f"QM-185@{signal}": 1}),
        Fault(crowd, {f"QM-186@{signal}": 1}),
        Fault(too_soon, {f"QM-187@{signal}": 1}),
        Fault(f"insert into {tested} from {tested} {third}", {f"QM-190@{tested}": 2}),
        Fault(f"update {tested} set following_term = null {third}", {f"QM-191@{tested}": 1}),
        Fault(
            f"update {tested} set true_positives = 5, precision_percent = 125, recall_percent = 100, "
            f"false_alarm_percent = -100.0 / 15 {third}",
            {f"QM-192@{tested}": 1},
        ),
        Fault(f"update {tested} set recall_percent = 41 {third}", {f"QM-193@{tested}": 1}),
        Fault(
            f"update {tested} set true_positives_in_queue = 3, recall_in_queue_percent = 60 {third}",
            {f"QM-195@{tested}": 1},
        ),
        Fault(f"update {tested} set recall_in_queue_percent = 21 {third}", {f"QM-195@{tested}": 1}),
        Fault(f"update {tested} set true_positives_in_queue = null {third}", {f"QM-195@{tested}": 1}),
        Fault(f"update {tested} set rule_id = 'guess' {third}", {f"QM-194@{tested}": 1}),
    ]


def _other(tier: str) -> str:
    return "exports_leaders" if tier == "public" else "exports_public"


FAULTS = [
    *_raw(),
    *_dimensions(),
    *_sessions(),
    *_attendance(),
    *_results_and_progress(),
    *_figures(),
    *_responses(),
    *_unit_coverage(),
    *_records(),
    *_bridges(),
    *_reasons(),
    *_statuses(),
    *_exports("public"),
    *_exports("leaders"),
    Fault("alter table marts.dim_pupil_status add column surname varchar", {"QX-001@information_schema.columns": 1}),
    Fault("alter table exports_public.gap add column pupil_key bigint", {"QX-002@information_schema.columns": 1}),
]
