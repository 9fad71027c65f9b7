{{ config(tags=['step_1']) }}
-- The URN is the one the school had on the last day on roll, or on the as-of day.
select
    enrolment.enrolment_key,
    enrolment.pupil_key,
    enrolment.school_key,
    span.urn,
    enrolment.entry_date,
    enrolment.entry_date_basis,
    enrolment.leaving_date,
    enrolment.leaving_date_basis,
    enrolment.enrol_status,
    enrolment.nc_year,
    enrolment.reg_group,
    enrolment.last_listed
from {{ ref('int_enrolment') }} as enrolment
inner join {{ ref('int_school_span') }} as span
    on enrolment.laestab = span.laestab
        and {{ earlier(later(add_days('enrolment.on_roll_until', -1), 'enrolment.entry_date'), as_of()) }} >= span.valid_from
        and {{ earlier(later(add_days('enrolment.on_roll_until', -1), 'enrolment.entry_date'), as_of()) }} < span.valid_to
