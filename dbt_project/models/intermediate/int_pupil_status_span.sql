{%- set every_series = var('registry')['status_series'] -%}
-- The last list of the year up to a day says a pupil's status on it, and before the first list of the year the first: a list of the year
-- before says nothing of this one. Whom no list of the year names has one status, that of the census (int_pupil_year).
with preferred as (
    select
        pupil_key,
        {{ academic_year('as_at_date') }} as academic_year,
        as_at_date,
        {%- for series in every_series %}
        {{ status_expression(series) }} as status_{{ series['dimension'] }},
        {%- endfor %}
        row_number() over (
            partition by pupil_key, as_at_date order by case when counts_on_roll then 0 else 1 end, school_key
        ) as preference
    from {{ ref('int_pupil_observation') }}
),

listed as (
    select
        *,
        lag(as_at_date) over (partition by academic_year, pupil_key order by as_at_date) as listed_before,
        lead(as_at_date) over (partition by academic_year, pupil_key order by as_at_date) as listed_next
    from preferred
    where preference = 1
),

named as (
    select distinct
        academic_year,
        pupil_key
    from listed
)

select
    academic_year,
    pupil_key,
    case when listed_before is null then {{ academic_year_start('academic_year') }} else as_at_date end as span_from,
    coalesce(listed_next, {{ add_days(academic_year_end('academic_year'), 1) }}) as span_until
    {%- for series in every_series %},
    status_{{ series['dimension'] }}
    {%- endfor %}
from listed
union all
select
    pupil_year.academic_year,
    pupil_year.pupil_key,
    {{ academic_year_start('pupil_year.academic_year') }} as span_from,
    {{ add_days(academic_year_end('pupil_year.academic_year'), 1) }} as span_until
    {%- for series in every_series %},
    pupil_year.status_{{ series['dimension'] }}
    {%- endfor %}
from {{ ref('int_pupil_year') }} as pupil_year
left join named on pupil_year.academic_year = named.academic_year and pupil_year.pupil_key = named.pupil_key
where named.pupil_key is null
