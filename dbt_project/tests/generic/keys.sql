{#- No two rows share the key, and no key column but a nullable scope is NULL. -#}
{% test one_row_per(model, columns) %}
select {{ columns | join(', ') }}
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1{% for column in columns %} or {{ column }} is null{% endfor %}
{% endtest %}

{#- Every value that is not NULL stands in the other table. -#}
{% test foreign_key(model, column_name, to, field) %}
select distinct child.{{ column_name }}
from {{ model }} as child
left join (select distinct {{ field }} as parent_key from {{ to }}) as parent
    on child.{{ column_name }} = parent.parent_key
where child.{{ column_name }} is not null and parent.parent_key is null
{% endtest %}
