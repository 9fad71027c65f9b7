{{ config(tags=['step_1']) }}
select code
from {{ ref('register_code') }}
where authorised + unauthorised > 0 and {{ absence_reason('code') }} is null
