{{ config(tags=['step_2']) }}
{%- do ref('measure') %}{# its key is tested against it, so it has to be built before #}
{%- set models = var('registry')['value_added'] -%}
-- Expected is the model's fixed part: no school's own effect enters it.
with
{%- for model in models %}
{%- set terms = progress_terms(model, with_outcome=false) %}
coefficient_{{ loop.index }} as (
    select
        academic_year,
        {%- for term in terms %}
        max(case when term = '{{ term['term'] }}' then estimate end) as estimate_{{ loop.index }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ source('fits', 'progress_coefficient') }}
    where measure_id = '{{ model['measure_id'] }}'
    group by academic_year
),

expected_{{ loop.index }} as (
    select
        pupil.*,
        {% for term in terms -%}
        {{ " + " if not loop.first }}coefficient.estimate_{{ loop.index }} * cast({{ term['expression'] }} as double)
        {%- endfor %} as fixed_part
    from {{ ref('int_progress_input') }} as pupil
    left join coefficient_{{ loop.index }} as coefficient on pupil.academic_year = coefficient.academic_year
    where pupil.measure_id = '{{ model['measure_id'] }}'
),
{% endfor %}
expected as (
    {%- for model in models %}
    select *
    from expected_{{ loop.index }}
    {{ "union all" if not loop.last }}
    {%- endfor %}
)

select
    expected.academic_year,
    expected.measure_id,
    expected.pupil_key,
    expected.school_key,
    school.urn,
    expected.baseline,
    expected.outcome,
    cast(round(expected.fixed_part, 9) as decimal(18, 9)) as expected,
    case
        when expected.in_measure then expected.outcome - cast(round(expected.fixed_part, 9) as decimal(18, 9))
    end as residual,
    expected.in_measure and expected.fixed_part is not null as in_measure,
    case
        when expected.in_measure and expected.fixed_part is null then 'model: no fit'
        else expected.exclusion_reason
    end as exclusion_reason
from expected
inner join {{ ref('dim_school') }} as school on expected.school_key = school.school_key
