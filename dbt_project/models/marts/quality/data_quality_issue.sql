{{ config(tags=['step_1']) }}
-- An issue is open while a file that is in force has it, and closed once newer files stand in place of every file that had it.
-- Effects on a figure are not estimated: effect_pp is NULL.
with uncounted_total as (
    select
        total.delivery_id,
        total.line,
        case
            when count(placed.pupil_key) > 0 then 'TOTAL-TOO-MANY-SESSIONS'
            when total.told_until is null then 'TOTAL-YEAR-UNKNOWN'
            else 'TOTAL-NOT-ON-ROLL'
        end as rule_id
    from {{ ref('stg_attendance_total') }} as total
    left join {{ ref('int_school_span') }} as span on total.laestab = span.laestab
    left join {{ ref('int_attendance_total') }} as placed
        on span.school_key = placed.school_key
            and total.academic_year = placed.academic_year
            and total.term = placed.term
            and total.pupil_key = placed.pupil_key
    where total.is_current and total.possible > 0
    group by total.delivery_id, total.line, total.told_until
    having count(placed.pupil_key) = 0
        or max(case when placed.exceeds_calendar and placed.delivery_id = total.delivery_id then 1 else 0 end) = 1
),

found as (
    select
        broken.rule_id,
        broken.severity,
        broken.sentence,
        broken.n_rows,
        broken.delivery_id,
        delivery.feed,
        delivery.laestab,
        delivery.extracted_at
    from {{ source('lake', 'delivery_rule') }} as broken
    inner join {{ ref('stg_delivery') }} as delivery on broken.delivery_id = delivery.delivery_id
    union all
    select
        'HELD-PARTIAL' as rule_id,
        'refuse' as severity,
        'The file covers too few of the pupils it would replace and waits for a decision.' as sentence,
        rows_accepted as n_rows,
        delivery_id,
        feed,
        laestab,
        extracted_at
    from {{ ref('stg_delivery') }}
    where is_held
    union all
    select
        'NOT-ON-ROLL' as rule_id,
        'flag' as severity,
        'Marks of pupils whom no list has on the roll on that day: no figure counts them.' as sentence,
        sum(unplaced.n_not_on_roll) as n_rows,
        delivery.delivery_id,
        delivery.feed,
        delivery.laestab,
        delivery.extracted_at
    from {{ ref('int_session_unplaced') }} as unplaced
    inner join {{ ref('stg_delivery') }} as delivery on unplaced.delivery_id = delivery.delivery_id
    where unplaced.n_not_on_roll > 0
    group by delivery.delivery_id, delivery.feed, delivery.laestab, delivery.extracted_at
    union all
    select
        total.rule_id,
        'flag' as severity,
        case total.rule_id
            when 'TOTAL-NOT-ON-ROLL'
                then 'Totals of pupils whom no list has on the roll on the days that they tell of: no figure counts them.'
            when 'TOTAL-TOO-MANY-SESSIONS'
                then 'Totals of more sessions than the calendar has of the pupil in the term: no figure counts them.'
            else 'Totals of an academic year whose terms are not dated here: no figure counts them.'
        end as sentence,
        count(*) as n_rows,
        delivery.delivery_id,
        delivery.feed,
        delivery.laestab,
        delivery.extracted_at
    from uncounted_total as total
    inner join {{ ref('stg_delivery') }} as delivery on total.delivery_id = delivery.delivery_id
    group by delivery.delivery_id, delivery.feed, delivery.laestab, delivery.extracted_at, total.rule_id
),

placed as (
    select
        found.*,
        span.school_key,
        case when in_force.delivery_id is null then 0 else 1 end as is_in_force
    from found
    left join {{ ref('int_delivery_in_force') }} as in_force on found.delivery_id = in_force.delivery_id
    left join {{ ref('int_school_span') }} as span
        on found.laestab = span.laestab
            and cast(found.extracted_at as date) >= span.valid_from
            and cast(found.extracted_at as date) < span.valid_to
)

select
    md5(concat(rule_id, '|', feed, '|', coalesce(school_key, ''))) as issue_id,
    rule_id,
    feed,
    school_key,
    max(severity) as severity,
    max(sentence) as sentence,
    case when max(is_in_force) = 1 then 'open' else 'closed' end as status,
    min(extracted_at) as first_seen,
    max(extracted_at) as last_seen,
    cast(sum(n_rows) as bigint) as n_rows,
    cast(null as double) as effect_pp
from placed
group by rule_id, feed, school_key
