{{ config(alias='progress_school') }}
-- What the public tier tells of: the mart, but for what its ledger holds back.
select
    mart.academic_year,
    mart.measure_id,
    mart.school_key,
    mart.urn,
    mart.n,
    mart.coverage,
    mart.raw_mean,
    mart.shrunken,
    mart.reliability,
    mart.raw_ci_low,
    mart.raw_ci_high,
    mart.shrunken_se,
    mart.shrunken_ci_low,
    mart.shrunken_ci_high,
    mart.probability_above,
    mart.dfe_band,
    mart.status
from {{ ref('progress_school') }} as mart
left join {{ source('ledger', 'standing') }} as standing
    on mart.academic_year = standing.academic_year and mart.measure_id = standing.measure_id
where standing.measure_id is null
{{ published_rows('progress_school', ['academic_year', 'measure_id', 'school_key', 'urn', 'n', 'coverage', 'raw_mean', 'shrunken', 'reliability', 'raw_ci_low', 'raw_ci_high', 'shrunken_se', 'shrunken_ci_low', 'shrunken_ci_high', 'probability_above', 'dfe_band', 'status']) }}
