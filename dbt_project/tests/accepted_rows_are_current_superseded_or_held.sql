{{ config(tags=['step_1']) }}
select delivery_id
from {{ ref('delivery') }}
where rows_accepted <> rows_current + rows_superseded + rows_held or rows_read <> rows_accepted + rows_quarantined
