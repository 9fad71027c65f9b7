{%- set every_series = var('registry')['status_series'] -%}
{%- set counts = ['expected', 'received', 'possible', 'attended', 'authorised', 'unauthorised', 'late'] -%}
-- A pupil of one status all year has the year's sums, totals in place of registers included. Of a pupil whose status changed each session
-- is counted under the status of its day, by registers alone: a total has no days.
with stay as (
    select
        academic_year,
        school_key,
        pupil_key,
        {%- for count in counts %}
        sum({{ count }}) as {{ count }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ ref('attendance_enrolment_period') }}
    where period = 'YTD'
    group by academic_year, school_key, pupil_key
),

pupil_status as (
    select
        academic_year,
        pupil_key
        {%- for series in every_series %},
        min({{ status_rank(series, 'status_' ~ series['dimension']) }}) as first_{{ series['dimension'] }},
        max({{ status_rank(series, 'status_' ~ series['dimension']) }}) as last_{{ series['dimension'] }}
        {%- endfor %}
    from {{ ref('int_pupil_status_span') }}
    group by academic_year, pupil_key
),

changed as (
    select
        academic_year,
        pupil_key
    from pupil_status
    where {% for series in every_series %}first_{{ series['dimension'] }} < last_{{ series['dimension'] }}{{ " or " if not loop.last }}{% endfor %}
),

status_day as (
    select
        mark.academic_year,
        mark.school_key,
        mark.pupil_key,
        {%- for series in every_series %}
        span.status_{{ series['dimension'] }},
        {%- endfor %}
        {{ sum_if('mark.is_expected') }} as expected,
        {{ sum_if('mark.is_expected and not mark.is_missing') }} as received,
        {{ sum_if('mark.is_possible') }} as possible,
        {{ sum_if('mark.is_attended') }} as attended,
        {{ sum_if('mark.is_authorised') }} as authorised,
        {{ sum_if('mark.is_unauthorised') }} as unauthorised,
        {{ sum_if('mark.is_late') }} as late
    from {{ ref('fct_session') }} as mark
    inner join changed on mark.academic_year = changed.academic_year and mark.pupil_key = changed.pupil_key
    inner join {{ ref('int_pupil_status_span') }} as span
        on mark.academic_year = span.academic_year
            and mark.pupil_key = span.pupil_key
            and mark.session_date >= span.span_from
            and mark.session_date < span.span_until
    group by
        mark.academic_year, mark.school_key, mark.pupil_key
        {%- for series in every_series %}, span.status_{{ series['dimension'] }}{% endfor %}
),

counted as (
    {%- for series in every_series %}
    {%- set dimension = series['dimension'] %}
    select
        stay.academic_year,
        stay.school_key,
        stay.pupil_key,
        '{{ dimension }}' as group_dimension,
        '{{ series['definition'] }}@census' as group_definition,
        pupil_year.status_{{ dimension }} as group_value,
        {%- for count in counts %}
        stay.{{ count }}{{ "," if not loop.last }}
        {%- endfor %}
    from stay
    inner join {{ ref('int_pupil_year') }} as pupil_year
        on stay.academic_year = pupil_year.academic_year and stay.pupil_key = pupil_year.pupil_key
    union all
    select
        stay.academic_year,
        stay.school_key,
        stay.pupil_key,
        '{{ dimension }}' as group_dimension,
        '{{ series['definition'] }}@ever_in_year' as group_definition,
        {{ status_of_rank(series, 'pupil_status.first_' ~ dimension) }} as group_value,
        {%- for count in counts %}
        stay.{{ count }}{{ "," if not loop.last }}
        {%- endfor %}
    from stay
    inner join pupil_status on stay.academic_year = pupil_status.academic_year and stay.pupil_key = pupil_status.pupil_key
    union all
    select
        stay.academic_year,
        stay.school_key,
        stay.pupil_key,
        '{{ dimension }}' as group_dimension,
        '{{ series['definition'] }}@session' as group_definition,
        {{ status_of_rank(series, 'pupil_status.first_' ~ dimension) }} as group_value,
        {%- for count in counts %}
        stay.{{ count }}{{ "," if not loop.last }}
        {%- endfor %}
    from stay
    inner join pupil_status on stay.academic_year = pupil_status.academic_year and stay.pupil_key = pupil_status.pupil_key
    where pupil_status.first_{{ dimension }} = pupil_status.last_{{ dimension }}
    union all
    select
        status_day.academic_year,
        status_day.school_key,
        status_day.pupil_key,
        '{{ dimension }}' as group_dimension,
        '{{ series['definition'] }}@session' as group_definition,
        status_day.status_{{ dimension }} as group_value,
        {%- for count in counts %}
        sum(status_day.{{ count }}) as {{ count }}{{ "," if not loop.last }}
        {%- endfor %}
    from status_day
    inner join pupil_status
        on status_day.academic_year = pupil_status.academic_year and status_day.pupil_key = pupil_status.pupil_key
    where pupil_status.first_{{ dimension }} < pupil_status.last_{{ dimension }}
    group by status_day.academic_year, status_day.school_key, status_day.pupil_key, status_day.status_{{ dimension }}
    {{ "union all" if not loop.last }}
    {%- endfor %}
)

select
    academic_year,
    'YTD' as period,
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
