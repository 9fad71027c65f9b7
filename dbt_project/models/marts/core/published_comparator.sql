{{ config(tags=['step_1']) }}
{%- set matched = var('registry')['comparators'] -%}
-- The average of statistical neighbours is over the figures that were published of them, each authority counting the same.
-- A unit has a region and an authority where all of its schools are in one; an authority has its region whichever of its schools are known.
with unit as (
    select
        member.level,
        member.unit_code,
        min(member.phase) as phase,
        case
            when member.level = 'la' or count(distinct coalesce(school.region_name, '')) = 1 then min(school.region_name)
        end as region_name,
        case when count(distinct coalesce(school.la_code, '')) = 1 then min(school.la_code) end as la_code
    from {{ ref('school_unit') }} as member
    inner join {{ ref('dim_school') }} as school on member.school_key = school.school_key
    group by member.level, member.unit_code
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
        unit.level,
        unit.unit_code,
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
        unit.level,
        unit.unit_code,
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
    inner join {{ ref('statistical_neighbour') }} as neighbour on unit.level = 'la' and unit.unit_code = neighbour.la_code
    left join figure
        on neighbour.neighbour_la_code = figure.la_code
            and figure.geographic_level = 'Local authority'
            and told.academic_year = figure.academic_year
            and told.phase = figure.phase
            and told.measure_id = figure.measure_id
    group by unit.level, unit.unit_code, unit.phase, told.academic_year, told.measure_id
)

select
    academic_year,
    {{ sql_text(matched['period']) }} as period,
    level,
    unit_code,
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
    level,
    unit_code,
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
