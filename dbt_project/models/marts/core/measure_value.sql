{{ config(tags=['step_2']) }}
{%- do ref('measure') %}{# its key is tested against it, so it has to be built before #}
{{ measure_values(ref('unit_measure')) }}
