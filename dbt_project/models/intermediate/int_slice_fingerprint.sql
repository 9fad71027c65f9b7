-- Order-free hashes over everything that the marks and totals of one school and year are a function of.
with part as (
    select
        day.school_key,
        day.academic_year,
        {{ sum_of_hashes("concat('mark|', day.laestab, '|', cast(day.session_date as varchar), '|', cast(day.layer as varchar), '|', day.urn, '|', delivery.delivery_id, '|', delivery.parse_id)") }} as part_hash
    from {{ ref('int_school_day') }} as day
    inner join {{ ref('stg_delivery') }} as delivery on day.delivery_id = delivery.delivery_id
    group by day.school_key, day.academic_year
    union all
    select
        school_key,
        academic_year,
        {{ sum_of_hashes("concat('calendar|', laestab, '|', cast(session_date as varchar), '|', session, '|', urn, '|', case when is_open then '1' else '0' end)") }} as part_hash
    from {{ ref('int_calendar_session') }}
    group by school_key, academic_year
    union all
    select
        enrolment.school_key,
        enrolment.academic_year,
        {{ sum_of_hashes("concat('enrolment|', enrolment.enrolment_key, '|', cast(enrolment.on_roll_from as varchar), '|', cast(enrolment.on_roll_until as varchar), '|', case when enrolment.counts_on_roll then '1' else '0' end)") }} as part_hash
    from {{ ref('int_enrolment_year') }} as enrolment
    group by enrolment.school_key, enrolment.academic_year
    union all
    select
        enrolment.school_key,
        enrolment.academic_year,
        {{ sum_of_hashes("concat('identity|', cast(person.pupil_ref as varchar), '|', cast(person.pupil_key as varchar))") }} as part_hash
    from {{ ref('int_enrolment_year') }} as enrolment
    inner join {{ ref('int_pupil_ref') }} as person on enrolment.pupil_key = person.pupil_key
    group by enrolment.school_key, enrolment.academic_year
    union all
    select
        enrolment.school_key,
        enrolment.academic_year,
        {{ sum_of_hashes("concat('group|', cast(person.pupil_key as varchar)" ~ group_columns_text('person') ~ ")") }} as part_hash
    from {{ ref('int_enrolment_year') }} as enrolment
    inner join {{ ref('int_pupil_year') }} as person
        on enrolment.pupil_key = person.pupil_key and enrolment.academic_year = person.academic_year
    group by enrolment.school_key, enrolment.academic_year
    union all
    select
        total.school_key,
        total.academic_year,
        {{ sum_of_hashes("concat('total|', cast(total.enrolment_id as varchar), '|', total.laestab, '|', total.term, '|', cast(total.told_until as varchar), '|', cast(total.possible as varchar), '|', cast(total.authorised as varchar), '|', cast(total.unauthorised as varchar), '|', coalesce(cast(total.late as varchar), ''))") }} as part_hash
    from {{ ref('int_attendance_total') }} as total
    group by total.school_key, total.academic_year
),

definition as (
    select {{ sum_of_hashes("concat(nation, '|', code, '|', cast(valid_from as varchar), '|', category, '|', cast(judged_until as varchar))") }} as definition_hash
    from {{ ref('stg_register_code') }}
),

-- Which periods a year is counted in: a year's five half-terms are one of them from the day after the last.
period as (
    select
        span.academic_year,
        {{ sum_of_hashes("concat(span.period, '|', cast(span.start_date as varchar), '|', cast(span.end_date as varchar), '|', coalesce(half.half_term, ''))") }} as period_hash
    from {{ ref('academic_period') }} as span
    left join {{ ref('int_half_term_period') }} as half on span.academic_year = half.academic_year and span.period = half.period
    group by span.academic_year
),

present as (
    select distinct
        school_key,
        academic_year
    from {{ ref('int_school_day') }}
    union
    select distinct
        school_key,
        academic_year
    from {{ ref('int_calendar_session') }}
    union
    select distinct
        school_key,
        academic_year
    from {{ ref('int_attendance_total') }}
),

combined as (
    select
        part.school_key,
        part.academic_year,
        {{ sum_of_hashes("cast(part.part_hash as varchar)") }} as slice_hash
    from part
    inner join present on part.school_key = present.school_key and part.academic_year = present.academic_year
    group by part.school_key, part.academic_year
)

select
    combined.school_key,
    combined.academic_year,
    {{ bigint_hash("concat(combined.school_key, '|', combined.academic_year, '|', cast(combined.slice_hash as varchar), '|', cast(definition.definition_hash as varchar), '|', coalesce(cast(period.period_hash as varchar), ''), '|" ~ local_md5(tojson(var('registry'), sort_keys=true)) ~ "|" ~ var('code_fingerprint') ~ "')") }} as slice_fingerprint
from combined
cross join definition
left join period on combined.academic_year = period.academic_year
