-- The newest file of each publication holds; a school that only sends data stands under its LAESTAB until a publication names it.
with newest as (
    select
        delivery_id,
        row_number() over (
            partition by publication, academic_year, laestab order by extracted_at desc, delivery_id desc
        ) as recency,
        extracted_at
    from {{ ref('stg_delivery') }}
    where feed = 'schools' and not is_held
),

published as (
    select
        school.*,
        row_number() over (partition by school.urn order by newest.extracted_at desc, newest.delivery_id desc) as recency
    from {{ ref('stg_school') }} as school
    inner join newest on school.delivery_id = newest.delivery_id
    where newest.recency = 1
),

sender as (
    select distinct laestab
    from {{ ref('stg_delivery') }}
    where laestab is not null
    union
    select distinct laestab
    from {{ ref('raw_pupils') }}
    where laestab is not null
),

unpublished as (
    select sender.laestab
    from sender
    left join published on sender.laestab = published.laestab
    where published.laestab is null
)

select
    published.urn,
    coalesce(identity.school_key, published.urn) as school_key,
    published.laestab,
    coalesce(published.la_code, left(published.laestab, 3)) as la_code,
    coalesce(published.la_name, la.la_name) as la_name,
    {{ nation_of_la('coalesce(published.la_code, left(published.laestab, 3))') }} as nation,
    published.region_name,
    published.school_name,
    coalesce(published.phase, 'Unknown') as phase,
    published.establishment_type,
    published.school_gender,
    published.open_date,
    published.close_date,
    published.trust_code,
    published.trust_name
from published
left join {{ source('lake', 'school_identity') }} as identity on published.urn = identity.urn
left join {{ ref('la_code') }} as la on coalesce(published.la_code, left(published.laestab, 3)) = la.la_code
where published.recency = 1
union all
select
    unpublished.laestab as urn,
    unpublished.laestab as school_key,
    unpublished.laestab,
    left(unpublished.laestab, 3) as la_code,
    la.la_name,
    {{ nation_of_la('left(unpublished.laestab, 3)') }} as nation,
    cast(null as varchar) as region_name,
    concat('School ', unpublished.laestab) as school_name,
    'Unknown' as phase,
    cast(null as varchar) as establishment_type,
    cast(null as varchar) as school_gender,
    cast(null as date) as open_date,
    cast(null as date) as close_date,
    cast(null as varchar) as trust_code,
    cast(null as varchar) as trust_name
from unpublished
left join {{ ref('la_code') }} as la on left(unpublished.laestab, 3) = la.la_code
