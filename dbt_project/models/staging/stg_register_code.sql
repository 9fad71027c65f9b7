-- A withdrawn code keeps its old category until another row of the same code takes over.
select
    nation,
    code,
    valid_from,
    coalesce(
        {{ add_days('lead(valid_from) over (partition by nation, code order by valid_from)', -1) }},
        cast('9999-12-31' as date)
    ) as judged_until,
    category,
    possible = 1 as is_possible,
    attended = 1 as is_attended,
    authorised = 1 as is_authorised,
    unauthorised = 1 as is_unauthorised,
    late = 1 as is_late
from {{ ref('register_code') }}
