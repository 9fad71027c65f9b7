-- Marks win: where a register gives a pupil one possible session in a school's term, the total is not counted. Sessions that a register
-- says were not possible (a day of snow) stand beside the total, and came by the register.
-- What was expected is what the calendar holds of the stay; it stands in the weeks too, as expected of a register that did not come.
with school_term as (
    select distinct
        school_key,
        academic_year,
        term
    from {{ ref('int_attendance_total') }}
    where not exceeds_calendar
),

week as (
    select
        week_of_stay.school_key,
        week_of_stay.academic_year,
        week_of_stay.term,
        week_of_stay.pupil_key,
        week_of_stay.enrolment_id,
        sum(week_of_stay.expected) as expected,
        sum(week_of_stay.received) as received,
        sum(week_of_stay.possible) as possible
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
    where possible > 0
),

counted as (
    select total.*
    from {{ ref('int_attendance_total') }} as total
    left join registered
        on total.school_key = registered.school_key
            and total.academic_year = registered.academic_year
            and total.term = registered.term
            and total.pupil_key = registered.pupil_key
    where registered.pupil_key is null and not total.exceeds_calendar
),

-- Once a total of the school counts, it was to tell of every pupil of whom no register says anything.
answered as (
    select distinct
        week.school_key,
        week.academic_year,
        week.term,
        week.pupil_key
    from week
    left join counted
        on week.school_key = counted.school_key
            and week.academic_year = counted.academic_year
            and week.term = counted.term
            and week.pupil_key = counted.pupil_key
    where (week.received > 0 or week.possible > 0) and counted.pupil_key is null
),

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
    left join answered
        on week.school_key = answered.school_key
            and week.academic_year = answered.academic_year
            and week.term = answered.term
            and week.pupil_key = answered.pupil_key
    where answered.pupil_key is null and week.expected > 0
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

told as (
    select
        stay.enrolment_id,
        stay.academic_year,
        stay.term,
        stay.school_key,
        stay.pupil_key,
        sum(open_day.sessions) as sessions
    from stay
    inner join counted
        on stay.school_key = counted.school_key
            and stay.academic_year = counted.academic_year
            and stay.term = counted.term
            and stay.pupil_key = counted.pupil_key
    inner join {{ ref('int_enrolment_year') }} as enrolment
        on stay.enrolment_id = enrolment.enrolment_id and stay.academic_year = enrolment.academic_year
    inner join {{ ref('int_open_day') }} as open_day
        on stay.school_key = open_day.school_key
            and stay.academic_year = open_day.academic_year
            and stay.term = open_day.term
            and open_day.session_date >= enrolment.on_roll_from
            and open_day.session_date < enrolment.on_roll_until
            and open_day.session_date <= counted.told_until
    -- Under another LAESTAB the school's totals would tell of the days of its own.
    inner join {{ ref('int_school_span') }} as span
        on counted.school_key = span.school_key
            and counted.laestab = span.laestab
            and open_day.session_date >= span.valid_from
            and open_day.session_date < span.valid_to
    where stay.expected > 0
    group by stay.enrolment_id, stay.academic_year, stay.term, stay.school_key, stay.pupil_key
),

-- The day on which a file came says how far it tells at most, not at least: no total is of more sessions than the largest of its school
-- and term, and nobody's is taken to be. What came by register is not told again.
most as (
    select
        school_key,
        academic_year,
        term,
        max(possible) as possible
    from counted
    group by school_key, academic_year, term
),

untold as (
    select
        told.enrolment_id,
        told.academic_year,
        told.term,
        most.possible as most,
        sum({{ later('told.sessions - coalesce(week.received, 0)', '0') }}) over (
            partition by told.school_key, told.academic_year, told.term, told.pupil_key
            order by told.enrolment_id
            rows between unbounded preceding and current row
        ) as until_stay,
        {{ later('told.sessions - coalesce(week.received, 0)', '0') }} as of_stay
    from told
    inner join most
        on told.school_key = most.school_key and told.academic_year = most.academic_year and told.term = most.term
    left join week
        on told.enrolment_id = week.enrolment_id and told.academic_year = week.academic_year and told.term = week.term
),

came as (
    select
        enrolment_id,
        academic_year,
        term,
        {{ earlier('until_stay', 'most') }} - {{ earlier('until_stay - of_stay', 'most') }} as sessions
    from untold
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
    cast(coalesce(came.sessions, 0) as integer) as received,
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
left join came
    on stay.enrolment_id = came.enrolment_id and stay.academic_year = came.academic_year and stay.term = came.term
