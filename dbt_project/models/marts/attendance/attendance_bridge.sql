{{ config(tags=['step_2']) }}
{%- set registry = var('registry') -%}
{%- set measures = bridged_measures() -%}
{%- set steps = bridge_steps() -%}
{%- set counts = ['possible', 'absent', 'possible_days', 'absent_days', 'part_absent_days'] -%}
-- A step is a set of records, each with something possible: sums over a unit's records are its figure. Nothing here scans marks:
-- stays come with their terms and days from attendance_enrolment_period.
with stay as (
    select
        attendance.academic_year,
        attendance.pupil_key,
        attendance.school_key,
        cast(left(attendance.academic_year, 4) as integer) - max(born.birth_cohort) as age,
        max(begun.period) as began_in,
        max(case when enrolment.on_roll_until > {{ earlier('year.end_date', as_of()) }} then 1 else 0 end) = 1 as is_on_roll
        {%- for term in registry['statistical_terms'] %}
        {%- for count in counts %},
        {{ sum_if("attendance.period = '" ~ term ~ "'", 'attendance.' ~ count) }} as {{ count }}_{{ term | lower }}
        {%- endfor %}
        {%- endfor %}
    from {{ ref('attendance_enrolment_period') }} as attendance
    inner join {{ ref('int_enrolment_year') }} as enrolment
        on attendance.academic_year = enrolment.academic_year and attendance.enrolment_id = enrolment.enrolment_id
    inner join {{ ref('int_academic_year') }} as year on attendance.academic_year = year.academic_year
    inner join {{ ref('academic_period') }} as begun
        on attendance.academic_year = begun.academic_year
            and begun.is_term
            and enrolment.on_roll_from between begun.start_date and begun.end_date
    left join {{ ref('int_pupil_birth_cohort') }} as born on attendance.pupil_key = born.pupil_key
    group by attendance.academic_year, attendance.pupil_key, attendance.school_key, attendance.enrolment_id
),

main_school as (
    select
        academic_year,
        pupil_key,
        school_key
    from {{ ref('attendance_pupil_year') }}
),

