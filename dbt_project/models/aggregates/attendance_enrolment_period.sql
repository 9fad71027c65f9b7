{{ config(tags=['step_1'], materialized='incremental', incremental_strategy='replace_slices', on_schema_change='append_new_columns', post_hook="{{ record_slices() }}") }}
with half as (
    select
        week.enrolment_id,
        week.pupil_key,
        week.school_key,
        week.academic_year,
        half_term.half_term,
        week.slice_fingerprint,
        sum(week.expected) as expected,
        sum(week.received) as received,
        sum(week.possible) as possible,
        sum(week.attended) as attended,
        sum(week.authorised) as authorised,
        sum(week.unauthorised) as unauthorised,
        sum(week.late) as late,
        sum(week.missing) as missing,
        sum(week.possible_days) as possible_days,
        sum(week.absent_days) as absent_days,
        sum(week.part_absent_days) as part_absent_days
    from {{ ref('int_enrolment_week') }} as week
    {{ join_half_term('week', 'half_term') }}
    where {{ slices_to_build('week') }}
    group by
        week.enrolment_id, week.pupil_key, week.school_key, week.academic_year, half_term.half_term, week.slice_fingerprint
)

select
    half.academic_year,
    period.period,
    half.enrolment_id,
    half.pupil_key,
    half.school_key,
    cast(sum(half.expected) as integer) as expected,
    cast(sum(half.received) as integer) as received,
    cast(sum(half.possible) as integer) as possible,
    cast(sum(half.attended) as integer) as attended,
    cast(sum(half.authorised) as integer) as authorised,
    cast(sum(half.unauthorised) as integer) as unauthorised,
    cast(sum(half.authorised) + sum(half.unauthorised) as integer) as absent,
    cast(sum(half.late) as integer) as late,
    cast(sum(half.missing) as integer) as missing,
    cast(sum(half.possible_days) as integer) as possible_days,
    cast(sum(half.absent_days) as integer) as absent_days,
    cast(sum(half.part_absent_days) as integer) as part_absent_days,
    half.slice_fingerprint
from half
inner join {{ ref('int_half_term_period') }} as period
    on half.academic_year = period.academic_year and half.half_term = period.half_term
group by half.academic_year, period.period, half.enrolment_id, half.pupil_key, half.school_key, half.slice_fingerprint
