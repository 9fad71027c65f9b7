{%- set models = var('registry')['value_added'] -%}
with candidate as (
    {%- for model in models %}
    select
        outcome.academic_year,
        outcome.measure_id,
        outcome.pupil_key,
        result.z_value,
        row_number() over (
            partition by outcome.academic_year, outcome.measure_id, outcome.pupil_key
            order by result.result_date desc, result.component
        ) as recency
    from {{ ref('int_outcome') }} as outcome
    inner join {{ ref('assessment_result') }} as result
        on outcome.pupil_key = result.pupil_key
            and result.assessment_id = '{{ model['baseline']['assessment_id'] }}'
            and result.subject = '{{ model['baseline']['subject'] }}'
            {%- if model['baseline_within'] == 'same_year' %}
            and outcome.academic_year = result.academic_year
            {%- else %}
            and outcome.result_date > result.result_date
            {%- endif %}
    where outcome.measure_id = '{{ model['measure_id'] }}' and result.z_value is not null
    {{ "union all" if not loop.last }}
    {%- endfor %}
)

select
    outcome.academic_year,
    outcome.measure_id,
    outcome.pupil_key,
    outcome.school_key,
    baseline.z_value as baseline,
    outcome.z_value as outcome,
    person.sex,
    school.school_gender,
    person.nc_year,
    outcome.z_value is not null and baseline.z_value is not null as in_measure,
    case
        when outcome.outcome_state <> 'score' then concat('outcome: ', replace(outcome.outcome_state, '_', ' '))
        when baseline.z_value is null then 'baseline: no score'
    end as exclusion_reason
from {{ ref('int_outcome') }} as outcome
inner join {{ ref('dim_school') }} as school on outcome.school_key = school.school_key
left join candidate as baseline
    on outcome.academic_year = baseline.academic_year
        and outcome.measure_id = baseline.measure_id
        and outcome.pupil_key = baseline.pupil_key
        and baseline.recency = 1
left join {{ ref('int_pupil_year') }} as person
    on outcome.academic_year = person.academic_year and outcome.pupil_key = person.pupil_key
where outcome.measure_id in ({% for model in models %}'{{ model['measure_id'] }}'{{ ", " if not loop.last }}{% endfor %})