school_total as (
    {%- for step in steps if step['record'] != 'unit_pupil' %}
    {{ bridge_sums(step) }}
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

unit_total as (
    select
        total.bridge_id,
        total.step,
        total.academic_year,
        unit.level,
        unit.unit_code,
        {%- for measure in measures %}
        sum(total.numerator_{{ loop.index }}) as numerator_{{ loop.index }},
        sum(total.denominator_{{ loop.index }}) as denominator_{{ loop.index }},
        {%- endfor %}
        sum(total.n_records) as n_records,
        sum(total.n_age_unknown) as n_age_unknown
    from school_total as total
    inner join {{ ref('school_unit') }} as unit on total.school_key = unit.school_key
    group by total.bridge_id, total.step, total.academic_year, unit.level, unit.unit_code
    {%- for step in steps if step['record'] == 'unit_pupil' %}
    union all
    {{ bridge_sums(step) }}
    {%- endfor %}
),

definition as (
    {%- for step in steps %}
    select
        {{ sql_text(step['bridge']['bridge_id']) }} as bridge_id,
        {{ sql_text(step['bridge']['name']) }} as bridge_name,
        {{ sql_text(step['bridge']['whose']) }} as whose,
        {{ sql_text(step['bridge']['source']) }} as source,
        {% if 'caveat' in step['bridge'] %}{{ sql_text(step['bridge']['caveat']) }}{% else %}cast(null as varchar){% endif %} as caveat,
        {{ step['number'] }} as step,
        {{ sql_text(step['step']['step_id']) }} as step_id,
        {{ sql_text(step['step']['name']) }} as step_name,
        {{ sql_text(step['step']['sentence']) }} as sentence,
        {{ sql_text('enrolment' if step['record'] == 'enrolment' else 'pupil') }} as record,
        {{ 'false' if step['part_missed'] is none else 'true' }} as is_in_days
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

bridge_measure as (
    {%- for bridge in registry['bridges'] %}
    {%- set outer = loop %}
    {%- for measure_id in bridge['measures'] %}
    select {{ sql_text(bridge['bridge_id']) }} as bridge_id, {{ sql_text(measure_id) }} as measure_id
    {{ "union all" if not (loop.last and outer.last) }}
    {%- endfor %}
    {%- endfor %}
),

-- Every step stands in every unit's bridge, also where it leaves nothing.
unit_year as (
    select
        attendance.academic_year,
        unit.level,
        unit.unit_code,
        sum(attendance.expected) as expected,
        sum(attendance.received) as received,
        sum(attendance.received) - sum(attendance.received_of_totals) as received_in_days,
        sum(attendance.possible_of_totals) as possible_of_totals
    from {{ ref('attendance_enrolment_period') }} as attendance
    inner join {{ ref('school_unit') }} as unit on attendance.school_key = unit.school_key
    where attendance.period = 'YTD'
    group by attendance.academic_year, unit.level, unit.unit_code
),

figure as (
    select
        unit_year.academic_year,
        unit_year.level,
        unit_year.unit_code,
        unit_year.expected,
        -- A total has no days: beside sessions of registers and totals, days of registers alone are of fewer pupils.
        case when definition.is_in_days then unit_year.received_in_days else unit_year.received end as received,
        case when definition.is_in_days and unit_year.possible_of_totals > 0 then 1 else 0 end = 1 as lacks_totals,
        bridge_measure.measure_id,
        definition.*,
        case bridge_measure.measure_id
            {%- for measure in measures %}
            when '{{ measure['measure_id'] }}' then coalesce(unit_total.numerator_{{ loop.index }}, 0)
            {%- endfor %}
        end as numerator,
        case bridge_measure.measure_id
            {%- for measure in measures %}
            when '{{ measure['measure_id'] }}' then coalesce(unit_total.denominator_{{ loop.index }}, 0)
            {%- endfor %}
        end as denominator,
        coalesce(unit_total.n_records, 0) as n_records,
        coalesce(unit_total.n_age_unknown, 0) as n_age_unknown
    from unit_year
    cross join definition
    inner join bridge_measure on definition.bridge_id = bridge_measure.bridge_id
    left join unit_total
        on definition.bridge_id = unit_total.bridge_id
            and definition.step = unit_total.step
            and unit_year.academic_year = unit_total.academic_year
            and unit_year.level = unit_total.level
            and unit_year.unit_code = unit_total.unit_code
    where unit_year.academic_year >= {{ measure_case('valid_from', 'bridge_measure.measure_id') }}
),

valued as (
    select
        *,
        {{ exact_percent('numerator', 'denominator') }} as value
    from figure
)

-- A ratio is counted in halves of a session or day, a share in records.
select
    academic_year,
    level,
    unit_code,
    measure_id,
    bridge_id,
    step,
    bridge_name,
    whose,
    source,
    caveat,
    step_id,
    step_name,
    sentence,
    record,
    cast(n_records as bigint) as n_records,
    cast(n_age_unknown as bigint) as n_age_unknown,
    cast(cast(numerator as decimal(28, 0)) * {{ bridge_unit() }} as decimal(38, 9)) as numerator,
    cast(cast(denominator as decimal(28, 0)) * {{ bridge_unit() }} as decimal(38, 9)) as denominator,
    value,
    cast(
        case
            when not lacks_totals
                then value - lag(value) over (partition by academic_year, level, unit_code, measure_id, bridge_id order by step)
        end as decimal(18, 9)
    ) as change,
    case
        when value is null then 'x'
        when lacks_totals or expected = 0 or received * 100 < expected * {{ registry['coverage']['withhold_below_percent'] }} then 'u'
        else 'ok'
    end as status
from valued
