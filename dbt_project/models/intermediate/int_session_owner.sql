{{ config(materialized='incremental', incremental_strategy='replace_slices', on_schema_change='fail', post_hook="{{ record_slices() }}") }}
-- A file for some pupils owns, within its window, every session of the pupils whom it names, also those it has no mark for.
with slice as (
    select *
    from {{ ref('int_slice_fingerprint') }}
    where {{ slices_to_build() }}
),

partial_day as (
    select
        day.*,
        slice.slice_fingerprint
    from {{ ref('int_school_day') }} as day
    inner join slice on day.school_key = slice.school_key and day.academic_year = slice.academic_year
    where day.layer > 0
),

partial_delivery as (
    select distinct delivery_id
    from partial_day
),

named as (
    select distinct
        mark.delivery_id,
        person.pupil_key
    from {{ ref('raw_session_marks') }} as mark
    inner join partial_delivery on mark.delivery_id = partial_delivery.delivery_id
    inner join {{ ref('int_pupil_ref') }} as person on mark.pupil_ref = person.pupil_ref
    union
    select distinct
        held_back.delivery_id,
        person.pupil_key
    from {{ ref('raw_session_mark_quarantine') }} as held_back
    inner join partial_delivery on held_back.delivery_id = partial_delivery.delivery_id
    inner join {{ ref('int_pupil_ref') }} as person on held_back.pupil_ref = person.pupil_ref
)

select
    partial_day.laestab,
    partial_day.session_date,
    named.pupil_key,
    max(partial_day.layer) as layer,
    partial_day.school_key,
    partial_day.academic_year,
    partial_day.slice_fingerprint
from partial_day
inner join named on partial_day.delivery_id = named.delivery_id
group by
    partial_day.laestab, partial_day.session_date, named.pupil_key, partial_day.school_key, partial_day.academic_year,
    partial_day.slice_fingerprint
