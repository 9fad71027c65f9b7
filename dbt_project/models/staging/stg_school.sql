select
    delivery_id,
    urn,
    laestab,
    la_code,
    la_name,
    region_name,
    school_name,
    phase,
    establishment_type,
    establishment_status,
    school_gender,
    open_date,
    close_date,
    low_age,
    high_age,
    nullif(trim(trust_code), '') as trust_code,
    nullif(trim(trust_name), '') as trust_name
from {{ ref('raw_schools') }}
