{{ config(tags=['step_1']) }}
-- `attendance_reason` counts the pupils who have a code itself.
{{ unit_measures(ref('reason_measure_sum')) }}
