{{ config(tags=['step_1']) }}
with pupil as (
    select
        academic_year,
        measure_id,
        school_key,
        pupil_key,
        z_value as number
    from {{ ref('int_outcome') }}
    where measure_id in (
        {%- for measure in measures_of('attainment') %}'{{ measure['measure_id'] }}'{{ ", " if not loop.last }}{% endfor -%}
    )
)

{{ mean_measure_sums('pupil') }}
