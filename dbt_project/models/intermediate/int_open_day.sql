select
    school_key,
    academic_year,
    term,
    session_date,
    cast(count(distinct session) as integer) as sessions
from {{ ref('int_calendar_session') }}
where is_open
group by school_key, academic_year, term, session_date
