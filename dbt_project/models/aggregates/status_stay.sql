{{ config(tags=['step_1']) }}
{%- set every_series = var('registry')['status_series'] -%}
{%- set counts = ['expected', 'received', 'possible', 'attended', 'authorised', 'unauthorised', 'late'] -%}
-- A stay of a pupil of one status has its sums of the year, totals in place of registers included. Of a pupil whose status changed between
-- the first and the last session each session is counted under the status of its day, by registers alone: a total has no days.
with stay as (
    select
        academic_year,
        enrolment_id,
        school_key,
        pupil_key,
        {%- for count in counts %}
        {{ count }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ ref('attendance_enrolment_period') }}
    where period = 'YTD'
),

open_span as (
    select
        school_key,
        academic_year,
        min(session_date) as first_date,
        max(session_date) as last_date
    from {{ ref('int_calendar_session') }}
    where is_open
    group by school_key, academic_year
),

on_roll as (
    select
        enrolment.academic_year,
        enrolment.pupil_key,
        min({{ later('enrolment.on_roll_from', 'coalesce(open_span.first_date, enrolment.on_roll_from)') }}) as first_date,
        max(
            {{ earlier(
                add_days('enrolment.on_roll_until', -1),
                'coalesce(open_span.last_date, ' ~ add_days('enrolment.on_roll_until', -1) ~ ')') }}
        ) as last_date
    from {{ ref('int_enrolment_year') }} as enrolment
    left join open_span on enrolment.school_key = open_span.school_key and enrolment.academic_year = open_span.academic_year
    group by enrolment.academic_year, enrolment.pupil_key
),

placed as (
    select
        span.academic_year,
        span.pupil_key,
        span.group_dimension,
        case span.group_dimension
            {%- for series in every_series %}
            when '{{ series['dimension'] }}' then {{ status_rank(series, 'span.status') }}
            {%- endfor %}
        end as place
    from {{ ref('int_pupil_status_span') }} as span
    left join on_roll on span.academic_year = on_roll.academic_year and span.pupil_key = on_roll.pupil_key
    where
        on_roll.pupil_key is null
        or on_roll.first_date > on_roll.last_date
        or (span.span_from <= on_roll.last_date and span.span_until > on_roll.first_date)
),

pupil_status as (
    select
        academic_year,
        pupil_key,
        group_dimension,
        min(place) as first_place,
        max(place) as last_place
    from placed
    group by academic_year, pupil_key, group_dimension
),

changed as (
    select distinct
        academic_year,
        pupil_key
    from pupil_status
    where first_place < last_place
),

stay_day as (
    select
        mark.academic_year,
        mark.enrolment_id,
        mark.school_key,
        mark.pupil_key,
        mark.session_date,
        {{ sum_if('mark.is_expected') }} as expected,
        {{ sum_if('mark.is_expected and not mark.is_missing') }} as received,
        {{ sum_if('mark.is_possible') }} as possible,
        {{ sum_if('mark.is_attended') }} as attended,
        {{ sum_if('mark.is_authorised') }} as authorised,
        {{ sum_if('mark.is_unauthorised') }} as unauthorised,
        {{ sum_if('mark.is_late') }} as late
    from {{ ref('fct_session') }} as mark
    inner join changed on mark.academic_year = changed.academic_year and mark.pupil_key = changed.pupil_key
    group by mark.academic_year, mark.enrolment_id, mark.school_key, mark.pupil_key, mark.session_date
),

counted as (
    {%- for series in every_series %}
    {%- set dimension = series['dimension'] %}
    {%- set outer = loop %}
    {%- for definition in series['definitions'] %}
    select
        stay.academic_year,
        stay.enrolment_id,
        stay.school_key,
        stay.pupil_key,
        '{{ dimension }}' as group_dimension,
        '{{ series['definition'] }}@{{ definition }}' as group_definition,
        {% if definition == 'census' -%}
        held.status_{{ dimension }} as group_value,
        {%- else -%}
        {{ status_of_rank(series, 'held.first_place') }} as group_value,
        {%- endif %}
        {%- for count in counts %}
        stay.{{ count }}{{ "," if not loop.last }}
        {%- endfor %}
    from stay
    {%- if definition == 'census' %}
    inner join {{ ref('int_pupil_year') }} as held
        on stay.academic_year = held.academic_year and stay.pupil_key = held.pupil_key
    {%- else %}
    inner join pupil_status as held
        on stay.academic_year = held.academic_year
            and stay.pupil_key = held.pupil_key
            and held.group_dimension = '{{ dimension }}'
            {%- if definition == 'session' %} and held.first_place = held.last_place{% endif %}
    {%- endif %}
    {%- if definition == 'session' %}
    union all
    select
        day.academic_year,
        day.enrolment_id,
        day.school_key,
        day.pupil_key,
        '{{ dimension }}' as group_dimension,
        '{{ series['definition'] }}@session' as group_definition,
        span.status as group_value,
        {%- for count in counts %}
        sum(day.{{ count }}) as {{ count }}{{ "," if not loop.last }}
        {%- endfor %}
    from stay_day as day
    inner join pupil_status as held
        on day.academic_year = held.academic_year
            and day.pupil_key = held.pupil_key
            and held.group_dimension = '{{ dimension }}'
            and held.first_place < held.last_place
    inner join {{ ref('int_pupil_status_span') }} as span
        on day.academic_year = span.academic_year
            and day.pupil_key = span.pupil_key
            and span.group_dimension = '{{ dimension }}'
            and day.session_date >= span.span_from
            and day.session_date < span.span_until
    group by day.academic_year, day.enrolment_id, day.school_key, day.pupil_key, span.status
    {%- endif %}
    {{ "union all" if not (loop.last and outer.last) }}
    {%- endfor %}
    {%- endfor %}
)

select
    academic_year,
    'YTD' as period,
    enrolment_id,
    school_key,
    pupil_key,
    group_definition,
    group_dimension,
    group_value,
    {%- for count in counts %}
    cast({{ count }} as integer) as {{ count }},
    {%- endfor %}
    cast(authorised + unauthorised as integer) as absent
from counted
