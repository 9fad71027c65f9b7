{{ config(materialized='incremental', incremental_strategy='replace_slices', on_schema_change='fail', post_hook="{{ record_slices() }}") }}
with open_session as (
    select distinct
        school_key,
        urn,
        academic_year,
        term,
        week_start,
        session_date,
        session
    from {{ ref('int_calendar_session') }}
    where is_open
),

lacking as (
    select *
    from {{ ref('int_enrolment_week') }}
    where absent_row_bits > 0 and {{ slices_to_build() }}
)

select
    lacking.enrolment_id,
    open_session.session_date,
    open_session.session,
    min(open_session.urn) as urn,
    lacking.slice_fingerprint
from lacking
inner join open_session
    on lacking.school_key = open_session.school_key
        and lacking.academic_year = open_session.academic_year
        and lacking.term = open_session.term
        and lacking.week_start = open_session.week_start
where {{ bits_and('lacking.absent_row_bits', session_bit('open_session.session_date', 'open_session.session')) }} > 0
group by lacking.enrolment_id, open_session.session_date, open_session.session, lacking.slice_fingerprint
