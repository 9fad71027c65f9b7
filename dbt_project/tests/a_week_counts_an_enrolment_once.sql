{{ config(tags=['step_1']) }}
-- Also where one term ends and the next begins within the week: a share's denominator is enrolments with possible sessions.
with enrolled as (
    select
        academic_year,
        school_key,
        {{ iso_week_label('week_start') }} as period,
        count(distinct enrolment_id) as n_enrolments
    from {{ ref('int_enrolment_week') }}
    where possible > 0
    group by academic_year, school_key, {{ iso_week_label('week_start') }}
)

select
    total.academic_year,
    total.school_key,
    total.period
from {{ ref('attendance_measure_sum') }} as total
left join enrolled
    on total.academic_year = enrolled.academic_year
        and total.school_key = enrolled.school_key
        and total.period = enrolled.period
where total.period like 'W%'
    and total.group_dimension = 'all'
    and total.measure_id = 'persistent_absence_rate'
    and total.sum_den <> coalesce(enrolled.n_enrolments, 0)
