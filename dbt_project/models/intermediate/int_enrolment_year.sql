-- On roll from `on_roll_from` until the day before `on_roll_until`, within the year and up to the as-of day.
with clipped as (
    select
        year.academic_year,
        enrolment.enrolment_id,
        enrolment.enrolment_key,
        enrolment.pupil_key,
        enrolment.school_key,
        {{ later('enrolment.entry_date', 'year.start_date') }} as on_roll_from,
        {{ earlier(
            earlier('enrolment.on_roll_until', add_days('year.end_date', 1)),
            add_days(earlier('year.end_date', as_of()), 1)) }} as on_roll_until,
        enrolment.counts_on_roll
    from {{ ref('int_enrolment') }} as enrolment
    inner join {{ ref('int_academic_year') }} as year
        on enrolment.entry_date <= year.end_date and enrolment.on_roll_until > year.start_date
)

select *
from clipped
where on_roll_from < on_roll_until
