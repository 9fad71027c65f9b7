{{ config(alias='measure_value') }}
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
    mart.phase,
    mart.n,
    mart.numerator,
    mart.denominator,
    mart.value,
    mart.ci_low,
    mart.ci_high,
    mart.interval_method,
    mart.coverage,
    mart.status
from {{ ref('measure_value') }} as mart
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
    held.phase,
    held.n,
    held.numerator,
    held.denominator,
    held.value,
    held.ci_low,
    held.ci_high,
    held.interval_method,
    held.coverage,
    held.status
from {{ ref('basis_unit_value') }} as held
{{ published_rows('measure_value', ['academic_year', 'period', 'level', 'unit_code', 'measure_id', 'definition_version', 'group_definition', 'group_dimension', 'group_value', 'phase', 'n', 'numerator', 'denominator', 'value', 'ci_low', 'ci_high', 'interval_method', 'coverage', 'status']) }}
