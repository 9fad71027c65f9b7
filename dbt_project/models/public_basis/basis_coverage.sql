{{ config(alias='coverage') }}
-- What the public tier tells of: the mart, but for what its ledger holds back.
with counted as (
    {{ weeks_by_period(source('ledger', 'basis_week'), ['school_key', 'expected', 'received']) }}
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
    on mart.academic_year = apart.academic_year and mart.feed = 'session_marks'
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
