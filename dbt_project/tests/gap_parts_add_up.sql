{{ config(tags=['step_2']) }}
-- Each part is rounded to nine significant digits, and rates are at most 100.
select
    unit_code,
    measure_id
from {{ ref('gap') }}
where abs(gap - within_school - between_school - undecomposed) > 0.000001
