{{ config(tags=['step_2']) }}
{%- set limits = var('registry') -%}
with judged as (
    select
        unit.*,
        case
            when unit.ratio is null then 'x'
            when unit.coverage is null or unit.coverage < {{ limits['coverage']['withhold_below_percent'] }} then 'u'
            when unit.kind = 'proportion' and unit.n_units < 2 then 'u'
            when unit.kind <> 'proportion' and (unit.df < 1 or unit.variance = 0) then 'u'
            when
                unit.n < {{ limits['reliability']['minimum_pupils_for_progress'] }}
                and {{ measure_case('source_model', 'unit.measure_id') }} = 'progress'
                then 'u'
            else 'ok'
        end as status
    from {{ ref('unit_measure') }} as unit
),

bounded as (
    select
        judged.*,
        case
            when judged.status <> 'ok' then null
            when judged.kind = 'proportion' then judged.wilson_low
            else judged.ratio - {{ student_t_quantile('judged.df', 'student') }} * sqrt(judged.variance)
        end as low,
        case
            when judged.status <> 'ok' then null
            when judged.kind = 'proportion' then judged.wilson_high
            else judged.ratio + {{ student_t_quantile('judged.df', 'student') }} * sqrt(judged.variance)
        end as high
    from judged
    left join {{ ref('int_student_t') }} as student on {{ student_t_key('judged.df') }} = student.df
)

select
    academic_year,
    period,
    level,
    unit_code,
    measure_id,
    cast({{ measure_case('definition_version') }} as integer) as definition_version,
    group_definition,
    group_dimension,
    group_value,
    phase,
    n,
    numerator,
    denominator,
    {{ round_sig('ratio * scale') }} as value,
    {{ round_sig('(' ~ clip_rate('low * scale', 'kind') ~ ')') }} as ci_low,
    {{ round_sig('(' ~ clip_rate('high * scale', 'kind') ~ ')') }} as ci_high,
    case
        when status <> 'ok' then null
        when kind = 'proportion' then 'wilson'
        when n_strata > 1 then 'linearised_t_stratified_by_school'
        else 'linearised_t'
    end as interval_method,
    {{ round_sig('coverage') }} as coverage,
    status
from bounded
