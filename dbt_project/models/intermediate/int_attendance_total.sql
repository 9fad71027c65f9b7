-- A total names a pupil, a school and a term: it is the stay's in which the pupil was on roll for most days that it tells of. Two totals of
-- one school, under a LAESTAB of each of its times, are not added up: the newer one counts. A total of no session tells nothing.
with stay as (
    select
        enrolment.enrolment_id,
        enrolment.pupil_key,
        enrolment.school_key,
        enrolment.academic_year,
        span.laestab,
        {{ later('enrolment.on_roll_from', 'span.valid_from') }} as on_roll_from,
        {{ earlier('enrolment.on_roll_until', 'span.valid_to') }} as on_roll_until
    from {{ ref('int_enrolment_year') }} as enrolment
    inner join {{ ref('int_school_span') }} as span on enrolment.school_key = span.school_key
),

there as (
    select
        total.*,
        stay.enrolment_id,
        stay.school_key,
        {{ later('stay.on_roll_from', 'term.start_date') }} as first_day,
        {{ earlier('stay.on_roll_until', add_days('total.told_until', 1)) }} as until_day
    from {{ ref('stg_attendance_total') }} as total
    inner join {{ ref('academic_period') }} as term
        on total.academic_year = term.academic_year and total.term = term.period and term.is_term
    inner join stay
        on total.pupil_key = stay.pupil_key
            and total.laestab = stay.laestab
            and total.academic_year = stay.academic_year
    where total.is_current and total.possible > 0
),

placed as (
    select
        *,
        row_number() over (
            partition by laestab, academic_year, term, pupil_key
            order by {{ days_between('first_day', 'until_day') }} desc, first_day desc, enrolment_id
        ) as preference
    from there
    where first_day < until_day
),

newest as (
    select
        *,
        row_number() over (
            partition by school_key, academic_year, term, pupil_key
            order by extracted_at desc, {{ days_between('first_day', 'until_day') }} desc, delivery_id desc
        ) as recency
    from placed
    where preference = 1
)

select
    academic_year,
    term,
    school_key,
    pupil_key,
    enrolment_id,
    delivery_id,
    laestab,
    told_until,
    possible,
    attended,
    authorised,
    unauthorised,
    late
from newest
where recency = 1
