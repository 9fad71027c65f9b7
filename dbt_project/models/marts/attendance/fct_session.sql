{{ config(materialized='view', tags=['step_1']) }}
{%- for model in ['int_session_mark', 'int_session_missing'] %}
select
    enrolment_key,
    session_date,
    session,
    pupil_key,
    school_key,
    urn,
    academic_year,
    code,
    category,
    is_possible,
    is_attended,
    is_authorised,
    is_unauthorised,
    is_late,
    is_missing,
    enrolment_id,
    slice_fingerprint
from {{ ref(model) }}
{% if not loop.last %}union all{% endif %}
{%- endfor %}
