{%- for group in var('registry')['groups'] %}
select
    academic_year,
    pupil_key,
    '{{ group['dimension'] }}' as group_dimension,
    '{{ group['definition'] }}' as group_definition,
    cast(group_{{ group['dimension'] }} as varchar) as group_value
from {{ ref('int_pupil_year') }}
{% if not loop.last %}union all{% endif %}
{%- endfor %}
