{{ config(tags=['step_2']) }}
-- Step 0 is the year to date that everybody else reads.
{%- set measures = bridged_measures() %}
with ours as (
    select *
    from {{ ref('measure_value') }}
    where period = 'YTD'
        and group_dimension = 'all'
        and measure_id in ({% for m in measures %}'{{ m['measure_id'] }}'{{ ", " if not loop.last }}{% endfor %})
),

start as (
    select *
    from {{ ref('attendance_bridge') }}
    where step = 0
)

select
    coalesce(ours.academic_year, start.academic_year) as academic_year,
    coalesce(ours.unit_code, start.unit_code) as unit_code,
    coalesce(ours.measure_id, start.measure_id) as measure_id,
    start.bridge_id
from ours
full outer join start
    on ours.academic_year = start.academic_year
        and ours.level = start.level
        and ours.unit_code = start.unit_code
        and ours.measure_id = start.measure_id
where ours.measure_id is null
    or start.measure_id is null
    or ours.numerator <> start.numerator
    or ours.denominator <> start.denominator
    or (ours.value is null) <> (start.value is null)
    or ours.value <> {{ round_sig('(cast(start.numerator as double) / nullif(cast(start.denominator as double), 0) * 100)') }}
    or abs(ours.value - start.value) > 0.000001
