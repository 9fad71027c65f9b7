{{ config(alias='measure_pupil_overlap') }}
-- Pupils whom the public tier counts at more than one school in one period.
with came as (
    {{ weeks_by_period(source('ledger', 'basis_week'), ['pupil_key', 'school_key', 'possible'], with_totals=true) }}
),

counted as (
    select distinct
        academic_year,
        period,
        pupil_key,
        school_key
    from came
    where possible > 0
),

mover as (
    select
        academic_year,
        pupil_key
    from counted
    where period = 'YTD'
    group by academic_year, pupil_key
    having count(*) > 1
)

select
    counted.academic_year,
    counted.period,
    counted.pupil_key,
    counted.school_key,
    measured.measure_id
from counted
inner join mover on counted.academic_year = mover.academic_year and counted.pupil_key = mover.pupil_key
cross join (
    {%- for measure in measures_of('attendance') %}
    select '{{ measure['measure_id'] }}' as measure_id {{ "union all" if not loop.last }}
    {%- endfor %}
) as measured
