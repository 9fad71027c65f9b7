-- A register, or totals in its place, is due in a period of which the calendar holds a session of somebody on roll, or in which one came
-- all the same. A school without a calendar is due whenever any register came and it had pupils on roll, but in a week only where it sent
-- none all year: a holiday looks the same. So is a school of which no list came either, where it has sent something in another year or is
-- of a trust that sends.
with week as (
    select
        school_key,
        academic_year,
        term,
        week_start,
        sum(expected) as expected,
        sum(received) + sum(possible) as came
    from {{ ref('int_enrolment_week') }}
    group by school_key, academic_year, term, week_start
),

counted as (
    {{ weeks_by_period('week', ['school_key', 'expected', 'came']) }}
    union all
    select
        total.academic_year,
        period.period,
        total.school_key,
        0 as expected,
        sum(total.possible) as came
    from {{ ref('int_term_total') }} as total
    inner join {{ ref('int_term_period') }} as period
        on total.academic_year = period.academic_year and total.term = period.term
    group by total.academic_year, period.period, total.school_key
),

registered as (
    select
        academic_year,
        school_key,
        sum(came) as came
    from week
    group by academic_year, school_key
),

register as (
    select
        academic_year,
        period,
        school_key,
        sum(expected) as expected,
        sum(came) as came
    from counted
    group by academic_year, period, school_key
),

period as (
    select
        academic_year,
        period,
        start_date,
        end_date,
        false as is_week
    from {{ ref('academic_period') }}
    union all
    select distinct
        academic_year,
        {{ iso_week_label('week_start') }} as period,
        week_start as start_date,
        {{ add_days('week_start', 6) }} as end_date,
        true as is_week
    from week
),

told as (
    select distinct
        period.academic_year,
        period.period,
        period.start_date,
        period.end_date,
        period.is_week
    from period
    inner join register on period.academic_year = register.academic_year and period.period = register.period
    where register.came > 0
),

roll as (
    select
        school_key,
        academic_year,
        min(on_roll_from) as on_roll_from,
        max(on_roll_until) as on_roll_until
    from {{ ref('int_enrolment_year') }}
    where counts_on_roll
    group by school_key, academic_year
),

scheduled as (
    select distinct
        school_key,
        academic_year
    from {{ ref('int_calendar_session') }}
),

unscheduled as (
    select
        told.academic_year,
        told.period,
        roll.school_key
    from told
    inner join roll
        on told.academic_year = roll.academic_year
            and told.end_date >= roll.on_roll_from
            and told.start_date < roll.on_roll_until
    left join scheduled on roll.academic_year = scheduled.academic_year and roll.school_key = scheduled.school_key
    left join registered on roll.academic_year = registered.academic_year and roll.school_key = registered.school_key
    where scheduled.school_key is null and (not told.is_week or coalesce(registered.came, 0) = 0)
),

known as (
    select
        school.school_key,
        min(coalesce(school.open_date, cast('1900-01-01' as date))) as open_date,
        max(coalesce(school.close_date, cast('9999-12-31' as date))) as close_date
    from {{ ref('int_school') }} as school
    left join (select distinct school_key from roll) as own on school.school_key = own.school_key
    left join (
        select distinct school_of_roll.trust_code
        from {{ ref('int_school') }} as school_of_roll
        inner join roll on school_of_roll.school_key = roll.school_key
    ) as trust on school.trust_code = trust.trust_code
    where own.school_key is not null or trust.trust_code is not null
    group by school.school_key
),

unlisted as (
    select
        told.academic_year,
        told.period,
        known.school_key
    from told
    inner join known on told.end_date >= known.open_date and told.start_date < known.close_date
    left join roll on told.academic_year = roll.academic_year and known.school_key = roll.school_key
    where roll.school_key is null
),

due as (
    select
        academic_year,
        period,
        school_key,
        came
    from register
    where expected > 0 or came > 0
    union all
    select
        academic_year,
        period,
        school_key,
        0 as came
    from (select * from unscheduled union all select * from unlisted) as silent
)

select
    due.academic_year,
    due.period,
    due.school_key,
    period.start_date,
    period.end_date,
    max(due.came) > 0 as is_received
from due
inner join period on due.academic_year = period.academic_year and due.period = period.period
group by due.academic_year, due.period, due.school_key, period.start_date, period.end_date
