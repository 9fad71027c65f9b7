{{ config(alias='measure_sum') }}
-- Attendance of the years of which the public tier does not hold all that came, from the records it holds.
-- A pupil is or is not persistently absent over a whole period, so the weeks of a period add up before anything is judged.
with stay as (
    {%- for period in ['term', "'YTD'", iso_week_label('week_start')] %}
    select
        academic_year,
        {{ period }} as period,
        school_key,
        pupil_key,
        sum(expected) as expected,
        sum(received) as received,
        sum(possible) as possible,
        sum(attended) as attended,
        sum(authorised) as authorised,
        sum(unauthorised) as unauthorised,
        sum(authorised) + sum(unauthorised) as absent,
        sum(late) as late
    from {{ source('ledger', 'basis_week') }}
    group by academic_year, school_key, pupil_key{{ {'term': ', term', "'YTD'": ''}.get(period, ', week_start') }}
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

{{ attendance_measure_sums(source('ledger', 'basis_group'), of_school=true, sliced=false) }}
