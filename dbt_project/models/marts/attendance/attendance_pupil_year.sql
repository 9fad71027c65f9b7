{{ config(tags=['step_1']) }}
-- The school named is the one where the pupil had most sessions, by registers or totals, then was on roll for most days; the sums run over
-- every school.
with attendance as (
    select
        academic_year,
        pupil_key,
        max(nc_year) as nc_year,
        cast(count(distinct school_key) as integer) as n_schools,
        cast(sum(expected) as integer) as expected,
        cast(sum(received) as integer) as received,
        cast(sum(possible) as integer) as possible,
        cast(sum(attended) as integer) as attended,
        cast(sum(authorised) as integer) as authorised,
        cast(sum(unauthorised) as integer) as unauthorised,
        cast(sum(absent) as integer) as absent,
        cast(case when count(late) = count(*) then sum(late) end as integer) as late,
        cast(sum(missing) as integer) as missing
    from {{ ref('attendance_enrolment_year') }}
    group by academic_year, pupil_key
),

main_school as (
    select
        attendance_year.academic_year,
        attendance_year.pupil_key,
        attendance_year.school_key,
        attendance_year.urn,
        row_number() over (
            partition by attendance_year.academic_year, attendance_year.pupil_key
            order by
                attendance_year.possible desc,
                attendance_year.expected desc,
                {{ days_between('enrolment.on_roll_from', 'enrolment.on_roll_until') }} desc,
                enrolment.on_roll_from desc,
                attendance_year.enrolment_key
        ) as preference
    from {{ ref('attendance_enrolment_year') }} as attendance_year
    inner join {{ ref('int_enrolment_year') }} as enrolment
        on attendance_year.academic_year = enrolment.academic_year
            and attendance_year.enrolment_key = enrolment.enrolment_key
)

select
    attendance.academic_year,
    attendance.pupil_key,
    main_school.school_key,
    main_school.urn,
    attendance.nc_year,
    attendance.n_schools,
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
from attendance
inner join main_school
    on attendance.academic_year = main_school.academic_year and attendance.pupil_key = main_school.pupil_key
where main_school.preference = 1
