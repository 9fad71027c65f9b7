{{ config(tags=['step_1']) }}
-- The key of fct_session on the weekly sums: a second row of one session would make rows exceed distinct sessions.
select
    enrolment_id,
    week_start
from {{ ref('int_enrolment_week') }}
where n_rows <> n_sessions
