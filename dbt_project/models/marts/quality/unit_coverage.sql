{{ config(tags=['step_1']) }}
-- Pupils are counted where a school is lacking; elsewhere all of them are there. A pupil on roll at two schools counts at both.
with due as (
    select
        register.academic_year,
        register.period,
        unit.level,
        unit.unit_code,
        register.school_key,
        register.start_date,
        register.end_date,
        register.is_received
    from {{ ref('int_school_register') }} as register
    inner join {{ ref('school_unit') }} as unit on register.school_key = unit.school_key
    where unit.level <> 'school'
),

unit_period as (
    select
        academic_year,
        period,
        level,
        unit_code,
        count(*) as schools,
        {{ sum_if('is_received') }} as schools_received
    from due
    group by academic_year, period, level, unit_code
),

on_roll as (
    select
        due.academic_year,
        due.period,
        due.level,
        due.unit_code,
        due.school_key,
        due.is_received,
        count(distinct enrolment.pupil_key) as pupils
    from due
    inner join unit_period
        on due.academic_year = unit_period.academic_year
            and due.period = unit_period.period
            and due.level = unit_period.level
            and due.unit_code = unit_period.unit_code
    left join {{ ref('int_enrolment_year') }} as enrolment
        on due.academic_year = enrolment.academic_year
            and due.school_key = enrolment.school_key
            and due.end_date >= enrolment.on_roll_from
            and due.start_date < enrolment.on_roll_until
            and enrolment.counts_on_roll
    where unit_period.schools_received < unit_period.schools
    group by due.academic_year, due.period, due.level, due.unit_code, due.school_key, due.is_received
),

counted as (
    select
        academic_year,
        period,
        level,
        unit_code,
        sum(pupils) as pupils,
        sum(case when is_received then pupils else 0 end) as pupils_received,
        min(case when not is_received then pupils end) = 0 as is_unlisted
    from on_roll
    group by academic_year, period, level, unit_code
)

select
    unit_period.academic_year,
    unit_period.period,
    unit_period.level,
    unit_period.unit_code,
    cast(unit_period.schools as integer) as schools,
    cast(unit_period.schools_received as integer) as schools_received,
    cast(case when not counted.is_unlisted then counted.pupils end as bigint) as pupils,
    cast(case when not counted.is_unlisted then counted.pupils_received end as bigint) as pupils_received,
    case when counted.is_unlisted then 'x' else 'ok' end as status
from unit_period
left join counted
    on unit_period.academic_year = counted.academic_year
        and unit_period.period = counted.period
        and unit_period.level = counted.level
        and unit_period.unit_code = counted.unit_code
where unit_period.schools_received > 0
