{#- Reasons of absence and rules of early response, of the registry. -#}

{#- The reason that a code of absence stands for; NULL for any other code. -#}
{% macro absence_reason(code) -%}
    case
    {%- for reason in var('registry')['absence_reasons'] %}
        when {{ code }} in (
            {%- for each in reason['codes'] %}{{ sql_text(each) }}{{ ", " if not loop.last }}{% endfor -%}
        ) then {{ sql_text(reason['reason']) }}
    {%- endfor %}
    end
{%- endmacro %}

{#- Whether an absence is one that a rule of early response counts. -#}
{% macro is_counted(rule) -%}
    reason in ({% for reason in rule['reasons'] %}{{ sql_text(reason) }}{{ ", " if not loop.last }}{% endfor %})
    {%- if rule.get('unauthorised_only') %} and not is_authorised{% endif %}
{%- endmacro %}

{#- The place of a rule of early response in the registry. -#}
{% macro rule_order(rule_id) -%}
    case {{ rule_id }}
    {%- for rule in var('registry')['responses']['rules'] %} when {{ sql_text(rule['rule_id']) }} then {{ loop.index }}{% endfor %} end
{%- endmacro %}

{#- The name of a rule of early response. -#}
{% macro rule_name(rule_id) -%}
    case {{ rule_id }}
    {%- for rule in var('registry')['responses']['rules'] %} when {{ sql_text(rule['rule_id']) }} then {{ sql_text(rule['name']) }}{% endfor %} end
{%- endmacro %}

{#- Whether the attendance of `alias` lies below the back-test's percentage, in integers. -#}
{% macro is_below(alias, backtest) -%}
    {{ alias }}.attended * 100 < {{ backtest['below_percent'] }} * {{ alias }}.possible
{%- endmacro %}

{#- 0 to 100; NULL where there is nothing to divide by. -#}
{% macro percentage(part, whole) -%}
    (100 * cast({{ part }} as double) / nullif(cast({{ whole }} as double), 0))
{%- endmacro %}

{#- A property of a rule of early response, by its place in the registry. -#}
{% macro rule_of(rule_no, property) -%}
    case {{ rule_no }}
    {%- for rule in var('registry')['responses']['rules'] %} when {{ loop.index }} then {{ sql_text(rule[property]) }}{% endfor %} end
{%- endmacro %}
