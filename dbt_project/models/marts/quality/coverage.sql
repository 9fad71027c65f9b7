{{ config(tags=['step_1']) }}
-- Registers: expected sessions that came. Totals: of a term of which totals stand in place of registers, the sessions of pupils without a
-- register and how many of them a total tells of; what came by the one feed did not come by the other. Lists and calendars: whether the
-- year has one. Results: pupils of the roll with a score.
with school_year as (
    select distinct
        school_key,
        academic_year
    from {{ ref('int_enrolment_year') }}
    where academic_year in (
        select academic_year from {{ ref('int_day') }}
        union
        select academic_year from {{ ref('int_attendance_total') }}
        union
        select academic_year from {{ ref('stg_assessment_result') }}
    )
),

register as (
    select
        academic_year,
        period,
        school_key,
        sum(expected) as expected,
        sum(received) - sum(received_of_totals) as received
    from {{ ref('attendance_enrolment_period') }}
    group by academic_year, period, school_key
    -- Of a school that gave totals and no calendar nothing says what registers to expect.
    having sum(expected) > 0 or sum(possible_of_totals) = 0 or sum(possible) > sum(possible_of_totals)
),

total as (
    select
        academic_year,
        period,
        school_key,
        sum(expected_of_totals) as expected,
        sum(received_of_totals) as received
    from {{ ref('attendance_enrolment_period') }}
    group by academic_year, period, school_key
    having sum(possible_of_totals) > 0 or sum(expected_of_totals) > 0
),

calendar as (
    select distinct
        school_key,
        academic_year
    from {{ ref('int_calendar_session') }}
),

list as (
    select distinct
        school_key,
        {{ academic_year('as_at_date') }} as academic_year
    from {{ ref('int_pupil_list') }}
),

result as (
    select
        academic_year,
        school_key,
        count(*) as expected,
        count(z_value) as received
    from {{ ref('int_outcome') }}
    where measure_id in (
        {%- for measure in measures_of('attainment') %}'{{ measure['measure_id'] }}'{{ ", " if not loop.last }}{% endfor -%}
    )
    group by academic_year, school_key
),

joined as (
    select
        academic_year,
        period,
        'session_marks' as feed,
        school_key,
        cast(expected as bigint) as expected,
        cast(received as bigint) as received
    from register
    union all
    select
        school_year.academic_year,
        'YTD' as period,
        'session_marks' as feed,
        school_year.school_key,
        cast(null as bigint) as expected,
        cast(0 as bigint) as received
    from school_year
    left join register
        on school_year.academic_year = register.academic_year and school_year.school_key = register.school_key
    where register.school_key is null
    union all
    select
        academic_year,
        period,
        'attendance_totals' as feed,
        school_key,
        cast(nullif(expected, 0) as bigint) as expected,
        cast(received as bigint) as received
    from total
    union all
    select
        school_year.academic_year,
        'YTD' as period,
        'calendar' as feed,
        school_year.school_key,
        cast(1 as bigint) as expected,
        cast(case when calendar.school_key is null then 0 else 1 end as bigint) as received
    from school_year
    left join calendar
        on school_year.academic_year = calendar.academic_year and school_year.school_key = calendar.school_key
    union all
    select
        school_year.academic_year,
        'YTD' as period,
        'pupils' as feed,
        school_year.school_key,
        cast(1 as bigint) as expected,
        cast(case when list.school_key is null then 0 else 1 end as bigint) as received
    from school_year
    left join list on school_year.academic_year = list.academic_year and school_year.school_key = list.school_key
    union all
    select
        school_year.academic_year,
        'YTD' as period,
        'assessment_results' as feed,
        school_year.school_key,
        cast(result.expected as bigint) as expected,
        cast(coalesce(result.received, 0) as bigint) as received
    from school_year
    left join result on school_year.academic_year = result.academic_year and school_year.school_key = result.school_key
)

select
    academic_year,
    period,
    feed,
    school_key,
    expected,
    received,
    {{ coverage_figures() }}
from joined
