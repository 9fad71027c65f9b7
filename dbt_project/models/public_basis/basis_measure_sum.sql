{{ config(alias='measure_sum') }}
-- Attendance of the years of which the public tier does not hold all that came, from the records it holds.
with term as (
    select
        academic_year,
        term,
        week_start,
        school_key,
        pupil_key,
        expected,
        received,
        possible,
        attended,
        authorised,
        unauthorised,
        authorised + unauthorised as absent,
        late
    from {{ source('ledger', 'basis_week') }}
),

stay as (
    {%- for period in ['term', "'YTD'", iso_week_label('week_start')] %}
    select
        {{ period }} as period,
        term.*
    from term
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

{{ attendance_measure_sums(source('ledger', 'basis_group'), of_school=true, sliced=false) }}
