select
    day_window.laestab,
    day_window.session_date,
    cast(day_window.layer as integer) as layer,
    day_window.delivery_id,
    span.school_key,
    span.urn,
    {{ academic_year('day_window.session_date') }} as academic_year
from {{ source('lake', 'session_window') }} as day_window
inner join {{ ref('int_school_span') }} as span
    on day_window.laestab = span.laestab
        and day_window.session_date >= span.valid_from
        and day_window.session_date < span.valid_to
where day_window.session_date <= {{ as_of() }}
