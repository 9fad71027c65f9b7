{{ config(tags=['step_1']) }}
-- What a code adds to possible sessions is attended, authorised or unauthorised, once.
select code
from {{ ref('register_code') }}
where possible <> attended + authorised + unauthorised or aea > attended or late > 1
