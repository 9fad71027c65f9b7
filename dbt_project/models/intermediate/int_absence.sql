{{ config(materialized='incremental', incremental_strategy='replace_slices', on_schema_change='fail', post_hook="{{ record_slices() }}") }}
-- Absences alone are read mark by mark, and they are few; what lies between two of them is counted from the bits of the weeks.
-- Absences before which equally many sessions were attended or missing have none of either between them: they are one spell.
with slice as (
    select *
    from {{ ref('int_slice_fingerprint') }}
    where {{ slices_to_build() }}
),

-- A week in which one term ends and the next begins has a row for each.
week as (
    select
        enrolment_id,
        slice_fingerprint,
        week_start,
        bit_or(attended_bits) as attended_bits,
        bit_or(absent_bits) as absent_bits,
        bit_or(missing_bits) as missing_bits
    from {{ ref('int_enrolment_week') }}
    where {{ slices_to_build() }}
    group by enrolment_id, slice_fingerprint, week_start
),

counted as (
    select
        *,
        {{ count_bits('attended_bits') }} as attended,
        {{ count_bits('absent_bits') }} as absent,
        {{ count_bits('missing_bits') }} as missing
    from week
),

placed as (
    select
        *,
        {%- for kind in ['attended', 'absent', 'missing'] %}
        coalesce(
            sum({{ kind }}) over (
                partition by enrolment_id, slice_fingerprint order by week_start rows between unbounded preceding and 1 preceding
            ), 0
        ) as {{ kind }}_before,
        {%- endfor %}
        sum(attended + absent) over (partition by enrolment_id, slice_fingerprint) as possible_of_year
    from counted
),

absence as (
    select
        mark.enrolment_id,
        mark.session_date,
        mark.session,
        mark.code,
        mark.is_authorised,
        {{ week_start('mark.session_date') }} as week_start,
        {{ session_bit('mark.session_date', 'mark.session') }} - 1 as earlier_bits,
        mark.slice_fingerprint
    from {{ ref('int_session_judgement') }} as mark
    inner join slice on mark.slice_fingerprint = slice.slice_fingerprint
    where mark.is_authorised or mark.is_unauthorised
),

numbered as (
    select
        absence.*,
        placed.possible_of_year,
        placed.attended_before + {{ count_bits(bits_and('placed.attended_bits', 'absence.earlier_bits')) }} as attended_before,
        placed.absent_before + {{ count_bits(bits_and('placed.absent_bits', 'absence.earlier_bits')) }} as absent_before,
        placed.missing_before + {{ count_bits(bits_and('placed.missing_bits', 'absence.earlier_bits')) }} as missing_before
    from absence
    inner join placed
        on absence.enrolment_id = placed.enrolment_id
            and absence.slice_fingerprint = placed.slice_fingerprint
            and absence.week_start = placed.week_start
)

select
    numbered.enrolment_id,
    slice.school_key,
    slice.academic_year,
    numbered.session_date,
    numbered.session,
    numbered.code,
    {{ absence_reason('numbered.code') }} as reason,
    numbered.is_authorised,
    school_day.day_no,
    cast(numbered.attended_before as integer) as attended_before,
    cast(numbered.attended_before + numbered.missing_before as integer) as broken_before,
    cast(numbered.attended_before + numbered.absent_before + 1 as integer) as possible_no,
    numbered.attended_before + numbered.absent_before + 1 = numbered.possible_of_year as is_last_recorded,
    numbered.slice_fingerprint
from numbered
inner join slice on numbered.slice_fingerprint = slice.slice_fingerprint
inner join {{ ref('int_school_day_number') }} as school_day
    on slice.school_key = school_day.school_key
        and slice.academic_year = school_day.academic_year
        and numbered.session_date = school_day.session_date
