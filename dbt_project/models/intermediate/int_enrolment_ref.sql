{{ config(materialized='view') }}
select
    person.pupil_ref,
    span.laestab,
    enrolment.enrolment_id,
    enrolment.pupil_key,
    enrolment.school_key,
    enrolment.academic_year,
    {{ later('enrolment.on_roll_from', 'span.valid_from') }} as on_roll_from,
    {{ earlier('enrolment.on_roll_until', 'span.valid_to') }} as on_roll_until
from {{ ref('int_enrolment_year') }} as enrolment
inner join {{ ref('int_pupil_ref') }} as person on enrolment.pupil_key = person.pupil_key
inner join {{ ref('int_school_span') }} as span on enrolment.school_key = span.school_key
