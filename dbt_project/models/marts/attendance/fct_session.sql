{{ config(materialized='view', tags=['step_1']) }}
with session_of_enrolment as (
    select
        enrolment_id,
        session_date,
        session,
        urn,
        code,
        category,
        is_possible,
        is_attended,
        is_authorised,
        is_unauthorised,
        is_late,
        is_missing,
        slice_fingerprint
    from {{ ref('int_session_judgement') }}
    union all
    select
        enrolment_id,
        session_date,
        session,
        urn,
        cast(null as varchar) as code,
        'missing' as category,
        false as is_possible,
        false as is_attended,
        false as is_authorised,
        false as is_unauthorised,
        false as is_late,
        true as is_missing,
        slice_fingerprint
    from {{ ref('int_session_missing') }}
)

select
    enrolment.enrolment_key,
    mark.session_date,
    mark.session,
    enrolment.pupil_key,
    enrolment.school_key,
    mark.urn,
    slice.academic_year,
    mark.code,
    mark.category,
    mark.is_possible,
    mark.is_attended,
    mark.is_authorised,
    mark.is_unauthorised,
    mark.is_late,
    mark.is_missing,
    mark.enrolment_id,
    mark.slice_fingerprint
from session_of_enrolment as mark
inner join {{ ref('int_enrolment') }} as enrolment on mark.enrolment_id = enrolment.enrolment_id
inner join {{ ref('int_slice_fingerprint') }} as slice on mark.slice_fingerprint = slice.slice_fingerprint
