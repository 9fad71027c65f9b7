{{ config(alias='progress_model') }}
-- What the public tier tells of: the mart, but for what its ledger holds back.
select
    mart.academic_year,
    mart.measure_id,
    mart.method,
    mart.n_pupils,
    mart.n_schools,
    mart.coefficients,
    mart.var_school,
    mart.var_pupil,
    mart.icc,
    mart.deviance,
    mart.status,
    mart.status_reason
from {{ ref('progress_model') }} as mart
left join {{ source('ledger', 'standing') }} as standing
    on mart.academic_year = standing.academic_year and mart.measure_id = standing.measure_id
where standing.measure_id is null
{{ published_rows('progress_model', ['academic_year', 'measure_id', 'method', 'n_pupils', 'n_schools', 'coefficients', 'var_school', 'var_pupil', 'icc', 'deviance', 'status', 'status_reason']) }}
