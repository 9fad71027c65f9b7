{{ config(materialized='incremental', incremental_strategy='replace_slices', on_schema_change='fail', post_hook="{{ record_slices() }}") }}
-- A mark belongs to the stay that was open on its day. Nearly every mark is the only one of its pupil and session and streams
-- through; pupils with marks under two references, in a file for some pupils only, or with a quarantined row are settled apart.
-- A row holds what no small table can say: long texts on each of millions of rows took more time than finding the marks.
with slice as (
    select *
    from {{ ref('int_slice_fingerprint') }}
    where {{ slices_to_build() }}
),

school_day as (
    select
        day.*,
        slice.slice_fingerprint
    from {{ ref('int_school_day') }} as day
    inner join slice on day.school_key = slice.school_key and day.academic_year = slice.academic_year
),

enrolment_ref as (
    select on_roll.*
    from {{ ref('int_enrolment_ref') }} as on_roll
    inner join slice on on_roll.school_key = slice.school_key and on_roll.academic_year = slice.academic_year
),

quarantined as (
    select distinct
        held_back.delivery_id,
        held_back.laestab,
        held_back.pupil_ref,
        held_back.session_date,
        held_back.session
    from {{ ref('raw_session_mark_quarantine') }} as held_back
    where held_back.laestab is not null
        and held_back.pupil_ref is not null
        and held_back.session_date is not null
        and held_back.session in ('AM', 'PM')
),

used_ref as (
    select distinct pupil_ref
    from {{ ref('raw_session_marks') }}
    union
    select distinct pupil_ref
    from quarantined
),

owner as (
    select *
    from {{ ref('int_session_owner') }}
    where {{ slices_to_build() }}
),

contested as (
    select person.pupil_key
    from used_ref
    inner join {{ ref('int_pupil_ref') }} as person on used_ref.pupil_ref = person.pupil_ref
    group by person.pupil_key
    having count(*) > 1
    union
    select pupil_key
    from owner
    union
    select person.pupil_key
    from quarantined
    inner join {{ ref('int_pupil_ref') }} as person on quarantined.pupil_ref = person.pupil_ref
),

plain_enrolment as (
    select enrolment_ref.*
    from enrolment_ref
    left join contested on enrolment_ref.pupil_key = contested.pupil_key
    where contested.pupil_key is null
),

contested_enrolment as (
    select enrolment_ref.*
    from enrolment_ref
    inner join contested on enrolment_ref.pupil_key = contested.pupil_key
),

-- `concat` hides from the optimiser that pupils and days share a LAESTAB: it would pair every pupil with every day first.
plain_mark as (
    select
        enrolment.enrolment_id,
        mark.session_date,
        mark.session,
        school_day.urn,
        mark.code,
        false as is_quarantined,
        school_day.slice_fingerprint
    from {{ ref('raw_session_marks') }} as mark
    inner join school_day
        on mark.session_date = school_day.session_date
            and mark.laestab = school_day.laestab
            and mark.delivery_id = school_day.delivery_id
    inner join plain_enrolment as enrolment
        on mark.pupil_ref = enrolment.pupil_ref
            and concat(mark.laestab, '') = enrolment.laestab
            and mark.session_date >= enrolment.on_roll_from
            and mark.session_date < enrolment.on_roll_until
    where school_day.layer = 0
),

claim as (
    select
        delivery_id,
        laestab,
        pupil_ref,
        session_date,
        session,
        code,
        false as is_quarantined
    from {{ ref('raw_session_marks') }}
    union all
    select
        delivery_id,
        laestab,
        pupil_ref,
        session_date,
        session,
        cast(null as varchar) as code,
        true as is_quarantined
    from quarantined
),

ranked_claim as (
    select
        enrolment.enrolment_id,
        claim.session_date,
        claim.session,
        school_day.urn,
        claim.code,
        claim.is_quarantined,
        school_day.slice_fingerprint,
        row_number() over (
            partition by enrolment.enrolment_id, claim.session_date, claim.session
            order by
                case when claim.is_quarantined then 1 else 0 end,
                case judged.category
                    when 'present' then 1
                    when 'aea' then 2
                    when 'authorised' then 3
                    when 'unauthorised' then 4
                    when 'not_possible' then 5
                    when 'administrative' then 6
                    else 7
                end,
                claim.code,
                claim.pupil_ref
        ) as preference
    from claim
    inner join school_day
        on claim.session_date = school_day.session_date
            and claim.laestab = school_day.laestab
            and claim.delivery_id = school_day.delivery_id
    inner join contested_enrolment as enrolment
        on claim.pupil_ref = enrolment.pupil_ref
            and concat(claim.laestab, '') = enrolment.laestab
            and claim.session_date >= enrolment.on_roll_from
            and claim.session_date < enrolment.on_roll_until
    left join owner
        on claim.laestab = owner.laestab
            and claim.session_date = owner.session_date
            and enrolment.pupil_key = owner.pupil_key
    left join {{ ref('int_school') }} as school on school_day.urn = school.urn
    left join {{ ref('stg_register_code') }} as judged
        on school.nation = judged.nation
            and claim.code = judged.code
            and claim.session_date between judged.valid_from and judged.judged_until
    where school_day.layer = coalesce(owner.layer, 0)
)

select *
from plain_mark
union all
select
    enrolment_id,
    session_date,
    session,
    urn,
    code,
    is_quarantined,
    slice_fingerprint
from ranked_claim
where preference = 1
