select
    delivery_id,
    parse_id,
    feed,
    laestab,
    file_name,
    extracted_at,
    extracted_at_basis,
    cast(as_at_date as date) as as_at_date,
    extent,
    coalesce(publication, '') as publication,
    coalesce(academic_year, '') as academic_year,
    cast(rows_read as bigint) as rows_read,
    cast(rows_accepted as bigint) as rows_accepted,
    cast(rows_quarantined as bigint) as rows_quarantined,
    coalesce(is_held, false) as is_held,
    held_reason
from {{ source('lake', 'delivery') }}
