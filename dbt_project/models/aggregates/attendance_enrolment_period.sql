{{ config(tags=['step_1'], materialized='incremental', incremental_strategy='replace_slices', on_schema_change='append_new_columns', post_hook="{{ record_slices() }}") }}
-- Of a term without a register totals stand in place of its marks: what was expected stays in the weeks and so in the half-terms, of
-- which a total tells nothing. Late sessions that a total does not give are not known, and no sum with them is.
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
),

counted as (
    select
        half.academic_year,
        period.period,
        half.enrolment_id,
        half.pupil_key,
        half.school_key,
        half.expected,
        half.received,
        half.possible,
        half.attended,
        half.authorised,
        half.unauthorised,
        half.late,
        half.missing,
        half.possible_days,
        half.absent_days,
        half.part_absent_days,
        0 as expected_of_totals,
        0 as received_of_totals,
        0 as possible_of_totals,
        0 as absent_of_totals,
        half.slice_fingerprint
    from half
    inner join {{ ref('int_half_term_period') }} as period
        on half.academic_year = period.academic_year and half.half_term = period.half_term
    union all
    select
        total.academic_year,
        period.period,
        total.enrolment_id,
        total.pupil_key,
        total.school_key,
        0 as expected,
        total.received,
        total.possible,
        total.attended,
        total.authorised,
        total.unauthorised,
        case when total.is_total then total.late else 0 end as late,
        -total.received as missing,
        0 as possible_days,
        0 as absent_days,
        0 as part_absent_days,
        total.expected as expected_of_totals,
        total.received as received_of_totals,
        total.possible as possible_of_totals,
        total.authorised + total.unauthorised as absent_of_totals,
        slice.slice_fingerprint
    from {{ ref('int_term_total') }} as total
    inner join {{ ref('int_term_period') }} as period
        on total.academic_year = period.academic_year and total.term = period.term
    inner join {{ ref('int_slice_fingerprint') }} as slice
        on total.school_key = slice.school_key and total.academic_year = slice.academic_year
    where {{ slices_to_build('total') }}
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
    cast(case when count(late) = count(*) then sum(late) end as integer) as late,
    cast(sum(missing) as integer) as missing,
    cast(sum(possible_days) as integer) as possible_days,
    cast(sum(absent_days) as integer) as absent_days,
    cast(sum(part_absent_days) as integer) as part_absent_days,
    cast(sum(expected_of_totals) as integer) as expected_of_totals,
    cast(sum(received_of_totals) as integer) as received_of_totals,
    cast(sum(possible_of_totals) as integer) as possible_of_totals,
    cast(sum(absent_of_totals) as integer) as absent_of_totals,
    slice_fingerprint
from counted
group by academic_year, period, enrolment_id, pupil_key, school_key, slice_fingerprint
