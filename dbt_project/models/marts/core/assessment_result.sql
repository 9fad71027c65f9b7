{{ config(tags=['step_1']) }}
{%- set scales = var('registry')['scales'] -%}
-- Of several results for one natural key the newest extract holds. What is not a score never becomes a number.
with scored as (
    select
        person.pupil_key,
        result.*,
        delivery.extracted_at,
        row_number() over (
            partition by person.pupil_key, result.assessment_id, result.subject, result.component, result.result_date
            order by delivery.extracted_at desc, delivery.delivery_id desc, result.line desc
        ) as recency
    from {{ ref('stg_assessment_result') }} as result
    inner join {{ ref('stg_delivery') }} as delivery on result.delivery_id = delivery.delivery_id
    inner join {{ ref('int_pupil_ref') }} as person on result.pupil_ref = person.pupil_ref
    where not delivery.is_held
),

in_force as (
    select
        scored.*,
        scored.numeric_value is not null
        and upper(trim(coalesce(scored.raw_result, ''))) not in (
            {%- for mark in var('registry')['non_scores'] %}'{{ mark }}'{{ ", " if not loop.last }}{% endfor -%}
        ) as is_score
    from scored
    where scored.recency = 1
),

enrolled as (
    select
        in_force.pupil_key,
        in_force.result_date,
        enrolment.school_key,
        row_number() over (
            partition by in_force.pupil_key, in_force.result_date
            order by
                case
                    when in_force.result_date between enrolment.entry_date and {{ add_days('enrolment.on_roll_until', -1) }} then 0
                    else 1
                end,
                case when enrolment.counts_on_roll then 0 else 1 end,
                abs({{ days_between('enrolment.entry_date', 'in_force.result_date') }}),
                enrolment.school_key
        ) as preference
    from in_force
    inner join {{ ref('int_enrolment') }} as enrolment on in_force.pupil_key = enrolment.pupil_key
    where in_force.laestab is null
)

select
    in_force.pupil_key,
    in_force.assessment_id,
    in_force.subject,
    in_force.component,
    in_force.result_date,
    in_force.academic_year,
    coalesce(span.school_key, enrolled.school_key) as school_key,
    in_force.raw_result,
    case when in_force.is_score then in_force.numeric_value end as numeric_value,
    in_force.scale_id,
    cast(
        case
            when not in_force.is_score then null
            {%- for scale in scales if 'mean' in scale and 'sd' in scale %}
            when in_force.scale_id = '{{ scale['scale_id'] }}'
                then round((in_force.numeric_value - {{ scale['mean'] }}) / {{ scale['sd'] }}, 9)
            {%- endfor %}
        end as decimal(18, 9)
    ) as z_value,
    in_force.is_score,
    in_force.delivery_id
from in_force
left join {{ ref('int_school_span') }} as span
    on in_force.laestab = span.laestab
        and in_force.result_date >= span.valid_from
        and in_force.result_date < span.valid_to
left join (select distinct pupil_key, result_date, school_key from enrolled where preference = 1) as enrolled
    on in_force.pupil_key = enrolled.pupil_key and in_force.result_date = enrolled.result_date
