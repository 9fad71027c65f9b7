{{ config(materialized='view') }}
-- The codes of each school's nation stand under the school itself: one look-up a mark, not two.
with school_code as (
    select
        school.urn,
        judged.*
    from {{ ref('int_school') }} as school
    inner join {{ ref('stg_register_code') }} as judged on school.nation = judged.nation
)

select
    mark.enrolment_id,
    mark.session_date,
    mark.session,
    mark.urn,
    mark.code,
    case
        when mark.is_quarantined then 'unknown'
        when mark.code is null or mark.code in ('-', '*', '') then 'missing'
        else coalesce(judged.category, 'unknown')
    end as category,
    coalesce(judged.is_possible, false) as is_possible,
    coalesce(judged.is_attended, false) as is_attended,
    coalesce(judged.is_authorised, false) as is_authorised,
    coalesce(judged.is_unauthorised, false) as is_unauthorised,
    coalesce(judged.is_late, false) as is_late,
    judged.category is null as is_missing,
    mark.slice_fingerprint
from {{ ref('int_session_mark') }} as mark
left join school_code as judged
    on mark.urn = judged.urn
        and mark.code = judged.code
        and mark.session_date between judged.valid_from and judged.judged_until
