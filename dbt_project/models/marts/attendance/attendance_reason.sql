{{ config(tags=['step_1']) }}
-- By registers alone: a total gives no codes, so its sessions are in neither part of a share, nor in what came. Absences are read mark by
-- mark, and they are few. Late before the register closed is counted in the weeks, with those late after it: these are absences, and are
-- taken off again.
with nation_code as (
    select distinct
        school.school_key,
        judged.code,
        judged.is_attended
    from {{ ref('int_school') }} as school
    inner join {{ ref('stg_register_code') }} as judged on school.nation = judged.nation
    where judged.is_late
),

absence as (
    select
        missed.academic_year,
        half_term.half_term,
        missed.school_key,
        missed.enrolment_id,
        missed.code,
        count(*) as sessions
    from {{ ref('int_absence') }} as missed
    inner join {{ ref('int_day') }} as day on missed.session_date = day.session_date
    {{ join_half_term('day', 'half_term') }}
    group by missed.academic_year, half_term.half_term, missed.school_key, missed.enrolment_id, missed.code
),

late as (
    select
        week.academic_year,
        half_term.half_term,
        week.school_key,
        week.enrolment_id,
        sum(week.late) as sessions
    from {{ ref('int_enrolment_week') }} as week
    {{ join_half_term('week', 'half_term') }}
    where week.late > 0
    group by week.academic_year, half_term.half_term, week.school_key, week.enrolment_id
),

late_absence as (
    select
        absence.academic_year,
        absence.half_term,
        absence.enrolment_id,
        sum(absence.sessions) as sessions
    from absence
    inner join nation_code on absence.school_key = nation_code.school_key and absence.code = nation_code.code
    group by absence.academic_year, absence.half_term, absence.enrolment_id
),

coded as (
    select
        academic_year,
        half_term,
        school_key,
        enrolment_id,
        code,
        sessions
    from absence
    union all
    select
        late.academic_year,
        late.half_term,
        late.school_key,
        late.enrolment_id,
        nation_code.code,
        late.sessions - coalesce(late_absence.sessions, 0) as sessions
    from late
    inner join nation_code on late.school_key = nation_code.school_key and nation_code.is_attended
    left join late_absence
        on late.academic_year = late_absence.academic_year
            and late.half_term = late_absence.half_term
            and late.enrolment_id = late_absence.enrolment_id
    where late.sessions > coalesce(late_absence.sessions, 0)
),

unit_code_total as (
    select
        coded.academic_year,
        counted.period,
        unit.level,
        unit.unit_code,
        coded.code,
        count(distinct enrolment.pupil_key) as n,
        sum(coded.sessions) as sessions
    from coded
    inner join {{ ref('int_half_term_period') }} as counted
        on coded.academic_year = counted.academic_year and coded.half_term = counted.half_term
    inner join {{ ref('int_enrolment') }} as enrolment on coded.enrolment_id = enrolment.enrolment_id
    inner join {{ ref('school_unit') }} as unit on coded.school_key = unit.school_key
    group by coded.academic_year, counted.period, unit.level, unit.unit_code, coded.code
),

unit_total as (
    select
        attendance.academic_year,
        attendance.period,
        unit.level,
        unit.unit_code,
        sum(attendance.possible) - sum(attendance.possible_of_totals) as possible,
        sum(attendance.expected) as expected,
        sum(attendance.received) - sum(attendance.received_of_totals) as received
    from {{ ref('attendance_enrolment_period') }} as attendance
    inner join {{ ref('school_unit') }} as unit on attendance.school_key = unit.school_key
    group by attendance.academic_year, attendance.period, unit.level, unit.unit_code
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
    reason.code,
    said.meaning,
    coalesce({{ absence_reason('reason.code') }}, 'late_before_close') as reason,
    said.category,
    reason.n,
    cast(reason.sessions as bigint) as sessions,
    cast(unit_total.possible as bigint) as possible,
    {{ round_sig(percentage('reason.sessions', 'unit_total.possible')) }} as value,
    case
        when
            unit_total.expected = 0
            or unit_total.received * 100 < unit_total.expected * {{ var('registry')['coverage']['withhold_below_percent'] }}
            then 'u'
        else 'ok'
    end as status
from unit_code_total as reason
inner join unit_total
    on reason.academic_year = unit_total.academic_year
        and reason.period = unit_total.period
        and reason.level = unit_total.level
        and reason.unit_code = unit_total.unit_code
left join said on reason.code = said.code
