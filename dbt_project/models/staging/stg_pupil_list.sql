-- FSM now implies FSM within the last six years where the list says nothing of the latter.
select
    delivery_id,
    laestab,
    as_at_date,
    pupil_ref,
    sex,
    nc_year,
    reg_group,
    entry_date,
    leaving_date,
    enrol_status,
    ethnicity,
    language,
    is_fsm,
    coalesce(is_fsm6, case when is_fsm then true end) as is_fsm6,
    sen_provision,
    is_looked_after,
    is_post_looked_after,
    idaci_decile,
    birth_cohort
from {{ ref('raw_pupils') }}
where as_at_date <= {{ as_of() }}
