{%- set groups = var('registry')['groups'] -%}
-- The status that counts for a year: the last list up to the census day, else the first after it, both within the year;
-- a pupil whom no list of the year names has the status nearest to the census day. A row of a pupil who had left by the
-- day of the list counts only where no other list of the year has the pupil: a school that goes on listing its leavers
-- knows nothing new of them. Whom no list names at all, but who has a result, is counted with a status that nobody knows.
with listed as (
    select
        observation.*,
        {{ academic_year('observation.as_at_date') }} as academic_year
    from {{ ref('int_pupil_observation') }} as observation
),

ranked as (
    select
        listed.*,
        year.census_date,
        row_number() over (
            partition by listed.pupil_key, listed.academic_year
            order by
                case when listed.leaving_date < listed.as_at_date then 1 else 0 end,
                case when listed.as_at_date <= year.census_date then 0 else 1 end,
                abs({{ days_between('listed.as_at_date', 'year.census_date') }}),
                case when listed.counts_on_roll then 0 else 1 end,
                listed.school_key
        ) as preference
    from listed
    inner join {{ ref('int_academic_year') }} as year on listed.academic_year = year.academic_year
),

within_year as (
    select *
    from ranked
    where preference = 1
),

wanted as (
    select distinct
        academic_year,
        pupil_key
    from {{ ref('int_enrolment_year') }}
    union
    select distinct
        result.academic_year,
        person.pupil_key
    from {{ ref('stg_assessment_result') }} as result
    inner join {{ ref('int_pupil_ref') }} as person on result.pupil_ref = person.pupil_ref
),

elsewhere as (
    select
        wanted.academic_year,
        wanted.pupil_key,
        other.academic_year as listed_in,
        row_number() over (
            partition by wanted.academic_year, wanted.pupil_key
            order by abs({{ days_between('other.as_at_date', 'year.census_date') }}), other.as_at_date
        ) as preference
    from wanted
    inner join {{ ref('int_academic_year') }} as year on wanted.academic_year = year.academic_year
    left join within_year as own on wanted.academic_year = own.academic_year and wanted.pupil_key = own.pupil_key
    inner join within_year as other on wanted.pupil_key = other.pupil_key
    where own.pupil_key is null
),

chosen as (
    select
        academic_year,
        pupil_key,
        academic_year as listed_in
    from within_year
    union all
    select
        academic_year,
        pupil_key,
        listed_in
    from elsewhere
    where preference = 1
),

everybody as (
    select
        academic_year,
        pupil_key
    from wanted
    union
    select
        academic_year,
        pupil_key
    from within_year
),

status as (
    select
        everybody.academic_year,
        everybody.pupil_key,
        observation.is_fsm,
        observation.is_disadvantaged,
        observation.sex,
        observation.sen_provision,
        observation.nc_year,
        observation.is_eal,
        observation.ethnicity_major,
        observation.is_looked_after
    from everybody
    left join chosen
        on everybody.academic_year = chosen.academic_year and everybody.pupil_key = chosen.pupil_key
    left join within_year as observation
        on chosen.pupil_key = observation.pupil_key and chosen.listed_in = observation.academic_year
)

select
    academic_year,
    pupil_key,
    sex,
    nc_year,
    {%- for group in groups %}
    {% if 'expression' in group %}{{ group['expression'] }}{% else %}'{{ group['values'][0]['value'] }}'{% endif %} as group_{{ group['dimension'] }},
    {%- endfor %}
    {%- for series in var('registry')['status_series'] %}
    {{ status_expression(series) }} as status_{{ series['dimension'] }}{{ "," if not loop.last }}
    {%- endfor %}
from status
