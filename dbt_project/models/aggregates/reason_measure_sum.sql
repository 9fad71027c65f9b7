{{ config(tags=['step_1']) }}
-- Each register code as a group of sessions, over all pupils of a school's group by registers alone; `group_value` is the code and, after
-- a bar, the group's own. A school without a session of a code that another has is a stratum of noughts: its pupils are in a trust's rate
-- too.
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

member as (
    select
        pupil.*,
        pupil_group.group_definition,
        pupil_group.group_dimension,
        pupil_group.group_value
    from pupil
    inner join {{ ref('int_pupil_group') }} as pupil_group
        on pupil.academic_year = pupil_group.academic_year and pupil.pupil_key = pupil_group.pupil_key
    where
        pupil_group.group_value is not null
        and (pupil_group.group_dimension = 'all' or {{ is_told_by_group('pupil.period') }})
),

school_total as (
    select
        academic_year,
        period,
        school_key,
        group_definition,
        group_dimension,
        group_value,
        {{ sum_if('den > 0') }} as n,
        {{ exact_sum('den') }} as sum_den,
        {{ exact_sum('den * den') }} as sum_den_den,
        sum(expected) as expected,
        sum(received) as received
    from member
    group by academic_year, period, school_key, group_definition, group_dimension, group_value
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
        member.academic_year,
        member.period,
        member.school_key,
        member.group_definition,
        member.group_dimension,
        member.group_value,
        pupil_code.code,
        {{ exact_sum('pupil_code.num') }} as sum_num,
        {{ exact_sum('pupil_code.num * pupil_code.num') }} as sum_num_num,
        {{ exact_sum('pupil_code.num * member.den') }} as sum_num_den
    from pupil_code
    inner join member
        on pupil_code.academic_year = member.academic_year
            and pupil_code.period = member.period
            and pupil_code.school_key = member.school_key
            and pupil_code.pupil_key = member.pupil_key
    group by
        member.academic_year, member.period, member.school_key, member.group_definition, member.group_dimension,
        member.group_value, pupil_code.code
),

used as (
    select distinct
        academic_year,
        period,
        group_definition,
        group_dimension,
        group_value,
        code
    from school_code
)

select
    school_total.academic_year,
    school_total.period,
    school_total.school_key,
    'overall_absence_rate' as measure_id,
    school_total.group_definition,
    school_total.group_dimension,
    {{ code_of_group('used.code', 'used.group_value') }} as group_value,
    cast(school_total.n as bigint) as n,
    coalesce(school_code.sum_num, 0) as sum_num,
    school_total.sum_den,
    coalesce(school_code.sum_num_num, 0) as sum_num_num,
    coalesce(school_code.sum_num_den, 0) as sum_num_den,
    school_total.sum_den_den,
    cast(school_total.expected as bigint) as expected,
    cast(school_total.received as bigint) as received
from school_total
inner join used
    on school_total.academic_year = used.academic_year
        and school_total.period = used.period
        and school_total.group_definition = used.group_definition
        and school_total.group_dimension = used.group_dimension
        and school_total.group_value = used.group_value
left join school_code
    on school_total.academic_year = school_code.academic_year
        and school_total.period = school_code.period
        and school_total.school_key = school_code.school_key
        and school_total.group_definition = school_code.group_definition
        and school_total.group_dimension = school_code.group_dimension
        and school_total.group_value = school_code.group_value
        and used.code = school_code.code
