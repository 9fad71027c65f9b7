select
    delivery_id,
    line,
    laestab,
    pupil_ref,
    assessment_id,
    subject,
    coalesce(component, 'total') as component,
    raw_result,
    numeric_value,
    scale_id,
    result_date,
    {{ academic_year('result_date') }} as academic_year
from {{ ref('raw_assessment_results') }}
where result_date <= {{ as_of() }}
