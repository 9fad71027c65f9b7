-- Of one pupil, kind and first day the newest file holds.
with dated as (
    select
        event.*,
        delivery.extracted_at,
        coalesce(identity.pupil_key, event.pupil_ref) as pupil_key
    from {{ ref('raw_suspensions') }} as event
    inner join {{ ref('stg_delivery') }} as delivery on event.delivery_id = delivery.delivery_id
    left join {{ source('lake', 'identity') }} as identity on event.pupil_ref = identity.pupil_ref
    where event.start_date <= {{ as_of() }} and not delivery.is_held
),

ranked as (
    select
        *,
        row_number() over (
            partition by laestab, pupil_key, kind, start_date order by extracted_at desc, delivery_id desc, line desc
        ) as recency
    from dated
)

select
    delivery_id,
    line,
    laestab,
    pupil_key,
    kind,
    start_date,
    sessions,
    reason,
    recency = 1 as is_current
from ranked
