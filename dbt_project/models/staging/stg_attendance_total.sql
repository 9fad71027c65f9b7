-- A school's term is what its newest whole file says of it; newer files for some pupils lie over it, pupil by pupil.
-- A file tells its term so far, until the day it was taken: where that is after the as-of day, no part of it can be told from the rest. Of
-- a term that had not begun by then it tells nothing.
with dated as (
    select
        total.*,
        coalesce(identity.pupil_key, total.pupil_ref) as pupil_key,
        delivery.extent,
        delivery.extracted_at,
        delivery.is_held,
        concat(cast(delivery.extracted_at as varchar), '|', total.delivery_id) as edition,
        period.start_date,
        {{ earlier(last_day_told('delivery.extracted_at'), 'period.end_date') }} as told_until
    from {{ ref('raw_attendance_totals') }} as total
    inner join {{ ref('stg_delivery') }} as delivery on total.delivery_id = delivery.delivery_id
    left join {{ source('lake', 'identity') }} as identity on total.pupil_ref = identity.pupil_ref
    left join {{ ref('academic_period') }} as period
        on total.academic_year = period.academic_year and total.term = period.period and period.is_term
),

known as (
    select *
    from dated
    where start_date is null or (start_date <= told_until and told_until <= {{ as_of() }})
),

ranked as (
    select
        *,
        max(case when extent = 'whole_school' and not is_held then edition else '' end) over (
            partition by laestab, academic_year, term
        ) as whole_edition,
        row_number() over (
            partition by laestab, academic_year, term, pupil_key
            order by case when is_held then 1 else 0 end, edition desc, line desc
        ) as recency
    from known
)

select
    delivery_id,
    line,
    laestab,
    pupil_ref,
    pupil_key,
    academic_year,
    term,
    extracted_at,
    told_until,
    possible,
    possible - authorised - unauthorised as attended,
    authorised,
    unauthorised,
    late,
    recency = 1 and not is_held and edition >= whole_edition as is_current
from ranked
