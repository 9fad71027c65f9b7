{{ config(tags=['step_1']) }}
-- A rate of sessions under a code of a unit's group, with the interval of every other rate: over all its pupils with a possible session, of
-- whom most have none under a code. `n` are those who have one. The ends of the interval are those of its half width on the scale of
-- log odds: of a code that few pupils have, an interval about the rate itself lies too low, and reaches 0 although a session was seen.
with figure as (
    {{ measure_values(ref('unit_reason_measure')) }}
),

pupil_code as (
    select
        reason.academic_year,
        counted.period,
        reason.school_key,
        reason.pupil_key,
        reason.code,
        sum(reason.sessions) as sessions
    from {{ ref('int_reason_half_term') }} as reason
    inner join {{ ref('int_half_term_period') }} as counted
        on reason.academic_year = counted.academic_year and reason.half_term = counted.half_term
    group by reason.academic_year, counted.period, reason.school_key, reason.pupil_key, reason.code
),

unit_code_total as (
    select
        reason.academic_year,
        reason.period,
        unit.level,
        unit.unit_code,
        pupil_group.group_definition,
        pupil_group.group_dimension,
        pupil_group.group_value,
        reason.code,
        count(distinct reason.pupil_key) as n,
        sum(reason.sessions) as sessions
    from pupil_code as reason
    inner join {{ ref('school_unit') }} as unit on reason.school_key = unit.school_key
    inner join {{ ref('int_pupil_group') }} as pupil_group
        on reason.academic_year = pupil_group.academic_year and reason.pupil_key = pupil_group.pupil_key
    where pupil_group.group_dimension = 'all' or {{ is_told_by_group('reason.period') }}
    group by
        reason.academic_year, reason.period, unit.level, unit.unit_code, pupil_group.group_definition, pupil_group.group_dimension,
        pupil_group.group_value, reason.code
),

said as (
    select
        code,
        min(meaning) as meaning,
        min(category) as category
    from {{ ref('register_code') }}
    where nation = {{ sql_text(var('registry')['nations']['default']) }}
    group by code
)

select
    reason.academic_year,
    reason.period,
    reason.level,
    reason.unit_code,
    reason.group_definition,
    reason.group_dimension,
    reason.group_value,
    reason.code,
    said.meaning,
    coalesce({{ absence_reason('reason.code') }}, 'late_before_close') as reason,
    said.category,
    reason.n,
    cast(reason.sessions as bigint) as sessions,
    cast(figure.denominator as bigint) as possible,
    figure.value,
    {{ logit_end('figure', 'ci_low') }} as ci_low,
    {{ logit_end('figure', 'ci_high') }} as ci_high,
    replace(figure.interval_method, 'linearised_t', 'linearised_t_on_logit') as interval_method,
    figure.coverage,
    figure.status
from unit_code_total as reason
inner join figure
    on reason.academic_year = figure.academic_year
        and reason.period = figure.period
        and reason.level = figure.level
        and reason.unit_code = figure.unit_code
        and reason.group_definition = figure.group_definition
        and reason.group_dimension = figure.group_dimension
        and {{ code_of_group('reason.code', 'reason.group_value') }} = figure.group_value
left join said on reason.code = said.code
