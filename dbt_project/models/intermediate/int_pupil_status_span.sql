{%- set every_series = var('registry')['status_series'] -%}
-- The last list of the year up to a day that tells a status says it, and before the first such list that one: a list of the year before
-- says nothing of this one, and a blank says nothing. A row of a pupil who had left by the day of the list counts only where no list has
-- the pupil on roll: the old school goes on listing who is at the next. Of whom no list of the year tells, the status is the census rule's.
with observed as (
    select
        pupil_key,
        school_key,
        {{ academic_year('as_at_date') }} as academic_year,
        as_at_date,
        counts_on_roll,
        coalesce(leaving_date < as_at_date, false) as has_left
        {%- for series in every_series %},
        {{ status_expression(series) }} as status_{{ series['dimension'] }}
        {%- endfor %}
    from {{ ref('int_pupil_observation') }}
),

told as (
    {%- for series in every_series %}
    select
        academic_year,
        pupil_key,
        '{{ series['dimension'] }}' as group_dimension,
        as_at_date,
        has_left,
        counts_on_roll,
        school_key,
        status_{{ series['dimension'] }} as status
    from observed
    where status_{{ series['dimension'] }} <> 'unknown'
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

ranked as (
    select
        *,
        row_number() over (
            partition by pupil_key, group_dimension, as_at_date
            order by case when has_left then 1 else 0 end, case when counts_on_roll then 0 else 1 end, school_key
        ) as preference,
        min(case when has_left then 1 else 0 end) over (partition by academic_year, pupil_key, group_dimension) as has_left_everywhere
    from told
),

listed as (
    select
        *,
        lag(status) over (partition by academic_year, pupil_key, group_dimension order by as_at_date) as status_before
    from ranked
    where preference = 1 and (not has_left or has_left_everywhere = 1)
),

changed as (
    select
        academic_year,
        pupil_key,
        group_dimension,
        status,
        status_before,
        as_at_date,
        lead(as_at_date) over (partition by academic_year, pupil_key, group_dimension order by as_at_date) as next_date
    from listed
    where status_before is null or status <> status_before
),

named as (
    select distinct
        academic_year,
        pupil_key,
        group_dimension
    from listed
),

by_census as (
    {%- for series in every_series %}
    select
        academic_year,
        pupil_key,
        '{{ series['dimension'] }}' as group_dimension,
        status_{{ series['dimension'] }} as status
    from {{ ref('int_pupil_year') }}
    {{ "union all" if not loop.last }}
    {%- endfor %}
)

select
    academic_year,
    pupil_key,
    group_dimension,
    case when status_before is null then {{ academic_year_start('academic_year') }} else as_at_date end as span_from,
    coalesce(next_date, {{ add_days(academic_year_end('academic_year'), 1) }}) as span_until,
    status
from changed
union all
select
    by_census.academic_year,
    by_census.pupil_key,
    by_census.group_dimension,
    {{ academic_year_start('by_census.academic_year') }} as span_from,
    {{ add_days(academic_year_end('by_census.academic_year'), 1) }} as span_until,
    by_census.status
from by_census
left join named
    on by_census.academic_year = named.academic_year
        and by_census.pupil_key = named.pupil_key
        and by_census.group_dimension = named.group_dimension
where named.pupil_key is null
