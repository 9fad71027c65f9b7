-- A corrected date of birth replaces the older one; a list that gives none takes nothing away.
with dated as (
    select
        person.pupil_key,
        listed.birth_cohort,
        row_number() over (
            partition by person.pupil_key order by listed.as_at_date desc, listed.laestab, listed.pupil_ref
        ) as recency
    from {{ ref('stg_pupil_list') }} as listed
    inner join {{ ref('int_pupil_list') }} as list
        on listed.laestab = list.laestab and listed.as_at_date = list.as_at_date and listed.delivery_id = list.delivery_id
    inner join {{ ref('int_pupil_ref') }} as person on listed.pupil_ref = person.pupil_ref
    where listed.birth_cohort is not null
)

select
    pupil_key,
    birth_cohort
from dated
where recency = 1
