{{ config(tags=['step_1']) }}
-- Every week lies in one half-term, and no session is lost or counted twice between them. Totals of autumn and spring lie in none.
with counted as (
    select
        academic_year,
        enrolment_id,
        sum(case when period like 'HT%' then possible - possible_of_totals else 0 end) as possible_of_halves,
        sum(case when period = 'YTD' then possible - possible_of_totals else 0 end) as possible,
        sum(case when period like 'HT%' then absent - absent_of_totals else 0 end) as absent_of_halves,
        sum(case when period = 'YTD' then absent - absent_of_totals else 0 end) as absent
    from {{ ref('attendance_enrolment_period') }}
    group by academic_year, enrolment_id
)

select *
from counted
where possible_of_halves <> possible or absent_of_halves <> absent
