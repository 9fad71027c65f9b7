{{ config(tags=['step_1']) }}
-- Per school and year: rows of registers in force = marks + superseded + not on roll + merged.
with in_force as (
    select
        day.school_key,
        day.academic_year,
        sum(came.n_rows) as n_rows
    from {{ ref('int_school_day') }} as day
    inner join {{ source('lake', 'delivery_day') }} as came
        on day.delivery_id = came.delivery_id and day.session_date = came.session_date
    group by day.school_key, day.academic_year
),

accounted as (
    select
        slice.school_key,
        slice.academic_year,
        count(*) as n_rows
    from {{ ref('int_session_mark') }} as mark
    inner join {{ ref('int_slice_fingerprint') }} as slice on mark.slice_fingerprint = slice.slice_fingerprint
    where not mark.is_quarantined
    group by slice.school_key, slice.academic_year
    union all
    select
        school_key,
        academic_year,
        n_not_on_roll + n_merged as n_rows
    from {{ ref('int_session_unplaced') }}
    union all
    select
        school_key,
        academic_year,
        n_rows
    from {{ ref('int_session_superseded') }}
),

total as (
    select
        school_key,
        academic_year,
        sum(n_rows) as n_rows
    from accounted
    group by school_key, academic_year
)

select
    coalesce(in_force.school_key, total.school_key) as school_key,
    coalesce(in_force.academic_year, total.academic_year) as academic_year
from in_force
full outer join total on in_force.school_key = total.school_key and in_force.academic_year = total.academic_year
where coalesce(in_force.n_rows, 0) <> coalesce(total.n_rows, 0)
