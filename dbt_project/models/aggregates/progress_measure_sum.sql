{{ config(tags=['step_2']) }}
with pupil as (
    select
        academic_year,
        measure_id,
        school_key,
        pupil_key,
        case when in_measure then residual end as number
    from {{ ref('progress_pupil') }}
)

{{ mean_measure_sums('pupil') }}
