{{ config(alias='measure_sum') }}
-- Attendance of the years of which the public tier does not hold all that came, from the records it holds.
-- A pupil is or is not persistently absent over a whole period, so the weeks of a period add up before anything is judged.
with counted as (
    {{ weeks_by_period(
        source('ledger', 'basis_week'),
        ['school_key', 'pupil_key', 'expected', 'received', 'possible', 'attended', 'authorised', 'unauthorised', 'late'],
        with_totals=true
    ) }}
),

stay as (
    select
        academic_year,
        period,
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
    from counted
    group by academic_year, period, school_key, pupil_key
),

{{ attendance_measure_sums(source('ledger', 'basis_group'), of_school=true, sliced=false) }}
