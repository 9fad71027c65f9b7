{{ config(tags=['step_2']) }}
{%- do ref('measure') %}{# its key is tested against it, so it has to be built before #}
{%- set minimum = var('registry')['reliability']['minimum_pupils_for_progress'] -%}
with population as (
    select
        academic_year,
        measure_id,
        school_key,
        count(*) as n_expected,
        {{ sum_if('in_measure') }} as n_measured
    from {{ ref('progress_pupil') }}
    group by academic_year, measure_id, school_key
),

fitted as (
    select
        school.*,
        model.status as model_status
    from {{ source('fits', 'progress_school') }} as school
    inner join {{ source('fits', 'progress_model') }} as model
        on school.academic_year = model.academic_year and school.measure_id = model.measure_id
    where model.method = (
        case school.measure_id
            {%- for model in var('registry')['value_added'] %} when '{{ model['measure_id'] }}' then '{{ model['method'] }}'{% endfor %} end
    )
),

judged as (
    select
        population.academic_year,
        population.measure_id,
        population.school_key,
        dim.urn,
        cast(population.n_measured as bigint) as n,
        100 * cast(population.n_measured as double) / population.n_expected as coverage,
        fitted.raw_mean,
        fitted.raw_ci_low,
        fitted.raw_ci_high,
        fitted.shrunken,
        fitted.shrunken_se,
        fitted.shrunken_ci_low,
        fitted.shrunken_ci_high,
        fitted.reliability,
        fitted.probability_above,
        case
            when population.n_measured = 0 then 'x'
            when fitted.model_status is null or fitted.model_status <> 'ok' then 'u'
            when population.n_measured < {{ minimum }} then 'u'
            when 100 * population.n_measured < {{ var('registry')['coverage']['withhold_below_percent'] }} * population.n_expected then 'u'
            else 'ok'
        end as status
    from population
    inner join {{ ref('dim_school') }} as dim on population.school_key = dim.school_key
    left join fitted
        on population.academic_year = fitted.academic_year
            and population.measure_id = fitted.measure_id
            and population.school_key = fitted.school_key
)

select
    academic_year,
    measure_id,
    school_key,
    urn,
    n,
    {{ round_sig('coverage') }} as coverage,
    {%- for estimate in ['raw_mean', 'shrunken', 'reliability'] %}
    {{ round_sig('cast(' ~ estimate ~ ' as double)') }} as {{ estimate }},
    {%- endfor %}
    {%- for bound in ['raw_ci_low', 'raw_ci_high', 'shrunken_se', 'shrunken_ci_low', 'shrunken_ci_high', 'probability_above'] %}
    case when status = 'ok' then {{ round_sig('cast(' ~ bound ~ ' as double)') }} end as {{ bound }},
    {%- endfor %}
    'z' as dfe_band,
    status
from judged
