{{ config(tags=['step_2']) }}
{%- do ref('measure') %}{# its key is tested against it, so it has to be built before #}
select
    academic_year,
    measure_id,
    method,
    cast(n_pupils as bigint) as n_pupils,
    cast(n_schools as bigint) as n_schools,
    cast(coefficients as varchar) as coefficients,
    {{ round_sig('cast(var_school as double)') }} as var_school,
    {{ round_sig('cast(var_pupil as double)') }} as var_pupil,
    {{ round_sig('cast(icc as double)') }} as icc,
    {{ round_sig('cast(deviance as double)') }} as deviance,
    status,
    status_reason
from {{ source('fits', 'progress_model') }}
