{{ config(tags=['step_2']) }}
{{ unit_measures(ref('measure_sum'), ref('measure_pupil_overlap'), ref('int_pupil_group')) }}
