{{ config(materialized='incremental', incremental_strategy='replace_slices', on_schema_change='append_new_columns', post_hook="{{ record_slices() }}") }}
-- What was expected and what came, as bits of the week's fourteen sessions: their difference is what is missing.
with slice as (
    select *
    from {{ ref('int_slice_fingerprint') }}
    where {{ slices_to_build() }}
),

came as (
    select
        mark.enrolment_id,
        slice.academic_year,
        day.term,
        day.week_start,
        count(*) as n_rows,
        bit_or({{ session_bit('mark.session_date', 'mark.session') }}) as row_bits,
        bit_or(case when mark.is_missing then 0 else {{ session_bit('mark.session_date', 'mark.session') }} end) as mark_bits,
        bit_or(case when mark.is_attended then {{ session_bit('mark.session_date', 'mark.session') }} else 0 end) as attended_bits,
        bit_or(
            case when mark.is_authorised or mark.is_unauthorised then {{ session_bit('mark.session_date', 'mark.session') }} else 0 end
        ) as absent_bits,
        {{ sum_if('mark.is_missing') }} as unusable,
        {{ sum_if('mark.is_possible') }} as possible,
        {{ sum_if('mark.is_attended') }} as attended,
        {{ sum_if('mark.is_authorised') }} as authorised,
        {{ sum_if('mark.is_unauthorised') }} as unauthorised,
        {{ sum_if('mark.is_late') }} as late
    from {{ ref('int_session_judgement') }} as mark
    inner join slice on mark.slice_fingerprint = slice.slice_fingerprint
    inner join {{ ref('int_day') }} as day on mark.session_date = day.session_date
    group by mark.enrolment_id, slice.academic_year, day.term, day.week_start
),

open_week as (
    select
        school_key,
        academic_year,
        term,
        week_start,
        min(session_date) as first_date,
        max(session_date) as last_date,
        bit_or({{ session_bit('session_date', 'session') }}) as open_bits
    from {{ ref('int_calendar_session') }}
    where is_open
    group by school_key, academic_year, term, week_start
),

enrolment as (
    select
        enrolment_year.*,
        slice.slice_fingerprint
    from {{ ref('int_enrolment_year') }} as enrolment_year
    inner join slice on enrolment_year.school_key = slice.school_key and enrolment_year.academic_year = slice.academic_year
),

on_roll as (
    select
        enrolment.enrolment_id,
        open_week.term,
        open_week.week_start,
        {{ bits_and(
            'open_week.open_bits',
            session_bits_between(
                iso_weekday(later('enrolment.on_roll_from', 'open_week.first_date')),
                iso_weekday(earlier(add_days('enrolment.on_roll_until', -1), 'open_week.last_date')))) }} as expected_bits
    from enrolment
    inner join open_week
        on enrolment.school_key = open_week.school_key
            and enrolment.academic_year = open_week.academic_year
            and enrolment.on_roll_from <= open_week.last_date
            and enrolment.on_roll_until > open_week.first_date
    where enrolment.counts_on_roll
),

merged as (
    select
        coalesce(came.enrolment_id, on_roll.enrolment_id) as enrolment_id,
        coalesce(came.term, on_roll.term) as term,
        coalesce(came.week_start, on_roll.week_start) as week_start,
        came.academic_year,
        coalesce(on_roll.expected_bits, 0) as expected_bits,
        coalesce(came.row_bits, 0) as row_bits,
        coalesce(came.mark_bits, 0) as mark_bits,
        coalesce(came.attended_bits, 0) as attended_bits,
        coalesce(came.absent_bits, 0) as absent_bits,
        coalesce(came.n_rows, 0) as n_rows,
        coalesce(came.unusable, 0) as unusable,
        coalesce(came.possible, 0) as possible,
        coalesce(came.attended, 0) as attended,
        coalesce(came.authorised, 0) as authorised,
        coalesce(came.unauthorised, 0) as unauthorised,
        coalesce(came.late, 0) as late,
        {{ days_of_bits('coalesce(came.attended_bits, 0)') }} as attended_day_bits,
        {{ days_of_bits('coalesce(came.absent_bits, 0)') }} as absent_day_bits
    from came
    full outer join on_roll
        on came.enrolment_id = on_roll.enrolment_id and came.term = on_roll.term and came.week_start = on_roll.week_start
)

select
    merged.enrolment_id,
    enrolment.pupil_key,
    enrolment.school_key,
    enrolment.academic_year,
    merged.term,
    merged.week_start,
    {{ count_bits('merged.expected_bits') }} as expected,
    {{ count_bits(bits_and('merged.expected_bits', 'merged.mark_bits')) }} as received,
    cast(merged.possible as integer) as possible,
    cast(merged.attended as integer) as attended,
    cast(merged.authorised as integer) as authorised,
    cast(merged.unauthorised as integer) as unauthorised,
    cast(merged.late as integer) as late,
    {{ count_bits('(merged.attended_day_bits | merged.absent_day_bits)') }} as possible_days,
    {{ count_bits(bits_without('merged.absent_day_bits', 'merged.attended_day_bits')) }} as absent_days,
    {{ count_bits(bits_and('merged.absent_day_bits', 'merged.attended_day_bits')) }} as part_absent_days,
    cast(merged.unusable as integer) + {{ count_bits(bits_without('merged.expected_bits', 'merged.row_bits')) }} as missing,
    cast({{ bits_without('merged.expected_bits', 'merged.row_bits') }} as integer) as absent_row_bits,
    cast(merged.attended_bits as integer) as attended_bits,
    cast(merged.absent_bits as integer) as absent_bits,
    cast(
        {{ bits_without('merged.row_bits', 'merged.mark_bits') }}
        + {{ bits_without('merged.expected_bits', 'merged.row_bits') }} as integer
    ) as missing_bits,
    cast(merged.n_rows as integer) as n_rows,
    {{ count_bits('merged.row_bits') }} as n_sessions,
    enrolment.slice_fingerprint
from merged
inner join enrolment
    on merged.enrolment_id = enrolment.enrolment_id
        and merged.week_start > {{ add_days('enrolment.on_roll_from', -7) }}
        and merged.week_start < enrolment.on_roll_until
        and (merged.academic_year is null or merged.academic_year = enrolment.academic_year)
