-- A school's term is what its newest whole file says of it; newer files for some pupils lie over it, pupil by pupil.
with dated as (
    select
        total.*,
        delivery.extent,
        delivery.is_held,
        case when delivery.extent = 'whole_school' and not delivery.is_held then 1 else 0 end as is_whole,
        concat(cast(delivery.extracted_at as varchar), '|', total.delivery_id) as edition
    from {{ ref('raw_attendance_totals') }} as total
    inner join {{ ref('stg_delivery') }} as delivery on total.delivery_id = delivery.delivery_id
),

ranked as (
    select
        *,
        max(case when is_whole = 1 then edition else '' end) over (partition by laestab, academic_year, term) as whole_edition,
        max(case when is_held then '' else edition end) over (
            partition by laestab, academic_year, term, pupil_ref
        ) as newest_edition
    from dated
)

select
    ranked.delivery_id,
    ranked.line,
    ranked.laestab,
    ranked.pupil_ref,
    coalesce(identity.pupil_key, ranked.pupil_ref) as pupil_key,
    ranked.academic_year,
    ranked.term,
    ranked.possible,
    ranked.possible - ranked.authorised - ranked.unauthorised as attended,
    ranked.authorised,
    ranked.unauthorised,
    ranked.late,
    not ranked.is_held and ranked.edition = ranked.newest_edition and ranked.edition >= ranked.whole_edition as is_current
from ranked
left join {{ source('lake', 'identity') }} as identity on ranked.pupil_ref = identity.pupil_ref
left join {{ ref('academic_period') }} as period
    on ranked.academic_year = period.academic_year and ranked.term = period.period
where coalesce(period.start_date, {{ as_of() }}) <= {{ as_of() }}
