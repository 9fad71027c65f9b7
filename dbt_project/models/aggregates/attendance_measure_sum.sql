{{ config(tags=['step_1'], materialized='incremental', incremental_strategy='replace_slices', on_schema_change='fail', post_hook="{{ record_slices() }}") }}
{%- set measures = measures_of('attendance') -%}
-- Integer sums over pupils: a pupil with two stays in one school is one pupil, whose stays add up.
with stay as (
    select
        academic_year,
        period,
        school_key,
        pupil_key,
        expected,
        received,
        possible,
        attended,
        authorised,
        unauthorised,
        absent,
        late,
        slice_fingerprint
    from {{ ref('attendance_enrolment_period') }}
    where {{ slices_to_build() }}
    union all
    select
        academic_year,
        {{ iso_week_label('week_start') }} as period,
        school_key,
        pupil_key,
        expected,
        received,
        possible,
        attended,
        authorised,
        unauthorised,
        authorised + unauthorised as absent,
        late,
        slice_fingerprint
    from {{ ref('int_enrolment_week') }}
    where {{ slices_to_build() }}
),

pupil as (
    select
        academic_year,
        period,
        school_key,
        pupil_key,
        slice_fingerprint,
        {%- for measure in measures %}
        cast(sum({{ measure_numerator(measure) }}) as bigint) as num_{{ loop.index }},
        cast(sum({{ measure_denominator(measure) }}) as bigint) as den_{{ loop.index }},
        {%- endfor %}
        cast(sum(expected) as bigint) as expected,
        cast(sum(received) as bigint) as received
    from stay
    group by academic_year, period, school_key, pupil_key, slice_fingerprint
),

grouped as (
    select
        pupil.*,
        pupil_group.group_dimension,
        pupil_group.group_definition,
        pupil_group.group_value
    from pupil
    inner join {{ ref('int_pupil_group') }} as pupil_group
        on pupil.academic_year = pupil_group.academic_year and pupil.pupil_key = pupil_group.pupil_key
    where pupil_group.group_dimension = 'all' or pupil.period not like 'W%'
),

wide as (
    select
        academic_year,
        period,
        school_key,
        group_definition,
        group_dimension,
        group_value,
        slice_fingerprint,
        {%- for measure in measures %}
        {{ sum_if('den_' ~ loop.index ~ ' > 0') }} as n_{{ loop.index }},
        {{ exact_sum('num_' ~ loop.index) }} as sum_num_{{ loop.index }},
        {{ exact_sum('den_' ~ loop.index) }} as sum_den_{{ loop.index }},
        {{ exact_sum('num_' ~ loop.index ~ ' * num_' ~ loop.index) }} as sum_num_num_{{ loop.index }},
        {{ exact_sum('num_' ~ loop.index ~ ' * den_' ~ loop.index) }} as sum_num_den_{{ loop.index }},
        {{ exact_sum('den_' ~ loop.index ~ ' * den_' ~ loop.index) }} as sum_den_den_{{ loop.index }},
        {%- endfor %}
        sum(expected) as expected,
        sum(received) as received
    from grouped
    group by academic_year, period, school_key, group_definition, group_dimension, group_value, slice_fingerprint
)

{% for measure in measures %}
select
    academic_year,
    period,
    school_key,
    '{{ measure['measure_id'] }}' as measure_id,
    group_definition,
    group_dimension,
    group_value,
    cast(n_{{ loop.index }} as bigint) as n,
    sum_num_{{ loop.index }} as sum_num,
    sum_den_{{ loop.index }} as sum_den,
    sum_num_num_{{ loop.index }} as sum_num_num,
    sum_num_den_{{ loop.index }} as sum_num_den,
    sum_den_den_{{ loop.index }} as sum_den_den,
    cast(expected as bigint) as expected,
    cast(received as bigint) as received,
    slice_fingerprint
from wide
{% if not loop.last %}union all{% endif %}
{% endfor %}
