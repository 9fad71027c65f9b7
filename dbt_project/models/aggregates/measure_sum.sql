{{ config(tags=['step_2'], materialized='view') }}
{%- for model in ['attendance_measure_sum', 'attainment_measure_sum', 'progress_measure_sum'] %}
select
    academic_year,
    period,
    school_key,
    measure_id,
    group_definition,
    group_dimension,
    group_value,
    n,
    sum_num,
    sum_den,
    sum_num_num,
    sum_num_den,
    sum_den_den,
    expected,
    received
from {{ ref(model) }}
{% if not loop.last %}union all{% endif %}
{%- endfor %}
