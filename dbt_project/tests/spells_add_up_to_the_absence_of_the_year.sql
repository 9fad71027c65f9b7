{{ config(tags=['step_1']) }}
-- Totals have no spells.
with spell as (
    select
        academic_year,
        enrolment_key,
        sum(authorised) as authorised,
        sum(unauthorised) as unauthorised
    from {{ ref('absence_spell') }}
    group by academic_year, enrolment_key
),

total as (
    select
        academic_year,
        enrolment_key,
        sum(authorised) as authorised,
        sum(unauthorised) as unauthorised
    from {{ ref('int_term_total') }}
    group by academic_year, enrolment_key
)

select
    attendance.academic_year,
    attendance.enrolment_key
from {{ ref('attendance_enrolment_year') }} as attendance
left join spell
    on attendance.academic_year = spell.academic_year and attendance.enrolment_key = spell.enrolment_key
left join total
    on attendance.academic_year = total.academic_year and attendance.enrolment_key = total.enrolment_key
where attendance.authorised <> coalesce(spell.authorised, 0) + coalesce(total.authorised, 0)
    or attendance.unauthorised <> coalesce(spell.unauthorised, 0) + coalesce(total.unauthorised, 0)
