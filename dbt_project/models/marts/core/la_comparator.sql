{{ config(tags=['step_1']) }}
{%- set matched = var('registry')['comparators'] -%}
-- The average of statistical neighbours is over the figures that were published of them, each authority counting the same.
with unit as (
    select
        school.la_code,
        min(school.region_name) as region_name,
        min(member.phase) as phase
    from {{ ref('dim_school') }} as school
    inner join {{ ref('school_unit') }} as member
        on school.school_key = member.school_key and member.level = 'la' and school.la_code = member.unit_code
    group by school.la_code
),

phase as (
    {%- for ours, theirs in matched['phases'].items() %}
    select
        {{ sql_text(ours) }} as phase,
        {{ sql_text('{"' ~ matched['phase_filter'] ~ '": "' ~ theirs ~ '"}') }} as filters
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

measured as (
    {%- for measure_id, indicator in matched['indicators'].items() %}
    select
        {{ sql_text(measure_id) }} as measure_id,
        {{ sql_text(indicator) }} as indicator
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

figure as (
    select
        published.academic_year,
        published.geographic_level,
        published.location_name,
        published.la_code,
        published.value,
        published.status,
        published.publication_date,
        phase.phase,
        measured.measure_id
    from {{ ref('published_statistic') }} as published
    inner join phase on published.filters = phase.filters
    inner join measured on published.indicator = measured.indicator
    where published.publication = {{ sql_text(matched['publication']) }}
        and published.time_identifier = {{ sql_text(matched['time_identifier']) }}
        and published.academic_year is not null
),

place as (
    select
        unit.la_code,
        unit.phase,
        figure.academic_year,
        figure.measure_id,
        case figure.geographic_level when 'National' then 'national' when 'Regional' then 'region' else 'la' end as comparator,
        figure.location_name as comparator_name,
        figure.value,
        figure.status,
        figure.publication_date
    from unit
    inner join figure
        on unit.phase = figure.phase
            and (
                figure.geographic_level = 'National'
                or (figure.geographic_level = 'Regional' and lower(unit.region_name) = lower(figure.location_name))
                or (figure.geographic_level = 'Local authority' and unit.la_code = figure.la_code)
            )
),

told as (
    select distinct
        academic_year,
        phase,
        measure_id
    from figure
    where geographic_level = 'Local authority'
),

neighbours as (
    select
        unit.la_code,
        unit.phase,
        told.academic_year,
        told.measure_id,
        max(neighbour.edition) as edition,
        count(*) as places,
        count(figure.value) as places_with_figure,
        cast(sum(cast(figure.value as decimal(18, 12))) as double) / nullif(cast(count(figure.value) as double), 0) as average,
        max(figure.publication_date) as publication_date
    from unit
    inner join told on unit.phase = told.phase
    inner join {{ ref('statistical_neighbour') }} as neighbour on unit.la_code = neighbour.la_code
    left join figure
        on neighbour.neighbour_la_code = figure.la_code
            and figure.geographic_level = 'Local authority'
            and told.academic_year = figure.academic_year
            and told.phase = figure.phase
            and told.measure_id = figure.measure_id
    group by unit.la_code, unit.phase, told.academic_year, told.measure_id
)

select
    academic_year,
    {{ sql_text(matched['period']) }} as period,
    la_code,
    measure_id,
    comparator,
    phase,
    comparator_name,
    cast(1 as integer) as places,
    cast(case when value is null then 0 else 1 end as integer) as places_with_figure,
    {{ round_sig('value') }} as value,
    publication_date,
    cast(null as varchar) as edition,
    status
from place
union all
select
    academic_year,
    {{ sql_text(matched['period']) }} as period,
    la_code,
    measure_id,
    'neighbours' as comparator,
    phase,
    'Statistical neighbours' as comparator_name,
    cast(places as integer) as places,
    cast(places_with_figure as integer) as places_with_figure,
    {{ round_sig('average') }} as value,
    publication_date,
    edition,
    case when places_with_figure = 0 then 'x' else 'ok' end as status
from neighbours
