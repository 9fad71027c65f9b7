select
    delivery_id,
    laestab,
    session_date,
    session,
    session_status,
    {{ academic_year('session_date') }} as academic_year
from {{ ref('raw_calendar') }}
where session_date <= {{ as_of() }}
