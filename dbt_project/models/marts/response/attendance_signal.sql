{{ config(tags=['step_1']) }}
{%- set places = var('registry')['responses']['pupils_in_queue_per_school_and_day'] -%}
{%- set in_time = var('registry')['responses']['action_answers_within_school_days'] -%}
-- A pupil takes one place a day, by the first of the rules that signal; where two are alike a lot drawn for the day decides.
with signal as (
    select
        raised.*,
        enrolment.enrolment_key,
        enrolment.pupil_key,
        school.urn,
        row_number() over (
            partition by raised.school_key, raised.signal_date
            order by
                {{ rule_order('raised.rule_id') }},
                coalesce(raised.sessions, raised.spells) desc,
                {{ bigint_hash("concat(cast(enrolment.pupil_key as varchar), '|', cast(raised.signal_date as varchar))") }},
                enrolment.enrolment_key
        ) as signal_order
    from {{ ref('int_attendance_signal') }} as raised
    inner join {{ ref('int_enrolment') }} as enrolment on raised.enrolment_id = enrolment.enrolment_id
    inner join {{ ref('dim_school') }} as school on raised.school_key = school.school_key
),

first_of_pupil as (
    select
        *,
        min(signal_order) over (partition by school_key, signal_date, pupil_key) as pupil_order
    from signal
),

placed as (
    select
        *,
        dense_rank() over (partition by school_key, signal_date order by pupil_order) as queue_place
    from first_of_pupil
),

-- A day without school stands at the school day before it.
action as (
    select
        span.school_key,
        done.pupil_key,
        school_day.academic_year,
        done.intervention,
        done.start_date,
        max(school_day.day_no) as day_no
    from {{ ref('stg_intervention') }} as done
    inner join {{ ref('int_school_span') }} as span
        on done.laestab = span.laestab and done.start_date >= span.valid_from and done.start_date < span.valid_to
    inner join {{ ref('int_school_day_number') }} as school_day
        on span.school_key = school_day.school_key
            and {{ academic_year('done.start_date') }} = school_day.academic_year
            and done.start_date >= school_day.session_date
    where done.is_current
    group by span.school_key, done.pupil_key, school_day.academic_year, done.intervention, done.start_date
),

answered as (
    select
        placed.rule_id,
        placed.enrolment_key,
        placed.signal_date,
        action.intervention,
        action.start_date,
        action.day_no - placed.day_no as school_days,
        row_number() over (
            partition by placed.rule_id, placed.enrolment_key, placed.signal_date
            order by action.start_date, action.intervention
        ) as preference
    from placed
    inner join action
        on placed.school_key = action.school_key
            and placed.pupil_key = action.pupil_key
            and placed.academic_year = action.academic_year
            and placed.signal_date <= action.start_date
            and action.day_no - placed.day_no <= {{ in_time }}
)

select
    placed.rule_id,
    placed.enrolment_key,
    placed.signal_date,
    placed.academic_year,
    placed.pupil_key,
    placed.school_key,
    placed.urn,
    {{ rule_name('placed.rule_id') }} as rule_name,
    placed.evidence_from,
    placed.spells,
    placed.sessions,
    placed.possible,
    placed.spell_starts,
    cast(placed.queue_place as integer) as queue_place,
    placed.queue_place <= {{ places }} as is_in_queue,
    answered.intervention as action_taken,
    answered.start_date as action_date,
    cast(answered.school_days as integer) as school_days_to_action
from placed
left join answered
    on placed.rule_id = answered.rule_id
        and placed.enrolment_key = answered.enrolment_key
        and placed.signal_date = answered.signal_date
        and answered.preference = 1
