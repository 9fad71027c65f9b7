{#- How a row of a pupil list is judged for a series of status: by the groups' own expression where it names one. -#}
{% macro status_expression(series) -%}
    {%- if 'group' in series -%}
        {{ (var('registry')['groups'] | selectattr('dimension', 'equalto', series['group']) | first)['expression'] }}
    {%- else -%}
        {{ series['expression'] }}
    {%- endif -%}
{%- endmacro %}

{#- The place of a status among its series' values, in which the first counts for a pupil who had several. -#}
{% macro status_rank(series, column) -%}
    case {{ column }}
    {%- for entry in series['values'] %} when '{{ entry['value'] }}' then {{ loop.index }}{% endfor %} else {{ series['values'] | length + 1 }} end
{%- endmacro %}

{#- The status that stands at a place. -#}
{% macro status_of_rank(series, rank) -%}
    case {{ rank }}
    {%- for entry in series['values'] %} when {{ loop.index }} then '{{ entry['value'] }}'{% endfor %} else 'unknown' end
{%- endmacro %}
