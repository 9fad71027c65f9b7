{{ config(tags=['step_1']) }}
select
    attendance.academic_year,
    enrolment.enrolment_key,
    attendance.pupil_key,
    attendance.school_key,
    school.urn,
    person.nc_year,
    attendance.expected,
    attendance.received,
    attendance.possible,
    attendance.attended,
    attendance.authorised,
    attendance.unauthorised,
    attendance.absent,
    attendance.late,
    attendance.missing,
    {{ flag_condition('is_persistent_absent', 'attendance') }} as is_persistent_absent,
    {{ flag_condition('is_severely_absent', 'attendance') }} as is_severely_absent
from {{ ref('attendance_enrolment_period') }} as attendance
inner join {{ ref('int_enrolment') }} as enrolment on attendance.enrolment_id = enrolment.enrolment_id
inner join {{ ref('dim_school') }} as school on attendance.school_key = school.school_key
left join {{ ref('int_pupil_year') }} as person
    on attendance.academic_year = person.academic_year and attendance.pupil_key = person.pupil_key
where attendance.period = 'YTD'
