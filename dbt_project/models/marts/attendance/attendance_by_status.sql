{{ config(tags=['step_1']) }}
-- A pupil whose status changed stands in two groups at each session: their sessions part, but nobody is persistently absent in part.
with figure as (
    {{ measure_values(ref('unit_status_measure')) }}
)

select *
from figure
where not (right(group_definition, 8) = '@session' and {{ measure_case('kind') }} = 'proportion')
