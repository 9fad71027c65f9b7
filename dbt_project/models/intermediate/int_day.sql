with day as (
    select distinct session_date from {{ ref('int_school_day') }}
    union
    select distinct session_date from {{ ref('int_calendar_session') }}
)

select
    day.session_date,
    period.academic_year,
    period.period as term,
    {{ week_start('day.session_date') }} as week_start
from day
inner join {{ ref('academic_period') }} as period
    on period.is_term and day.session_date between period.start_date and period.end_date
