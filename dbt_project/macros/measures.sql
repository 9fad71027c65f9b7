{#- Measures of the registry, rendered into SQL. No model holds a threshold, a numerator or a denominator of its own. -#}

{% macro measures_of(source_model) %}
    {{ return(var('registry')['measures'] | selectattr('source_model', 'equalto', source_model) | list) }}
{% endmacro %}

{% macro measure(measure_id) %}
    {{ return(var('registry')['measures'] | selectattr('measure_id', 'equalto', measure_id) | first) }}
{% endmacro %}

{#- The measure that owns a flag column, such as is_persistent_absent. -#}
{% macro flag_condition(flag, alias='') -%}
    {%- set owner = var('registry')['measures'] | selectattr('flag', 'defined') | selectattr('flag', 'equalto', flag) | first -%}
    {{ boundary_condition(owner['boundary'], alias) }}
{%- endmacro %}

{#- At or over the boundary, in integers; without a denominator nobody is. -#}
{% macro boundary_condition(boundary, alias='') -%}
    {%- set prefix = alias ~ '.' if alias else '' -%}
    ({{ prefix }}{{ boundary['denominator'] }} > 0
        and {{ prefix }}{{ boundary['numerator'] }} * 100 >= {{ boundary['percent'] }} * {{ prefix }}{{ boundary['denominator'] }})
{%- endmacro %}

{#- Numerator and denominator of an enrolment. -#}
{% macro measure_numerator(measure) -%}
    {%- if measure['kind'] == 'proportion' -%}
        case when {{ boundary_condition(measure['boundary']) }} then 1 else 0 end
    {%- else -%}
        {{ measure['numerator'] }}
    {%- endif -%}
{%- endmacro %}
{% macro measure_denominator(measure) -%}
    {%- if measure['kind'] == 'proportion' -%}
        case when {{ measure['boundary']['denominator'] }} > 0 then 1 else 0 end
    {%- else -%}
        {{ measure['denominator'] }}
    {%- endif -%}
{%- endmacro %}

{#- `when measure_id = … then …` over the registry, for a property of a measure. -#}
{% macro measure_case(property, column='measure_id') -%}
    case {{ column }}
    {%- for m in var('registry')['measures'] %} when '{{ m['measure_id'] }}' then {% if m[property] is number %}{{ m[property] }}{% else %}'{{ m[property] }}'{% endif %}{% endfor %} end
{%- endmacro %}

{#- Rates are 0 to 100; means stay in their unit. -#}
{% macro measure_scale(column='measure_id') -%}
    case {{ column }}
    {%- for m in var('registry')['measures'] %} when '{{ m['measure_id'] }}' then {{ 100 if m['unit'] == 'percent' else 1 }}{% endfor %} end
{%- endmacro %}

{% macro exact_sum(expression) -%}
    cast(sum({{ expression }}) as decimal(38, 18))
{%- endmacro %}
