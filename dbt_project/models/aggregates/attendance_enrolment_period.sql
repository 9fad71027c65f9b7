{{ config(tags=['step_1'], materialized='incremental', incremental_strategy='replace_slices', on_schema_change='append_new_columns', post_hook="{{ record_slices() }}") }}
with term as (
    select
        enrolment_id,
        pupil_key,
        school_key,
        academic_year,
        term,
        slice_fingerprint,
        sum(expected) as expected,
        sum(received) as received,
        sum(possible) as possible,
        sum(attended) as attended,
        sum(authorised) as authorised,
        sum(unauthorised) as unauthorised,
        sum(late) as late,
        sum(missing) as missing,
        sum(possible_days) as possible_days,
        sum(absent_days) as absent_days,
        sum(part_absent_days) as part_absent_days
    from {{ ref('int_enrolment_week') }}
    where {{ slices_to_build() }}
    group by enrolment_id, pupil_key, school_key, academic_year, term, slice_fingerprint
),

period as (
    select
        term as period,
        term.*
    from term
    union all
    select
        'YTD' as period,
        term.*
    from term
)

select
    academic_year,
    period,
    enrolment_id,
    pupil_key,
    school_key,
    cast(sum(expected) as integer) as expected,
    cast(sum(received) as integer) as received,
    cast(sum(possible) as integer) as possible,
    cast(sum(attended) as integer) as attended,
    cast(sum(authorised) as integer) as authorised,
    cast(sum(unauthorised) as integer) as unauthorised,
    cast(sum(authorised) + sum(unauthorised) as integer) as absent,
    cast(sum(late) as integer) as late,
    cast(sum(missing) as integer) as missing,
    cast(sum(possible_days) as integer) as possible_days,
    cast(sum(absent_days) as integer) as absent_days,
    cast(sum(part_absent_days) as integer) as part_absent_days,
    slice_fingerprint
from period
group by academic_year, period, enrolment_id, pupil_key, school_key, slice_fingerprint
