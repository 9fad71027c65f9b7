{{ config(tags=['step_2']) }}
{{ measure_values(ref('unit_measure')) }}
