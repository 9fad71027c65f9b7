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
)

select
    coded.academic_year,
    coded.half_term,
    coded.school_key,
    coded.enrolment_id,
    enrolment.pupil_key,
    coded.code,
    cast(coded.sessions as bigint) as sessions
from coded
inner join {{ ref('int_enrolment') }} as enrolment on coded.enrolment_id = enrolment.enrolment_id
