{#- A unit's figures with their intervals and status, from its sums. -#}
{% macro measure_values(units) -%}
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
    from {{ units }} as unit
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
{%- endmacro %}

{#- The gaps between a unit's groups, with their parts; `sums` are its schools'. -#}
{% macro gaps(units, sums) -%}
{%- set limits = var('registry') -%}
{%- set compared = var('registry')['groups'] | selectattr('gap', 'defined') | list -%}
-- gap = comparator - group. Within-school part: the schools' own gaps, weighted by the group's pupils over the schools that have both.
-- Between: the comparator's rate where the comparators are less where the group is, about the comparator's overall rate;
-- undecomposed: the schools with one side.
-- The three add up to the gap (Oaxaca 1973, International Economic Review 14: 693-709, with the comparator's rates as the standard).
with pair as (
    {%- for group in compared %}
    select
        '{{ group['dimension'] }}' as group_dimension,
        '{{ group['gap']['group'] }}' as group_value,
        '{{ group['gap']['comparator'] }}' as comparator
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

side as (
    select
        unit.*,
        pair.group_value as pair_group,
        pair.comparator as pair_comparator
    from {{ units }} as unit
    inner join pair
        on unit.group_dimension = pair.group_dimension
            and (unit.group_value = pair.group_value or unit.group_value = pair.comparator)
),

both_sides as (
    select
        coalesce(own.academic_year, other.academic_year) as academic_year,
        coalesce(own.period, other.period) as period,
        coalesce(own.level, other.level) as level,
        coalesce(own.unit_code, other.unit_code) as unit_code,
        coalesce(own.measure_id, other.measure_id) as measure_id,
        coalesce(own.group_definition, other.group_definition) as group_definition,
        coalesce(own.group_dimension, other.group_dimension) as group_dimension,
        coalesce(own.pair_group, other.pair_group) as group_value,
        coalesce(own.pair_comparator, other.pair_comparator) as comparator,
        coalesce(own.kind, other.kind) as kind,
        coalesce(own.scale, other.scale) as scale,
        coalesce(own.n, 0) as n_group,
        coalesce(other.n, 0) as n_comparator,
        coalesce(own.n_units, 0) as units_group,
        coalesce(other.n_units, 0) as units_comparator,
        own.ratio as ratio_group,
        other.ratio as ratio_comparator,
        cast(own.denominator as double) as den_group,
        cast(other.denominator as double) as den_comparator,
        own.variance as variance_group,
        other.variance as variance_comparator,
        own.df as df_group,
        other.df as df_comparator,
        own.pupil_variance as spread_group,
        other.pupil_variance as spread_comparator,
        own.wilson_low as wilson_low_group,
        own.wilson_high as wilson_high_group,
        other.wilson_low as wilson_low_comparator,
        other.wilson_high as wilson_high_comparator,
        greatest(coalesce(own.n_strata, 0), coalesce(other.n_strata, 0)) as n_strata,
        100 * cast(coalesce(own.received, 0) + coalesce(other.received, 0) as double)
        / nullif(cast(coalesce(own.expected, 0) + coalesce(other.expected, 0) as double), 0) as coverage
    from (select * from side where group_value = pair_group) as own
    full outer join (select * from side where group_value = pair_comparator) as other
        on own.academic_year = other.academic_year
            and own.period = other.period
            and own.level = other.level
            and own.unit_code = other.unit_code
            and own.measure_id = other.measure_id
            and own.group_dimension = other.group_dimension
),

school_side as (
    select
        total.academic_year,
        total.period,
        unit.level,
        unit.unit_code,
        total.measure_id,
        total.group_dimension,
        total.school_key,
        max(case when total.group_value = pair.group_value then cast(total.sum_num as double) end) as num_group,
        max(case when total.group_value = pair.group_value then cast(total.sum_den as double) end) as den_group,
        max(case when total.group_value = pair.comparator then cast(total.sum_num as double) end) as num_comparator,
        max(case when total.group_value = pair.comparator then cast(total.sum_den as double) end) as den_comparator
    from {{ sums }} as total
    inner join {{ ref('school_unit') }} as unit on total.school_key = unit.school_key
    inner join pair
        on total.group_dimension = pair.group_dimension
            and (total.group_value = pair.group_value or total.group_value = pair.comparator)
    where total.sum_den > 0
    group by
        total.academic_year, total.period, unit.level, unit.unit_code, total.measure_id, total.group_dimension, total.school_key
),

part as (
    select
        whole.academic_year,
        whole.period,
        whole.level,
        whole.unit_code,
        whole.measure_id,
        whole.group_dimension,
        {{ part_sum("school.den_group is not null and school.den_comparator is not null",
            "school.den_group / whole.den_group * (school.num_comparator / school.den_comparator - school.num_group / school.den_group)") }} as within_school,
        {{ part_sum("school.den_group is not null and school.den_comparator is not null",
            "(school.den_comparator / whole.den_comparator - school.den_group / whole.den_group) * (school.num_comparator / school.den_comparator - whole.ratio_comparator)") }} as between_school,
        {{ part_sum("school.den_group is null",
            "school.den_comparator / whole.den_comparator * (school.num_comparator / school.den_comparator - whole.ratio_comparator)") }}
        - {{ part_sum("school.den_comparator is null",
            "school.den_group / whole.den_group * (school.num_group / school.den_group - whole.ratio_comparator)") }} as undecomposed
    from both_sides as whole
    inner join school_side as school
        on whole.academic_year = school.academic_year
            and whole.period = school.period
            and whole.level = school.level
            and whole.unit_code = school.unit_code
            and whole.measure_id = school.measure_id
            and whole.group_dimension = school.group_dimension
    where whole.ratio_group is not null and whole.ratio_comparator is not null
    group by whole.academic_year, whole.period, whole.level, whole.unit_code, whole.measure_id, whole.group_dimension
),

judged as (
    select
        *,
        case
            when ratio_group is null or ratio_comparator is null then 'x'
            when coverage is null or coverage < {{ limits['coverage']['withhold_below_percent'] }} then 'u'
            when units_group < 2 or units_comparator < 2 then 'u'
            -- A side without a spread would lend the gap the other side's variance alone.
            when
                kind <> 'proportion'
                and (df_group < 1 or df_comparator < 1 or variance_group = 0 or variance_comparator = 0)
                then 'u'
            when
                (n_group < {{ limits['reliability']['minimum_pupils_for_progress'] }}
                or n_comparator < {{ limits['reliability']['minimum_pupils_for_progress'] }})
                and {{ measure_case('source_model') }} = 'progress'
                then 'u'
            else 'ok'
        end as status,
        -- Satterthwaite (1946).
        (variance_group + variance_comparator) * (variance_group + variance_comparator)
        / nullif(
            variance_group * variance_group / nullif(df_group, 0) + variance_comparator * variance_comparator / nullif(df_comparator, 0), 0
        ) as df,
        ((units_group - 1) * spread_group + (units_comparator - 1) * spread_comparator)
        / nullif(cast(units_group + units_comparator - 2 as double), 0) as pooled_spread,
        1 - 3 / nullif(cast(4 * (units_group + units_comparator) - 9 as double), 0) as small_sample
    from both_sides
),

estimated as (
    select
        judged.*,
        part.within_school,
        part.between_school,
        part.undecomposed,
        judged.ratio_comparator - judged.ratio_group as difference,
        case
            when judged.status <> 'ok' then null
            when judged.kind = 'proportion'
                then sqrt(
                    (judged.ratio_comparator - judged.wilson_low_comparator) * (judged.ratio_comparator - judged.wilson_low_comparator)
                    + (judged.wilson_high_group - judged.ratio_group) * (judged.wilson_high_group - judged.ratio_group)
                )
            else {{ student_t_quantile('judged.df', 'student') }} * sqrt(judged.variance_group + judged.variance_comparator)
        end as margin_low,
        case
            when judged.status <> 'ok' then null
            when judged.kind = 'proportion'
                then sqrt(
                    (judged.wilson_high_comparator - judged.ratio_comparator) * (judged.wilson_high_comparator - judged.ratio_comparator)
                    + (judged.ratio_group - judged.wilson_low_group) * (judged.ratio_group - judged.wilson_low_group)
                )
            else {{ student_t_quantile('judged.df', 'student') }} * sqrt(judged.variance_group + judged.variance_comparator)
        end as margin_high,
        case
            when judged.status <> 'ok' then null
            when judged.kind = 'proportion' then 2 * asin(sqrt(judged.ratio_comparator)) - 2 * asin(sqrt(judged.ratio_group))
            when judged.pooled_spread > 0
                then judged.small_sample * (judged.ratio_comparator - judged.ratio_group) / sqrt(judged.pooled_spread)
        end as effect
    from judged
    left join {{ ref('int_student_t') }} as student on {{ student_t_key('judged.df') }} = student.df
    left join part
        on judged.academic_year = part.academic_year
            and judged.period = part.period
            and judged.level = part.level
            and judged.unit_code = part.unit_code
            and judged.measure_id = part.measure_id
            and judged.group_dimension = part.group_dimension
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
    comparator,
    cast(n_group as bigint) as n_group,
    cast(n_comparator as bigint) as n_comparator,
    {{ round_sig('ratio_group * scale') }} as value_group,
    {{ round_sig('ratio_comparator * scale') }} as value_comparator,
    {{ round_sig('difference * scale') }} as gap,
    {{ round_sig('(difference - margin_low) * scale') }} as ci_low,
    {{ round_sig('(difference + margin_high) * scale') }} as ci_high,
    case
        when status <> 'ok' then null
        when kind = 'proportion' then 'newcombe'
        when n_strata > 1 then 'linearised_welch_t_stratified_by_school'
        else 'linearised_welch_t'
    end as interval_method,
    {{ round_sig('effect') }} as effect_size,
    {{ round_sig('within_school * scale') }} as within_school,
    {{ round_sig('between_school * scale') }} as between_school,
    {{ round_sig('undecomposed * scale') }} as undecomposed,
    cast(null as double) as placebo_share,
    {{ round_sig('coverage') }} as coverage,
    status
from estimated
{%- endmacro %}

{#- Share and status of what was expected and received. -#}
{% macro coverage_figures() -%}
    {{ round_sig('100 * cast(received as double) / nullif(cast(expected as double), 0)') }} as share,
    case
        when coalesce(expected, 0) = 0 or received = 0 then 'x'
        when 100 * received < {{ var('registry')['coverage']['withhold_below_percent'] }} * expected then 'u'
        else 'ok'
    end as status
{%- endmacro %}
