{{ config(tags=['step_2']) }}
{{ gaps(ref('unit_measure'), ref('measure_sum')) }}
