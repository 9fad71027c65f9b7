{{ config(tags=['step_1']) }}
-- The units whose figures a school's pupils enter.
with member as (
    select school_key, 'school' as level, urn as unit_code, phase
    from {{ ref('dim_school') }}
    union all
    select school_key, 'trust' as level, trust_code as unit_code, phase
    from {{ ref('dim_school') }}
    where trust_code is not null
    union all
    select school_key, 'la' as level, la_code as unit_code, phase
    from {{ ref('dim_school') }}
    where la_code is not null
),

phase as (
    select level, unit_code, min(phase) as first_phase, max(phase) as last_phase
    from member
    group by level, unit_code
)

select
    member.school_key,
    member.level,
    member.unit_code,
    case when phase.first_phase = phase.last_phase then phase.first_phase else 'All' end as phase
from member
inner join phase on member.level = phase.level and member.unit_code = phase.unit_code
