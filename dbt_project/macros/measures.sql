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

{#- The terms of a value-added model in their order: name and expression over the columns of int_progress_input. -#}
{% macro progress_terms(model, with_outcome=true) %}
    {%- set terms = [{'term': 'intercept', 'expression': '1'}, {'term': 'baseline', 'expression': 'baseline'}] -%}
    {%- for covariate in model['covariates'] -%}
        {%- do terms.append({'term': covariate['term'], 'expression': covariate['expression']}) -%}
    {%- endfor -%}
    {%- if with_outcome -%}{%- do terms.append({'term': 'outcome', 'expression': 'outcome'}) -%}{%- endif -%}
    {{ return(terms) }}
{% endmacro %}

{#-
  Sums over pupils of a measure with one number a pupil: denominator 1 each.
  `rows` has academic_year, measure_id, school_key, pupil_key, number.
-#}
{% macro mean_measure_sums(rows) -%}
select
    pupil.academic_year,
    'YTD' as period,
    pupil.school_key,
    pupil.measure_id,
    pupil_group.group_definition,
    pupil_group.group_dimension,
    pupil_group.group_value,
    count(pupil.number) as n,
    coalesce({{ exact_sum('pupil.number') }}, 0) as sum_num,
    cast(count(pupil.number) as decimal(38, 18)) as sum_den,
    coalesce({{ exact_sum('pupil.number * pupil.number') }}, 0) as sum_num_num,
    coalesce({{ exact_sum('pupil.number') }}, 0) as sum_num_den,
    cast(count(pupil.number) as decimal(38, 18)) as sum_den_den,
    count(*) as expected,
    count(pupil.number) as received
from {{ rows }} as pupil
inner join {{ ref('int_pupil_group') }} as pupil_group
    on pupil.academic_year = pupil_group.academic_year and pupil.pupil_key = pupil_group.pupil_key
group by
    pupil.academic_year, pupil.school_key, pupil.measure_id, pupil_group.group_definition, pupil_group.group_dimension,
    pupil_group.group_value
{%- endmacro %}

{#- A value of the registry as a text literal. -#}
{% macro sql_text(value) -%}'{{ value | string | replace("'", "''") }}'{%- endmacro %}
