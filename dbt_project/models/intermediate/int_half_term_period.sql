-- Five and six half-terms are counted once the last of them is over: until then they are the year to date under another name.
select
    half.academic_year,
    half.half_term,
    span.period
from {{ ref('int_half_term') }} as half
inner join {{ ref('academic_period') }} as own on half.academic_year = own.academic_year and half.half_term = own.period
inner join {{ ref('academic_period') }} as span
    on own.academic_year = span.academic_year
        and own.start_date >= span.start_date
        and own.end_date <= span.end_date
where span.period not in ('Y5', 'Y6') or span.end_date < {{ as_of() }}
