{{ config(tags=['step_1'], materialized='incremental', incremental_strategy='replace_slices', on_schema_change='fail', post_hook="{{ record_slices() }}") }}
-- Integer sums over pupils: a pupil with two stays in one school is one pupil, whose stays add up.
with stay as (
    select
        academic_year,
        period,
        school_key,
        pupil_key,
        expected,
        received,
        possible,
        attended,
        authorised,
        unauthorised,
        absent,
        late,
        slice_fingerprint
    from {{ ref('attendance_enrolment_period') }}
    where {{ slices_to_build() }}
    union all
    -- A week in which one term ends and the next begins has a row for each: it is one week of the stay.
    select
        academic_year,
        {{ iso_week_label('week_start') }} as period,
        school_key,
        pupil_key,
        sum(expected) as expected,
        sum(received) as received,
        sum(possible) as possible,
        sum(attended) as attended,
        sum(authorised) as authorised,
        sum(unauthorised) as unauthorised,
        sum(authorised) + sum(unauthorised) as absent,
        sum(late) as late,
        slice_fingerprint
    from {{ ref('int_enrolment_week') }}
    where {{ slices_to_build() }}
    group by academic_year, week_start, school_key, pupil_key, enrolment_id, slice_fingerprint
),

{{ attendance_measure_sums(ref('int_pupil_group')) }}
