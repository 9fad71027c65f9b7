-- Five and six half-terms are counted once the last of them is over, as in int_half_term_period. A half of the summer is a half-term
-- too; of autumn and spring a term does not say which half a session lies in.
select
    term.academic_year,
    term.period as term,
    span.period
from {{ ref('academic_period') }} as term
inner join {{ ref('academic_period') }} as span
    on term.academic_year = span.academic_year
        and term.start_date >= span.start_date
        and term.end_date <= span.end_date
where term.is_term and (span.period not in ('Y5', 'Y6') or span.end_date < {{ as_of() }})
