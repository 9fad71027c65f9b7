{{ config(tags=['step_1']) }}
{%- for m in var('registry')['measures'] %}
select
    {{ sql_text(m['measure_id']) }} as measure_id,
    cast({{ m['definition_version'] }} as integer) as definition_version,
    {{ sql_text(m['name']) }} as name,
    {{ sql_text(m['topic']) }} as topic,
    {{ sql_text(m['kind']) }} as kind,
    {{ sql_text(m['unit']) }} as unit,
    {{ sql_text(m['numerator_text']) }} as numerator,
    {{ sql_text(m['denominator_text']) }} as denominator,
    {% if 'boundary' in m -%}
        {{ sql_text(m['boundary']['numerator'] ~ ' is ' ~ m['boundary']['percent'] ~ '% or more of ' ~ m['boundary']['denominator']) }}
    {%- else -%}
        cast(null as varchar)
    {%- endif %} as boundary,
    {{ sql_text(m['population']) }} as population,
    cast({{ m['minimum_n']['public'] }} as integer) as minimum_n,
    cast({{ m['minimum_n']['leaders'] }} as integer) as minimum_n_leaders,
    {{ sql_text(m['direction']) }} as direction,
    {{ sql_text(m['source']) }} as source,
    {{ sql_text(m['valid_from'] ~ (' to ' ~ m['valid_to'] if 'valid_to' in m else ' on')) }} as valid_years
{{ "union all" if not loop.last }}
{%- endfor %}
