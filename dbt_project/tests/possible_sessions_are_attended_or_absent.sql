{{ config(tags=['step_1']) }}
select
    academic_year,
    enrolment_key
from {{ ref('attendance_enrolment_year') }}
where possible <> attended + authorised + unauthorised or absent <> authorised + unauthorised or received > expected
