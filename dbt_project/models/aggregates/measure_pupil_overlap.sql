{{ config(tags=['step_1']) }}
-- Pupils who count in a measure at more than one school in one period: what a trust's number of pupils must not count twice.
with mover as (
    select
        academic_year,
        pupil_key
    from {{ ref('attendance_enrolment_period') }}
    where period = 'YTD' and possible > 0
    group by academic_year, pupil_key
    having count(distinct school_key) > 1
),

counted as (
    select
        stay.academic_year,
        stay.period,
        stay.pupil_key,
        stay.school_key
    from {{ ref('attendance_enrolment_period') }} as stay
    inner join mover on stay.academic_year = mover.academic_year and stay.pupil_key = mover.pupil_key
    where stay.possible > 0
    union
    select
        stay.academic_year,
        {{ iso_week_label('stay.week_start') }} as period,
        stay.pupil_key,
        stay.school_key
    from {{ ref('int_enrolment_week') }} as stay
    inner join mover on stay.academic_year = mover.academic_year and stay.pupil_key = mover.pupil_key
    where stay.possible > 0
)

select
    counted.academic_year,
    counted.period,
    counted.pupil_key,
    counted.school_key,
    measured.measure_id
from counted
cross join (
    {%- for measure in measures_of('attendance') %}
    select '{{ measure['measure_id'] }}' as measure_id {{ "union all" if not loop.last }}
    {%- endfor %}
) as measured
