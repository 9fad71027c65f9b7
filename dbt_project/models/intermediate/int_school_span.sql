-- Which URN a LAESTAB stood for on a day: the first one from the beginning, each later one from its opening.
with ordered as (
    select
        laestab,
        urn,
        school_key,
        open_date,
        close_date,
        row_number() over (partition by laestab order by coalesce(open_date, cast('1900-01-01' as date)), urn) as place,
        lead(open_date) over (partition by laestab order by coalesce(open_date, cast('1900-01-01' as date)), urn) as next_open_date
    from {{ ref('int_school') }}
    where laestab is not null
)

select
    laestab,
    case when place = 1 then cast('1900-01-01' as date) else open_date end as valid_from,
    coalesce(next_open_date, cast('9999-12-31' as date)) as valid_to,
    urn,
    school_key,
    close_date
from ordered
