{{ config(tags=['step_1']) }}
with spell as (
    select
        academic_year,
        enrolment_key,
        sum(authorised) as authorised,
        sum(unauthorised) as unauthorised
    from {{ ref('absence_spell') }}
    group by academic_year, enrolment_key
)

select
    attendance.academic_year,
    attendance.enrolment_key
from {{ ref('attendance_enrolment_year') }} as attendance
left join spell
    on attendance.academic_year = spell.academic_year and attendance.enrolment_key = spell.enrolment_key
where attendance.authorised <> coalesce(spell.authorised, 0) or attendance.unauthorised <> coalesce(spell.unauthorised, 0)
