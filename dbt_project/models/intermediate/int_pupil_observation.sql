-- One pupil may stand in one list under two references (UPN and MIS number): the row without a leaving date, then the later entry, holds.
with observed as (
    select
        person.pupil_key,
        list.school_key,
        list.laestab,
        list.list_no,
        listed.as_at_date,
        listed.entry_date,
        listed.leaving_date,
        listed.enrol_status,
        listed.nc_year,
        listed.reg_group,
        listed.sex,
        listed.is_fsm,
        listed.is_fsm6,
        listed.sen_provision,
        listed.language,
        listed.ethnicity,
        listed.is_looked_after,
        listed.is_post_looked_after,
        listed.idaci_decile,
        row_number() over (
            partition by person.pupil_key, list.school_key, listed.as_at_date
            order by
                case when listed.leaving_date is null then 0 else 1 end,
                case when listed.entry_date is null then 1 else 0 end,
                listed.entry_date desc,
                listed.pupil_ref
        ) as preference
    from {{ ref('stg_pupil_list') }} as listed
    inner join {{ ref('int_pupil_list') }} as list
        on listed.laestab = list.laestab and listed.as_at_date = list.as_at_date and listed.delivery_id = list.delivery_id
    inner join {{ ref('int_pupil_ref') }} as person on listed.pupil_ref = person.pupil_ref
)

select
    observed.pupil_key,
    observed.school_key,
    observed.as_at_date,
    observed.laestab,
    observed.list_no,
    observed.entry_date,
    observed.leaving_date,
    observed.enrol_status,
    coalesce(observed.enrol_status, 'C') in ('C', 'M') as counts_on_roll,
    observed.nc_year,
    observed.reg_group,
    observed.sex,
    observed.is_fsm,
    observed.is_fsm6,
    case
        when observed.is_fsm6 or observed.is_looked_after or observed.is_post_looked_after then true
        when coalesce(observed.is_fsm6, observed.is_looked_after, observed.is_post_looked_after) is null then null
        else false
    end as is_disadvantaged,
    case
        when observed.is_fsm6 then 'FSM6'
        when observed.is_looked_after then 'CLA'
        when observed.is_post_looked_after then 'PLAC'
        when coalesce(observed.is_fsm6, observed.is_looked_after, observed.is_post_looked_after) is null then 'unknown'
        else 'none'
    end as disadvantage_basis,
    observed.sen_provision,
    case
        when observed.language is null or observed.language in ('NOT', 'REF', 'ZZZ') then null
        else observed.language not in ('ENG', 'ENB')
    end as is_eal,
    coalesce(ethnicity.ethnicity_major, 'Unclassified') as ethnicity_major,
    observed.is_looked_after,
    observed.idaci_decile
from observed
left join {{ ref('ethnicity_code') }} as ethnicity on observed.ethnicity = ethnicity.ethnicity_code
where observed.preference = 1
