{{ config(tags=['step_1']) }}
-- Whom a trust would count twice is not asked: `attendance_reason` counts its pupils itself.
{{ unit_measures(
    ref('reason_measure_sum'),
    "(select * from " ~ ref('measure_pupil_overlap') ~ " where period = 'none')",
    "(select academic_year, pupil_key, 'register_code' as group_definition, 'register_code' as group_dimension, '' as group_value from "
        ~ ref('int_pupil_year') ~ ")"
) }}
