{{ config(tags=['step_1']) }}
-- Each register code as a group of sessions, over all pupils of the school by registers alone. A school without a session of a code that
-- another has is a stratum of noughts: its pupils are in a trust's rate too.
with pupil as (
    select
        academic_year,
        period,
        school_key,
        pupil_key,
        cast(sum(possible) - sum(possible_of_totals) as bigint) as den,
        cast(sum(expected) as bigint) as expected,
        cast(sum(received) - sum(received_of_totals) as bigint) as received
    from {{ ref('attendance_enrolment_period') }}
    group by academic_year, period, school_key, pupil_key
),

school_total as (
    select
        academic_year,
        period,
        school_key,
        {{ sum_if('den > 0') }} as n,
        {{ exact_sum('den') }} as sum_den,
        {{ exact_sum('den * den') }} as sum_den_den,
        sum(expected) as expected,
        sum(received) as received
    from pupil
    group by academic_year, period, school_key
),

pupil_code as (
    select
        reason.academic_year,
        counted.period,
        reason.school_key,
        reason.pupil_key,
        reason.code,
        cast(sum(reason.sessions) as bigint) as num
    from {{ ref('int_reason_half_term') }} as reason
    inner join {{ ref('int_half_term_period') }} as counted
        on reason.academic_year = counted.academic_year and reason.half_term = counted.half_term
    group by reason.academic_year, counted.period, reason.school_key, reason.pupil_key, reason.code
),

school_code as (
    select
        pupil_code.academic_year,
        pupil_code.period,
        pupil_code.school_key,
        pupil_code.code,
        {{ exact_sum('pupil_code.num') }} as sum_num,
        {{ exact_sum('pupil_code.num * pupil_code.num') }} as sum_num_num,
        {{ exact_sum('pupil_code.num * pupil.den') }} as sum_num_den
    from pupil_code
    inner join pupil
        on pupil_code.academic_year = pupil.academic_year
            and pupil_code.period = pupil.period
            and pupil_code.school_key = pupil.school_key
            and pupil_code.pupil_key = pupil.pupil_key
    group by pupil_code.academic_year, pupil_code.period, pupil_code.school_key, pupil_code.code
),

used as (
    select distinct
        academic_year,
        period,
        code
    from school_code
)

select
    school_total.academic_year,
    school_total.period,
    school_total.school_key,
    'overall_absence_rate' as measure_id,
    'register_code' as group_definition,
    'register_code' as group_dimension,
    used.code as group_value,
    cast(school_total.n as bigint) as n,
    coalesce(school_code.sum_num, 0) as sum_num,
    school_total.sum_den,
    coalesce(school_code.sum_num_num, 0) as sum_num_num,
    coalesce(school_code.sum_num_den, 0) as sum_num_den,
    school_total.sum_den_den,
    cast(school_total.expected as bigint) as expected,
    cast(school_total.received as bigint) as received
from school_total
inner join used on school_total.academic_year = used.academic_year and school_total.period = used.period
left join school_code
    on school_total.academic_year = school_code.academic_year
        and school_total.period = school_code.period
        and school_total.school_key = school_code.school_key
        and used.code = school_code.code
