{{ config(materialized='incremental', incremental_strategy='replace_slices', on_schema_change='fail', post_hook="{{ record_slices() }}") }}
-- Rows of registers in force that lie under a newer file for some pupils.
with owner as (
    select *
    from {{ ref('int_session_owner') }}
    where {{ slices_to_build() }}
)

select
    owner.school_key,
    owner.academic_year,
    mark.delivery_id,
    mark.session_date,
    count(*) as n_rows,
    owner.slice_fingerprint
from owner
inner join {{ ref('int_pupil_ref') }} as person on owner.pupil_key = person.pupil_key
inner join {{ ref('int_school_day') }} as day on owner.laestab = day.laestab and owner.session_date = day.session_date
inner join {{ ref('raw_session_marks') }} as mark
    on day.delivery_id = mark.delivery_id
        and day.laestab = mark.laestab
        and day.session_date = mark.session_date
        and person.pupil_ref = mark.pupil_ref
where day.layer < owner.layer
group by owner.school_key, owner.academic_year, mark.delivery_id, mark.session_date, owner.slice_fingerprint
