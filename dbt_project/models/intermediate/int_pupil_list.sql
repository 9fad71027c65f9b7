-- Of several lists of one school and as-at date the newest extract holds.
with delivered as (
    select distinct
        list.laestab,
        list.as_at_date,
        list.delivery_id
    from {{ ref('stg_pupil_list') }} as list
),

ranked as (
    select
        delivered.laestab,
        delivered.as_at_date,
        delivered.delivery_id,
        coalesce(delivery.extent, 'whole_school') <> 'pupils_in_file' as is_full,
        row_number() over (
            partition by delivered.laestab, delivered.as_at_date
            order by delivery.extracted_at desc, delivery.delivery_id desc
        ) as recency
    from delivered
    inner join {{ ref('stg_delivery') }} as delivery on delivered.delivery_id = delivery.delivery_id
    where not delivery.is_held
)

select
    ranked.laestab,
    ranked.as_at_date,
    ranked.delivery_id,
    ranked.is_full,
    span.school_key,
    span.urn,
    cast(row_number() over (partition by ranked.laestab order by ranked.as_at_date) as integer) as list_no
from ranked
inner join {{ ref('int_school_span') }} as span
    on ranked.laestab = span.laestab and ranked.as_at_date >= span.valid_from and ranked.as_at_date < span.valid_to
where ranked.recency = 1
