select
    pupil_ref,
    pupil_key
from {{ source('lake', 'identity') }}
union
select distinct
    list.pupil_ref,
    list.pupil_ref as pupil_key
from {{ ref('stg_pupil_list') }} as list
left join {{ source('lake', 'identity') }} as identity on list.pupil_ref = identity.pupil_ref
where identity.pupil_ref is null
union
select distinct
    result.pupil_ref,
    result.pupil_ref as pupil_key
from {{ ref('stg_assessment_result') }} as result
left join {{ source('lake', 'identity') }} as identity on result.pupil_ref = identity.pupil_ref
where identity.pupil_ref is null
