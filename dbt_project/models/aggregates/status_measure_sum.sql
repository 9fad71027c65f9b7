{{ config(tags=['step_1']) }}
with stay as (
    select *
    from {{ ref('status_stay') }}
),

{{ attendance_measure_sums(none, sliced=false) }}
