{{ config(tags=['step_2']) }}
{%- do ref('measure') %}{# its key is tested against it, so it has to be built before #}
{{ gaps(ref('unit_measure'), ref('measure_sum')) }}
