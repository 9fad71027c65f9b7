{#- The nation whose rules judge a school, by its local authority's code: the registry says which codes are whose. -#}
{% macro nation_of_la(la_code) -%}
    {%- set nations = var('registry')['nations'] -%}
    case
    {%- for part in nations['la_codes'] %}
        when {{ la_code }} between {{ sql_text(part['first']) }} and {{ sql_text(part['last']) }} then {{ sql_text(part['nation']) }}
    {%- endfor %}
        else {{ sql_text(nations['default']) }}
    end
{%- endmacro %}
