{{ config(tags=['step_1']) }}
-- What was published, as comparators: the figures that ship with the project, whatever the as-of day, and those of dropped-in files up to
-- that day; of each figure the newest edition.
{%- set shipped = [
    'total_enrolments', 'possible_sessions', 'attendance_perc', 'overall_absence_perc', 'authorised_absence_perc',
    'unauthorised_absence_perc', 'illness_perc', 'pa_perc'
] %}
with figure as (
    select
        publication,
        source_file,
        publication_date,
        publication_date_basis,
        extracted_at,
        delivery_id,
        line,
        time_period,
        time_identifier,
        geographic_level,
        location_code,
        location_name,
        la_code,
        filters,
        indicator,
        value,
        status
    from {{ ref('stg_dfe_statistic') }}
    {%- for indicator in shipped %}
    union all
    select
        'ees-ytd-data' as publication,
        'EES_ytd_data.csv' as source_file,
        cast('2026-07-23' as date) as publication_date,
        'shipped' as publication_date_basis,
        cast('2026-07-23 00:00:00' as timestamp) as extracted_at,
        '' as delivery_id,
        0 as line,
        time_period,
        time_identifier,
        geographic_level,
        location_code,
        location_name,
        la_code,
        concat('{"education_phase": "', education_phase, '"}') as filters,
        '{{ indicator }}' as indicator,
        cast(case when {{ indicator }} <> 'c' then {{ indicator }} end as double) as value,
        case when {{ indicator }} = 'c' then 'c' else 'ok' end as status
    from {{ ref('published_attendance') }}
    {%- endfor %}
),

ranked as (
    select
        *,
        row_number() over (
            partition by publication, time_period, time_identifier, geographic_level, location_code, filters, indicator
            order by extracted_at desc, delivery_id desc, line
        ) as recency
    from figure
)

select
    publication,
    time_period,
    time_identifier,
    case when time_period like '______' then concat(left(time_period, 4), '/', right(time_period, 2)) end as academic_year,
    geographic_level,
    location_code,
    location_name,
    nullif(la_code, '') as la_code,
    filters,
    indicator,
    value,
    status,
    source_file,
    publication_date,
    publication_date_basis
from ranked
where recency = 1
