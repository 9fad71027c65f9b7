{{ config(tags=['step_2']) }}
-- A step that counts whole years of pupils, without another change, is the table of pupils' years, summed.
{%- set measures = bridged_measures() %}
{%- set ends = bridge_steps() | selectattr('record', 'equalto', 'year_pupil') | selectattr('conditions', 'equalto', []) | list %}
with unit_year as (
    select
        pupil.academic_year,
        unit.level,
        unit.unit_code,
        {%- for measure in measures %}
        sum({{ measure_numerator(measure) }}) as numerator_{{ loop.index }},
        sum({{ measure_denominator(measure) }}) as denominator_{{ loop.index }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ ref('attendance_pupil_year') }} as pupil
    inner join {{ ref('school_unit') }} as unit on pupil.school_key = unit.school_key
    group by pupil.academic_year, unit.level, unit.unit_code
)

{% for end in ends %}
{%- for measure in measures %}
select
    bridge.academic_year,
    bridge.unit_code,
    bridge.measure_id
from {{ ref('attendance_bridge') }} as bridge
left join unit_year
    on bridge.academic_year = unit_year.academic_year
        and bridge.level = unit_year.level
        and bridge.unit_code = unit_year.unit_code
where bridge.bridge_id = '{{ end['bridge']['bridge_id'] }}'
    and bridge.step = {{ end['number'] }}
    and bridge.measure_id = '{{ measure['measure_id'] }}'
    and (
        bridge.numerator <> coalesce(unit_year.numerator_{{ loop.index }}, 0)
        or bridge.denominator <> coalesce(unit_year.denominator_{{ loop.index }}, 0)
    )
{{ "union all" if not loop.last }}
{%- endfor %}
{{ "union all" if not loop.last }}
{%- endfor %}
