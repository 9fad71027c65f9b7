-- Marks win: where a register answers one session of a pupil in a school's term, or gives a possible one, the total is not counted.
-- What was expected is what the calendar holds of the stay; it stands in the weeks too, as expected of a register that did not come.
with school_term as (
    select distinct
        school_key,
        academic_year,
        term
    from {{ ref('int_attendance_total') }}
),

week as (
    select
        week_of_stay.school_key,
        week_of_stay.academic_year,
        week_of_stay.term,
        week_of_stay.pupil_key,
        week_of_stay.enrolment_id,
        sum(week_of_stay.expected) as expected,
        sum(week_of_stay.received) + sum(week_of_stay.possible) as came
    from {{ ref('int_enrolment_week') }} as week_of_stay
    inner join school_term
        on week_of_stay.school_key = school_term.school_key
            and week_of_stay.academic_year = school_term.academic_year
            and week_of_stay.term = school_term.term
    group by
        week_of_stay.school_key, week_of_stay.academic_year, week_of_stay.term, week_of_stay.pupil_key, week_of_stay.enrolment_id
),

registered as (
    select distinct
        school_key,
        academic_year,
        term,
        pupil_key
    from week
    where came > 0
),

counted as (
    select total.*
    from {{ ref('int_attendance_total') }} as total
    left join registered
        on total.school_key = registered.school_key
            and total.academic_year = registered.academic_year
            and total.term = registered.term
            and total.pupil_key = registered.pupil_key
    where registered.pupil_key is null
),

-- Once a total of the school counts, it was to tell of every pupil who has no register.
due as (
    select
        week.school_key,
        week.academic_year,
        week.term,
        week.pupil_key,
        week.enrolment_id,
        week.expected
    from week
    inner join (select distinct school_key, academic_year, term from counted) as told
        on week.school_key = told.school_key and week.academic_year = told.academic_year and week.term = told.term
    left join registered
        on week.school_key = registered.school_key
            and week.academic_year = registered.academic_year
            and week.term = registered.term
            and week.pupil_key = registered.pupil_key
    where registered.pupil_key is null and week.expected > 0
    union all
    select
        school_key,
        academic_year,
        term,
        pupil_key,
        enrolment_id,
        0 as expected
    from counted
),

stay as (
    select
        school_key,
        academic_year,
        term,
        pupil_key,
        enrolment_id,
        sum(expected) as expected
    from due
    group by school_key, academic_year, term, pupil_key, enrolment_id
),

open_day as (
    select
        school_key,
        academic_year,
        term,
        session_date,
        count(distinct session) as sessions
    from {{ ref('int_calendar_session') }}
    where is_open
    group by school_key, academic_year, term, session_date
),

told as (
    select
        stay.enrolment_id,
        stay.academic_year,
        stay.term,
        sum(open_day.sessions) as sessions
    from stay
    inner join counted
        on stay.school_key = counted.school_key
            and stay.academic_year = counted.academic_year
            and stay.term = counted.term
            and stay.pupil_key = counted.pupil_key
    inner join {{ ref('int_enrolment_year') }} as enrolment
        on stay.enrolment_id = enrolment.enrolment_id and stay.academic_year = enrolment.academic_year
    inner join open_day
        on stay.school_key = open_day.school_key
            and stay.academic_year = open_day.academic_year
            and stay.term = open_day.term
            and open_day.session_date >= enrolment.on_roll_from
            and open_day.session_date < enrolment.on_roll_until
            and open_day.session_date <= counted.told_until
    where stay.expected > 0
    group by stay.enrolment_id, stay.academic_year, stay.term
)

select
    stay.academic_year,
    stay.term,
    stay.enrolment_id,
    enrolment.enrolment_key,
    stay.pupil_key,
    stay.school_key,
    counted.enrolment_id is not null as is_total,
    cast(stay.expected as integer) as expected,
    cast(coalesce(told.sessions, 0) as integer) as received,
    coalesce(counted.possible, 0) as possible,
    coalesce(counted.attended, 0) as attended,
    coalesce(counted.authorised, 0) as authorised,
    coalesce(counted.unauthorised, 0) as unauthorised,
    counted.late
from stay
inner join {{ ref('int_enrolment_year') }} as enrolment
    on stay.enrolment_id = enrolment.enrolment_id and stay.academic_year = enrolment.academic_year
left join counted
    on stay.enrolment_id = counted.enrolment_id and stay.academic_year = counted.academic_year and stay.term = counted.term
left join told
    on stay.enrolment_id = told.enrolment_id and stay.academic_year = told.academic_year and stay.term = told.term
