{{ config(alias='gap') }}
-- What the public tier tells of: the mart, but for what its ledger holds back.
select
    mart.academic_year,
    mart.period,
    mart.level,
    mart.unit_code,
    mart.measure_id,
    mart.definition_version,
    mart.group_definition,
    mart.group_dimension,
    mart.group_value,
    mart.comparator,
    mart.n_group,
    mart.n_comparator,
    mart.value_group,
    mart.value_comparator,
    mart.gap,
    mart.ci_low,
    mart.ci_high,
    mart.interval_method,
    mart.effect_size,
    mart.within_school,
    mart.between_school,
    mart.undecomposed,
    mart.placebo_share,
    mart.coverage,
    mart.status
from {{ ref('gap') }} as mart
left join {{ source('ledger', 'apart_year') }} as apart
    on mart.academic_year = apart.academic_year and {{ measure_case('source_model', 'mart.measure_id') }} = 'attendance'
left join {{ source('ledger', 'standing') }} as standing
    on mart.academic_year = standing.academic_year and mart.measure_id = standing.measure_id
where standing.measure_id is null and apart.academic_year is null
union all
select
    held.academic_year,
    held.period,
    held.level,
    held.unit_code,
    held.measure_id,
    held.definition_version,
    held.group_definition,
    held.group_dimension,
    held.group_value,
    held.comparator,
    held.n_group,
    held.n_comparator,
    held.value_group,
    held.value_comparator,
    held.gap,
    held.ci_low,
    held.ci_high,
    held.interval_method,
    held.effect_size,
    held.within_school,
    held.between_school,
    held.undecomposed,
    held.placebo_share,
    held.coverage,
    held.status
from {{ ref('basis_unit_gap') }} as held
{{ published_rows('gap', ['academic_year', 'period', 'level', 'unit_code', 'measure_id', 'definition_version', 'group_definition', 'group_dimension', 'group_value', 'comparator', 'n_group', 'n_comparator', 'value_group', 'value_comparator', 'gap', 'ci_low', 'ci_high', 'interval_method', 'effect_size', 'within_school', 'between_school', 'undecomposed', 'placebo_share', 'coverage', 'status']) }}
