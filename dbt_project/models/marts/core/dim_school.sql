{{ config(tags=['step_1']) }}
with ranked as (
    select
        *,
        row_number() over (
            partition by school_key
            order by
                case when coalesce(open_date, cast('1900-01-01' as date)) <= {{ as_of() }} then 0 else 1 end,
                coalesce(open_date, cast('1900-01-01' as date)) desc,
                urn desc
        ) as recency
    from {{ ref('int_school') }}
)

select
    school_key,
    urn,
    laestab,
    school_name,
    phase,
    la_code,
    la_name,
    region_name,
    trust_code,
    trust_name,
    establishment_type,
    school_gender,
    open_date,
    close_date,
    coalesce(close_date, cast('9999-12-31' as date)) > {{ as_of() }} as is_open
from ranked
where recency = 1
