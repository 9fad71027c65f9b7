{{ config(materialized='incremental', incremental_strategy='replace_slices', on_schema_change='fail', post_hook="{{ record_slices() }}") }}
-- A school day is one on which a register holds a session that some pupil could attend, or one that the calendar has open and
-- of which no register came. A day on which nobody could come in (a closed site) is none.
with slice as (
    select *
    from {{ ref('int_slice_fingerprint') }}
    where {{ slices_to_build() }}
),

week as (
    select
        school_key,
        academic_year,
        week_start,
        bit_or({{ bits_or('attended_bits', 'absent_bits') }}) as possible_bits
    from {{ ref('int_enrolment_week') }}
    where {{ slices_to_build() }}
    group by school_key, academic_year, week_start
),

weekday as (
    {%- for weekday in range(1, 8) %}
    select {{ weekday }} as weekday {{ "union all" if not loop.last }}
    {%- endfor %}
),

covered as (
    select distinct
        day.school_key,
        day.session_date
    from {{ ref('int_school_day') }} as day
    inner join {{ source('lake', 'delivery_day') }} as came
        on day.delivery_id = came.delivery_id and day.session_date = came.session_date
    where came.n_rows > 0
),

school_day as (
    select
        week.school_key,
        week.academic_year,
        {{ add_days('week.week_start', 'weekday.weekday - 1') }} as session_date
    from week
    inner join weekday on {{ bits_and('week.possible_bits', session_bits_between('weekday.weekday', 'weekday.weekday')) }} > 0
    union
    select
        calendar.school_key,
        calendar.academic_year,
        calendar.session_date
    from {{ ref('int_calendar_session') }} as calendar
    left join covered on calendar.school_key = covered.school_key and calendar.session_date = covered.session_date
    where calendar.is_open and covered.session_date is null
)

select
    school_day.school_key,
    school_day.academic_year,
    school_day.session_date,
    cast(
        row_number() over (
            partition by school_day.school_key, school_day.academic_year order by school_day.session_date
        ) as integer
    ) as day_no,
    slice.slice_fingerprint
from school_day
inner join slice on school_day.school_key = slice.school_key and school_day.academic_year = slice.academic_year
