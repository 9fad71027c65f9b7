{{ config(tags=['step_1']) }}
{{ unit_measures(
    ref('status_measure_sum'),
    "(select * from " ~ ref('measure_pupil_overlap') ~ " where period = 'YTD')",
    "(select distinct academic_year, pupil_key, school_key, group_definition, group_dimension, group_value from " ~ ref('status_stay')
        ~ " where possible > 0)",
    of_school=true
) }}
