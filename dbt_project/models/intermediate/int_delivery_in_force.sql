-- What one file says stands until newer files say all of it again. A held file waits, and what was found in it waits with it.
with ranked as (
    select
        delivery_id,
        feed,
        is_held,
        rank() over (partition by feed, laestab, academic_year, publication order by extracted_at desc) as recency
    from {{ ref('stg_delivery') }}
)

select delivery_id
from {{ source('lake', 'session_window') }}
union
select delivery_id
from {{ ref('assessment_result') }}
union
select delivery_id
from {{ ref('stg_attendance_total') }}
where is_current
union
select delivery_id
from {{ ref('stg_intervention') }}
where is_current
union
select delivery_id
from {{ ref('stg_suspension') }}
where is_current
union
-- Of feeds that are said whole, and of the others where no row was accepted, the newest file.
select delivery_id
from ranked
where is_held or (recency = 1 and feed != 'session_marks')
