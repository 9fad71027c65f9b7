{{ config(materialized='incremental', incremental_strategy='replace_slices', on_schema_change='fail', post_hook="{{ record_slices() }}") }}
-- Why a school's day has fewer marks than rows in force. Only days where the two differ are read again.
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

in_force as (
    select
        school_day.slice_fingerprint,
        school_day.session_date,
        sum(came.n_rows) as n_rows
    from school_day
    inner join {{ source('lake', 'delivery_day') }} as came
        on school_day.delivery_id = came.delivery_id and school_day.session_date = came.session_date
    group by school_day.slice_fingerprint, school_day.session_date
),

known as (
    select
        mark.slice_fingerprint,
        mark.session_date,
        count(*) as n_rows
    from {{ ref('int_session_mark') }} as mark
    inner join slice on mark.slice_fingerprint = slice.slice_fingerprint
    where not mark.is_quarantined
    group by mark.slice_fingerprint, mark.session_date
    union all
    select
        slice_fingerprint,
        session_date,
        n_rows
    from {{ ref('int_session_superseded') }}
),

accounted as (
    select
        slice_fingerprint,
        session_date,
        sum(n_rows) as n_rows
    from known
    group by slice_fingerprint, session_date
),

differing_day as (
    select school_day.*
    from school_day
    inner join in_force
        on school_day.slice_fingerprint = in_force.slice_fingerprint and school_day.session_date = in_force.session_date
    left join accounted
        on in_force.slice_fingerprint = accounted.slice_fingerprint and in_force.session_date = accounted.session_date
    where in_force.n_rows <> coalesce(accounted.n_rows, 0)
),

came as (
    select
        day.school_key,
        day.academic_year,
        day.delivery_id,
        day.session_date,
        mark.session,
        day.slice_fingerprint,
        on_roll.enrolment_id,
        case when owner.layer > day.layer then 1 else 0 end as is_superseded
    from {{ ref('raw_session_marks') }} as mark
    inner join differing_day as day
        on mark.session_date = day.session_date and mark.laestab = day.laestab and mark.delivery_id = day.delivery_id
    left join {{ ref('int_enrolment_ref') }} as on_roll
        on mark.pupil_ref = on_roll.pupil_ref
            and concat(mark.laestab, '') = on_roll.laestab
            and mark.session_date >= on_roll.on_roll_from
            and mark.session_date < on_roll.on_roll_until
    left join {{ ref('int_pupil_ref') }} as person on mark.pupil_ref = person.pupil_ref
    left join {{ ref('int_session_owner') }} as owner
        on day.laestab = owner.laestab
            and day.session_date = owner.session_date
            and person.pupil_key = owner.pupil_key
),

counted as (
    select
        school_key,
        academic_year,
        delivery_id,
        session_date,
        {{ sum_if('enrolment_id is null') }} as n_not_on_roll,
        {{ sum_if('enrolment_id is not null') }}
        - count(distinct case when enrolment_id is not null then concat(cast(enrolment_id as varchar), session) end)
            as n_merged,
        slice_fingerprint
    from came
    where is_superseded = 0
    group by school_key, academic_year, delivery_id, session_date, slice_fingerprint
)

select
    school_key,
    academic_year,
    delivery_id,
    session_date,
    cast(n_not_on_roll as bigint) as n_not_on_roll,
    cast(n_merged as bigint) as n_merged,
    slice_fingerprint
from counted
where n_not_on_roll > 0 or n_merged > 0
