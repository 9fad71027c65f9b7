{{ config(tags=['step_1']) }}
{%- set models = var('registry')['value_added'] -%}
-- Everything that the likelihood of pupils in schools needs, in one pass over the pupils.
with
{%- for model in models %}
{%- set terms = progress_terms(model) %}
term_{{ loop.index }} as (
    select
        academic_year,
        measure_id,
        school_key,
        {%- for term in terms %}
        cast({{ term['expression'] }} as decimal(18, 9)) as term_{{ loop.index }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ ref('int_progress_input') }}
    where measure_id = '{{ model['measure_id'] }}' and in_measure
),

wide_{{ loop.index }} as (
    select
        academic_year,
        measure_id,
        school_key,
        {%- for row_term in terms %}
        {%- set row_index = loop.index %}
        {%- set last_row = loop.last %}
        {%- for column_term in terms[row_index - 1:] %}
        {{ exact_sum('term_' ~ row_index ~ ' * term_' ~ (row_index + loop.index - 1)) }} as product_{{ row_index }}_{{ row_index + loop.index - 1 }}{{ "," if not (last_row and loop.last) }}
        {%- endfor %}
        {%- endfor %}
    from term_{{ loop.index }}
    group by academic_year, measure_id, school_key
){{ "," if not loop.last }}
{% endfor %}
{% for model in models %}
{%- set terms = progress_terms(model) %}
{%- set model_index = loop.index %}
{%- set last_model = loop.last %}
{%- for row_term in terms %}
{%- set row_index = loop.index %}
{%- set last_row = loop.last %}
{%- for column_term in terms[row_index - 1:] %}
select
    academic_year,
    measure_id,
    school_key,
    '{{ row_term['term'] }}' as row_term,
    '{{ column_term['term'] }}' as column_term,
    product_{{ row_index }}_{{ row_index + loop.index - 1 }} as cross_product
from wide_{{ model_index }}
{{ "union all" if not (last_model and last_row and loop.last) }}
{% endfor %}
{%- endfor %}
{%- endfor %}
