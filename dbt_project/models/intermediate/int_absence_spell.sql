{{ config(materialized='incremental', incremental_strategy='replace_slices', on_schema_change='fail', post_hook="{{ record_slices() }}") }}
with absence as (
    select *
    from {{ ref('int_absence') }}
    where {{ slices_to_build() }}
),

reason_of_spell as (
    select
        enrolment_id,
        academic_year,
        broken_before,
        reason,
        count(*) as sessions,
        min(possible_no) as first_no
    from absence
    group by enrolment_id, academic_year, broken_before, reason
),

ranked as (
    select
        *,
        row_number() over (
            partition by enrolment_id, academic_year, broken_before order by sessions desc, first_no
        ) as preference
    from reason_of_spell
),

spell as (
    select
        enrolment_id,
        school_key,
        academic_year,
        broken_before,
        slice_fingerprint,
        min(session_date) as start_date,
        min_by(session, possible_no) as start_session,
        max(session_date) as end_date,
        max_by(session, possible_no) as end_session,
        cast(count(*) as integer) as sessions,
        cast({{ sum_if('is_authorised') }} as integer) as authorised,
        cast({{ sum_if('not is_authorised') }} as integer) as unauthorised,
        cast(max(day_no) - min(day_no) + 1 as integer) as school_days,
        min(attended_before) as attended_before,
        max(case when is_last_recorded then 1 else 0 end) = 1 as is_open
    from absence
    group by enrolment_id, school_key, academic_year, broken_before, slice_fingerprint
)

select
    spell.academic_year,
    spell.enrolment_id,
    spell.school_key,
    spell.start_date,
    spell.start_session,
    spell.end_date,
    spell.end_session,
    spell.sessions,
    spell.authorised,
    spell.unauthorised,
    spell.school_days,
    ranked.reason as main_reason,
    spell.attended_before,
    spell.is_open,
    spell.slice_fingerprint
from spell
inner join ranked
    on spell.enrolment_id = ranked.enrolment_id
        and spell.academic_year = ranked.academic_year
        and spell.broken_before = ranked.broken_before
where ranked.preference = 1
