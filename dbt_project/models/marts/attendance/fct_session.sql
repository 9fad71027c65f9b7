{{ config(materialized='view', tags=['step_1']) }}
-- Expected is what the calendar has open of a stay; a mark of a holiday, or a blank of one, is not. Without a calendar nothing is.
with open_session as (
    select distinct
        school_key,
        session_date,
        session
    from {{ ref('int_calendar_session') }}
    where is_open
),

session_of_enrolment as (
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
    open_session.school_key is not null
    and enrolment.counts_on_roll
    and mark.session_date >= enrolment.entry_date
    and mark.session_date < enrolment.on_roll_until as is_expected,
    mark.enrolment_id,
    mark.slice_fingerprint
from session_of_enrolment as mark
inner join {{ ref('int_enrolment') }} as enrolment on mark.enrolment_id = enrolment.enrolment_id
inner join {{ ref('int_slice_fingerprint') }} as slice on mark.slice_fingerprint = slice.slice_fingerprint
left join open_session
    on enrolment.school_key = open_session.school_key
        and mark.session_date = open_session.session_date
        and mark.session = open_session.session
