-- A school's term is what its newest whole file says of it; newer files for some pupils lie over it, pupil by pupil.
with dated as (
    select
        total.*,
        coalesce(identity.pupil_key, total.pupil_ref) as pupil_key,
        delivery.extent,
        delivery.is_held,
        concat(cast(delivery.extracted_at as varchar), '|', total.delivery_id) as edition
    from {{ ref('raw_attendance_totals') }} as total
    inner join {{ ref('stg_delivery') }} as delivery on total.delivery_id = delivery.delivery_id
    left join {{ source('lake', 'identity') }} as identity on total.pupil_ref = identity.pupil_ref
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
    from dated
)

select
    ranked.delivery_id,
    ranked.line,
    ranked.laestab,
    ranked.pupil_ref,
    ranked.pupil_key,
    ranked.academic_year,
    ranked.term,
    ranked.possible,
    ranked.possible - ranked.authorised - ranked.unauthorised as attended,
    ranked.authorised,
    ranked.unauthorised,
    ranked.late,
    ranked.recency = 1 and not ranked.is_held and ranked.edition >= ranked.whole_edition as is_current
from ranked
left join {{ ref('academic_period') }} as period
    on ranked.academic_year = period.academic_year and ranked.term = period.period
where coalesce(period.start_date, {{ as_of() }}) <= {{ as_of() }}
