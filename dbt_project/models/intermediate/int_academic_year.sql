{%- set census = var('registry')['census_day'] -%}
{%- set weekday = {'monday': 1, 'tuesday': 2, 'wednesday': 3, 'thursday': 4, 'friday': 5}[census['weekday']] -%}
with label as (
    select distinct academic_year from {{ ref('academic_period') }}
    union
    select distinct academic_year from {{ ref('stg_assessment_result') }}
    union
    select distinct {{ academic_year('as_at_date') }} as academic_year from {{ ref('stg_pupil_list') }}
),

bounds as (
    select
        academic_year,
        {{ academic_year_start('academic_year') }} as start_date,
        {{ academic_year_end('academic_year') }} as end_date,
        {{ month_of_academic_year('academic_year', census['month']) }} as census_month
    from label
)

select
    academic_year,
    start_date,
    end_date,
    {{ add_days('census_month', '(' ~ weekday ~ ' + 7 - ' ~ iso_weekday('census_month') ~ ') % 7 + ' ~ 7 * (census['nth'] - 1)) }} as census_date
from bounds
where start_date <= {{ as_of() }}
