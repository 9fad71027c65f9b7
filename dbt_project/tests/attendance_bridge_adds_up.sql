{{ config(tags=['step_2']) }}
-- Ours and the changes are theirs, to the last decimal; where a step leaves nothing, nothing comes back and theirs says so. A step in days
-- of a unit that totals tell in part says no change.
with bridge as (
    select
        academic_year,
        level,
        unit_code,
        measure_id,
        bridge_id,
        max(step) as last_step,
        count(*) as n_steps,
        count(value) as n_values,
        sum(case when step > 0 and change is null and status = 'u' then 1 else 0 end) as n_of_fewer,
        sum(case when step = 0 then value else change end) as added_up
    from {{ ref('attendance_bridge') }}
    group by academic_year, level, unit_code, measure_id, bridge_id
)

select
    bridge.academic_year,
    bridge.unit_code,
    bridge.measure_id,
    bridge.bridge_id
from bridge
inner join {{ ref('attendance_bridge') }} as theirs
    on bridge.academic_year = theirs.academic_year
        and bridge.level = theirs.level
        and bridge.unit_code = theirs.unit_code
        and bridge.measure_id = theirs.measure_id
        and bridge.bridge_id = theirs.bridge_id
        and bridge.last_step = theirs.step
where bridge.n_steps <> bridge.last_step + 1
    or (theirs.value is null) <> (bridge.n_values < bridge.n_steps)
    or (theirs.value is null) <> (theirs.status = 'x')
    or (bridge.n_of_fewer = 0 and bridge.added_up <> theirs.value)
