{#- Bridges of the registry: the same records under other people's definitions, one change of definition a step. -#}

{#-
  The year in which the school year of a birth ends (1 September to 31 August): a pupil's age on 31 August of a year is that year less
  this. NULL where no date is given, or one after the list was taken.
-#}
{% macro birth_cohort(born, as_at) -%}
    case
        when {{ born }} <= {{ as_at }} then {{ year_of(born) }} + case when {{ month_of(born) }} > 8 then 1 else 0 end
    end
{%- endmacro %}

{#- The measures that any bridge is drawn for. -#}
{% macro bridged_measures() %}
    {%- set wanted = [] -%}
    {%- for bridge in var('registry')['bridges'] -%}{%- do wanted.extend(bridge['measures']) -%}{%- endfor -%}
    {{ return(measures_of('attendance') | selectattr('measure_id', 'in', wanted) | list) }}
{% endmacro %}

{#-
  The steps of every bridge, our figure first, each with every change of the steps before it: what is counted (`record`), in sessions or
  in days and how a day missed in part counts (`part_missed`), of which `terms` and not of which (`without`), the `conditions` on a stay
  and the fewest possible sessions of a record (`minimum`).
-#}
{% macro bridge_steps() %}
    {%- set steps = [] -%}
    {%- for bridge in var('registry')['bridges'] -%}
        {%- set state = {
            'record': 'enrolment', 'part_missed': none, 'terms': var('registry')['statistical_terms'], 'without': [], 'conditions': [],
            'minimum': none} -%}
        {%- for step in [var('registry')['bridge_start']] + bridge['steps'] -%}
            {%- for kind, change in step.get('change', {}).items() -%}
                {%- if kind == 'ages' -%}
                    {%- do state.update({'conditions': state['conditions'] + [bridge_ages(change)]}) -%}
                {%- elif kind == 'not_begun_in' -%}
                    {%- do state.update({'conditions': state['conditions'] + ["began_in <> '" ~ change ~ "'"]}) -%}
                {%- elif kind == 'on_roll' -%}
                    {%- do state.update({'conditions': state['conditions'] + ['is_on_roll']}) -%}
                {%- elif kind == 'terms' -%}
                    {%- do state.update({'terms': change}) -%}
                {%- elif kind == 'without' -%}
                    {%- do state.update({'without': state['without'] + [change]}) -%}
                {%- elif kind == 'days' -%}
                    {%- do state.update({'part_missed': change['part_missed']}) -%}
                {%- elif kind == 'minimum_possible' -%}
                    {%- do state.update({'minimum': change}) -%}
                {%- elif kind == 'record' -%}
                    {%- do state.update({'record': change}) -%}
                {%- else -%}
                    {{ exceptions.raise_compiler_error("The registry's bridge " ~ bridge['bridge_id'] ~ " has a change that no model knows: " ~ kind) }}
                {%- endif -%}
            {%- endfor -%}
            {%- set whole = {'bridge': bridge, 'number': loop.index0, 'step': step} -%}
            {%- do whole.update(state) -%}
            {%- do steps.append(whole) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(steps) }}
{% endmacro %}

{% macro bridge_ages(ages) -%}
    (age between {{ ages['minimum'] }} and {{ ages['maximum'] }}{{ " or age is null" if ages['unknown'] == 'stays' }})
{%- endmacro %}

{#- What a stay adds to `possible` or `absent` in a step, in halves of a session or of a day: half a day is a whole number. -#}
{% macro bridge_halves(step, count) -%}
    {%- for term in step['terms'] -%}
        {%- set t = term | lower -%}
        {%- set amount -%}
            {%- if step['part_missed'] is none -%}
                2 * {{ count }}_{{ t }}
            {%- else -%}
                2 * {{ count }}_days_{{ t }}{{ " + part_absent_days_" ~ t if count == 'absent' and step['part_missed'] == 'half' }}
            {%- endif -%}
        {%- endset -%}
        {%- set left_out = step['without'] | selectattr('term', 'equalto', term) | list -%}
        {%- if left_out -%}
            case when {% for one in left_out %}age = {{ one['age'] }}{{ " or " if not loop.last }}{% endfor %} then 0 else {{ amount }} end
        {%- else -%}
            {{ amount }}
        {%- endif -%}
        {{ " + " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#-
  The records that a step counts, as rows of a place: `school_key`, or level and unit_code where a unit's own pupils are counted.
  A pupil's whole year counts at the school of most sessions, as attendance_pupil_year says.
-#}
{% macro bridge_records(step) -%}
    {%- set conditions = step['conditions'] | join(' and ') -%}
    {%- if step['record'] == 'enrolment' -%}
        select
            academic_year,
            school_key,
            case when age is null then 1 else 0 end as is_age_unknown,
            {{ bridge_halves(step, 'possible') }} as possible,
            {{ bridge_halves(step, 'absent') }} as absent
        from stay
        {{ "where " ~ conditions if conditions }}
    {%- else -%}
        {%- set place = 'unit.level, unit.unit_code' if step['record'] == 'unit_pupil' else 'main_school.school_key' -%}
        select
            stay.academic_year,
            {{ place }},
            max(case when age is null then 1 else 0 end) as is_age_unknown,
            sum({{ bridge_halves(step, 'possible') }}) as possible,
            sum({{ bridge_halves(step, 'absent') }}) as absent
        from stay
        {% if step['record'] == 'unit_pupil' -%}
            inner join {{ ref('school_unit') }} as unit on stay.school_key = unit.school_key
        {%- else -%}
            inner join main_school on stay.academic_year = main_school.academic_year and stay.pupil_key = main_school.pupil_key
        {%- endif %}
        {{ "where " ~ conditions if conditions }}
        group by stay.academic_year, stay.pupil_key, {{ place }}
    {%- endif -%}
{%- endmacro %}

{#- The sums of a step: records with something possible, and each measure's numerator and denominator. -#}
{% macro bridge_sums(step) -%}
    {%- set place = 'level, unit_code' if step['record'] == 'unit_pupil' else 'school_key' -%}
    select
        {{ sql_text(step['bridge']['bridge_id']) }} as bridge_id,
        {{ step['number'] }} as step,
        academic_year,
        {{ place }},
        {%- for measure in bridged_measures() %}
        sum({{ measure_numerator(measure) }}) as numerator_{{ loop.index }},
        sum({{ measure_denominator(measure) }}) as denominator_{{ loop.index }},
        {%- endfor %}
        count(*) as n_records,
        sum(is_age_unknown) as n_age_unknown
    from (
        select
            *,
            possible - absent as attended
        from (
            {{ bridge_records(step) }}
        ) as record
    ) as counted
    where possible {{ '>= ' ~ 2 * step['minimum'] if step['minimum'] is not none else '> 0' }}
    group by academic_year, {{ place }}
{%- endmacro %}

{#- What one of a figure's numerator and denominator is: half a session or day of a ratio, a record of a share. -#}
{% macro bridge_unit() -%}
    case measure_id{% for m in bridged_measures() %} when '{{ m['measure_id'] }}' then {{ '1.0' if m['kind'] == 'proportion' else '0.5' }}{% endfor %} end
{%- endmacro %}
