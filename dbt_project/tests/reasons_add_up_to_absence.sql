{{ config(tags=['step_1']) }}
-- The reasons of a unit and period are all of its absence by registers: every code of absence has a row, and none has two.
with reason as (
    select
        academic_year,
        period,
        level,
        unit_code,
        sum(sessions) as absent
    from {{ ref('attendance_reason') }}
    where category in ('authorised', 'unauthorised') and group_dimension = 'all'
    group by academic_year, period, level, unit_code
),

counted as (
    select
        attendance.academic_year,
        attendance.period,
        unit.level,
        unit.unit_code,
        sum(attendance.absent) - sum(attendance.absent_of_totals) as absent
    from {{ ref('attendance_enrolment_period') }} as attendance
    inner join {{ ref('school_unit') }} as unit on attendance.school_key = unit.school_key
    group by attendance.academic_year, attendance.period, unit.level, unit.unit_code
)

select
    counted.academic_year,
    counted.period,
    counted.level,
    counted.unit_code
from counted
left join reason
    on counted.academic_year = reason.academic_year
        and counted.period = reason.period
        and counted.level = reason.level
        and counted.unit_code = reason.unit_code
where counted.absent <> coalesce(reason.absent, 0)
