{%- set outcomes = [] -%}
{%- for measure in measures_of('attainment') -%}
    {%- do outcomes.append({'measure_id': measure['measure_id'], 'assessment': measure['assessment']}) -%}
{%- endfor -%}
{%- for model in var('registry')['value_added'] -%}
    {%- do outcomes.append({'measure_id': model['measure_id'], 'assessment': model['outcome']}) -%}
{%- endfor -%}
-- Who sat the assessment, and who was on the roll of a year group that sat it and has no score.
with wanted as (
    {%- for outcome in outcomes %}
    select
        '{{ outcome['measure_id'] }}' as measure_id,
        '{{ outcome['assessment']['assessment_id'] }}' as assessment_id,
        '{{ outcome['assessment']['subject'] }}' as subject
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

ranked as (
    select
        wanted.measure_id,
        result.*,
        row_number() over (
            partition by wanted.measure_id, result.academic_year, result.pupil_key
            order by case when result.is_score then 0 else 1 end, result.result_date desc, result.component
        ) as recency
    from {{ ref('assessment_result') }} as result
    inner join wanted on result.assessment_id = wanted.assessment_id and result.subject = wanted.subject
    where result.school_key is not null
),

sat as (
    select
        ranked.academic_year,
        ranked.measure_id,
        ranked.pupil_key,
        ranked.school_key,
        ranked.result_date,
        ranked.z_value,
        case
            when ranked.is_score and ranked.z_value is not null then 'score'
            when ranked.is_score then 'no_scale'
            else 'not_a_score'
        end as outcome_state,
        coalesce(person.nc_year, 'unknown') as nc_year
    from ranked
    left join {{ ref('int_pupil_year') }} as person
        on ranked.academic_year = person.academic_year and ranked.pupil_key = person.pupil_key
    where ranked.recency = 1
),

sitting as (
    select
        academic_year,
        measure_id,
        school_key,
        nc_year,
        max(result_date) as result_date
    from sat
    group by academic_year, measure_id, school_key, nc_year
),

on_roll as (
    select
        sitting.academic_year,
        sitting.measure_id,
        enrolment.pupil_key,
        sitting.school_key,
        sitting.result_date,
        row_number() over (
            partition by sitting.academic_year, sitting.measure_id, enrolment.pupil_key
            order by sitting.result_date desc, sitting.school_key
        ) as preference
    from sitting
    inner join {{ ref('int_enrolment') }} as enrolment
        on sitting.school_key = enrolment.school_key
            and enrolment.counts_on_roll
            and enrolment.entry_date <= sitting.result_date
            and enrolment.on_roll_until > sitting.result_date
    inner join {{ ref('int_pupil_year') }} as person
        on sitting.academic_year = person.academic_year
            and enrolment.pupil_key = person.pupil_key
            and sitting.nc_year = coalesce(person.nc_year, 'unknown')
    left join sat
        on sitting.academic_year = sat.academic_year
            and sitting.measure_id = sat.measure_id
            and enrolment.pupil_key = sat.pupil_key
    where sat.pupil_key is null
)

select
    academic_year,
    measure_id,
    pupil_key,
    school_key,
    result_date,
    z_value,
    outcome_state
from sat
union all
select
    academic_year,
    measure_id,
    pupil_key,
    school_key,
    result_date,
    cast(null as decimal(18, 9)) as z_value,
    'no_result' as outcome_state
from on_roll
where preference = 1
