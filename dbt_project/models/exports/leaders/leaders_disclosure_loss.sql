{{ config(alias='disclosure_loss') }}
select
    academic_year,
    table_name,
    level,
    reason,
    cells,
    hidden,
    percent_hidden,
    is_over_limit
from {{ source('disclosure', 'loss') }}
where tier = 'leaders'
