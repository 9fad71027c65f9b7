{{ config(tags=['step_1']) }}
select
    spell.academic_year,
    enrolment.enrolment_key,
    spell.start_date,
    spell.start_session,
    enrolment.pupil_key,
    spell.school_key,
    school.urn,
    spell.end_date,
    spell.end_session,
    spell.sessions,
    spell.authorised,
    spell.unauthorised,
    spell.school_days,
    spell.main_reason,
    spell.attended_before,
    spell.is_open
from {{ ref('int_absence_spell') }} as spell
inner join {{ ref('int_enrolment') }} as enrolment on spell.enrolment_id = enrolment.enrolment_id
inner join {{ ref('dim_school') }} as school on spell.school_key = school.school_key
