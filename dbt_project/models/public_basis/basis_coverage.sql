{{ config(alias='coverage') }}
-- What the public tier tells of: the mart, but for what its ledger holds back.
with week as (
    select *
    from {{ source('ledger', 'basis_week') }}
    where not {{ is_of_totals() }}
),

total as (
    select *
    from {{ source('ledger', 'basis_week') }}
    where {{ is_of_totals() }}
),

counted as (
    {{ weeks_by_period('week', ['school_key', 'expected', 'received']) }}
),

-- As int_term_total says it: once totals of a school's term count, they were to tell of every pupil of whom no register says anything, and
-- of those whom one tells.
without_register as (
    select
        week.academic_year,
        week.term,
        week.school_key,
        week.pupil_key,
        sum(week.expected) as expected
    from week
    inner join (select distinct academic_year, term, school_key from total) as told
        on week.academic_year = told.academic_year and week.term = told.term and week.school_key = told.school_key
    left join (select distinct academic_year, term, school_key, pupil_key from total) as own
        on week.academic_year = own.academic_year
            and week.term = own.term
            and week.school_key = own.school_key
            and week.pupil_key = own.pupil_key
    group by week.academic_year, week.term, week.school_key, week.pupil_key
    having sum(week.received) + sum(week.possible) = 0 or count(own.pupil_key) > 0
),

of_totals as (
    select
        due.academic_year,
        period.period,
        due.school_key,
        sum(due.expected) as expected,
        sum(due.received) as received
    from (
        select
            academic_year,
            term,
            school_key,
            expected,
            0 as received
        from without_register
        union all
        select
            academic_year,
            term,
            school_key,
            0 as expected,
            received
        from total
    ) as due
    inner join {{ ref('int_term_period') }} as period on due.academic_year = period.academic_year and due.term = period.term
    group by due.academic_year, period.period, due.school_key
),

register as (
    select
        academic_year,
        period,
        school_key,
        sum(expected) as expected,
        sum(received) as received
    from counted
    where period not like 'W%'
    group by academic_year, period, school_key
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
        academic_year,
        period,
        'attendance_totals' as feed,
        school_key,
        cast(nullif(expected, 0) as bigint) as expected,
        cast(received as bigint) as received
    from of_totals
    union all
    select
        mart.academic_year,
        mart.period,
        mart.feed,
        mart.school_key,
        cast(null as bigint) as expected,
        cast(0 as bigint) as received
    from {{ ref('coverage') }} as mart
    inner join {{ source('ledger', 'apart_year') }} as apart on mart.academic_year = apart.academic_year
    left join register
        on mart.academic_year = register.academic_year and mart.period = register.period and mart.school_key = register.school_key
    where mart.feed = 'session_marks' and mart.period = 'YTD' and register.school_key is null
)

select
    mart.academic_year,
    mart.period,
    mart.feed,
    mart.school_key,
    mart.expected,
    mart.received,
    mart.share,
    mart.status
from {{ ref('coverage') }} as mart
left join {{ source('ledger', 'apart_year') }} as apart
    on mart.academic_year = apart.academic_year and mart.feed in ('session_marks', 'attendance_totals')
left join (select distinct academic_year from {{ source('ledger', 'standing') }}) as standing
    on mart.academic_year = standing.academic_year and mart.feed = 'assessment_results'
where apart.academic_year is null and standing.academic_year is null
union all
select
    academic_year,
    period,
    feed,
    school_key,
    expected,
    received,
    {{ coverage_figures() }}
from joined
{{ published_rows('coverage', ['academic_year', 'period', 'feed', 'school_key', 'expected', 'received', 'share', 'status']) }}
