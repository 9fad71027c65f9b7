-- A calendar replaces the older one of the same school and academic year.
with ranked as (
    select
        calendar.laestab,
        calendar.session_date,
        calendar.session,
        calendar.academic_year,
        calendar.session_status,
        calendar.delivery_id,
        first_value(delivery.delivery_id) over (
            partition by calendar.laestab, calendar.academic_year
            order by delivery.extracted_at desc, delivery.delivery_id desc
        ) as delivery_in_force
    from {{ ref('stg_calendar') }} as calendar
    inner join {{ ref('stg_delivery') }} as delivery on calendar.delivery_id = delivery.delivery_id
    where not delivery.is_held
),

in_force as (
    select
        laestab,
        session_date,
        session,
        academic_year,
        delivery_in_force as delivery_id,
        max(case when session_status = 'open' then 1 else 0 end) = 1 as is_open
    from ranked
    where delivery_id = delivery_in_force
    group by laestab, session_date, session, academic_year, delivery_in_force
)

select
    in_force.laestab,
    in_force.session_date,
    in_force.session,
    in_force.academic_year,
    in_force.is_open,
    span.school_key,
    span.urn,
    in_force.delivery_id,
    period.period as term,
    {{ week_start('in_force.session_date') }} as week_start
from in_force
inner join {{ ref('int_school_span') }} as span
    on in_force.laestab = span.laestab
        and in_force.session_date >= span.valid_from
        and in_force.session_date < span.valid_to
inner join {{ ref('academic_period') }} as period
    on in_force.academic_year = period.academic_year
        and period.is_term
        and in_force.session_date between period.start_date and period.end_date
