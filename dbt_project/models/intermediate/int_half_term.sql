-- A half-term begins on a Monday, or with its term: so a week of a term lies in one of them.
select
    half.academic_year,
    half.period as half_term,
    term.period as term,
    {{ week_start('half.start_date') }} as from_week,
    {{ add_days(week_start('half.end_date'), 7) }} as until_week
from {{ ref('academic_period') }} as half
inner join {{ ref('academic_period') }} as term
    on half.academic_year = term.academic_year
        and term.is_term
        and half.start_date >= term.start_date
        and half.end_date <= term.end_date
where half.period like 'HT%'
