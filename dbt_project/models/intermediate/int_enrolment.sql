-- Observations of one pupil in one school fall into stays. A new stay begins where the pupil has left and come back:
-- the list states a later entry than the last sighting, or, without a stated entry, a list in between lacked the pupil.
with sighted as (
    select
        *,
        lag(as_at_date) over (partition by pupil_key, school_key order by as_at_date) as previous_as_at,
        lag(entry_date) over (partition by pupil_key, school_key order by as_at_date) as previous_entry,
        lag(leaving_date) over (partition by pupil_key, school_key order by as_at_date) as previous_leaving,
        lag(list_no) over (partition by pupil_key, school_key order by as_at_date) as previous_list_no,
        lag(laestab) over (partition by pupil_key, school_key order by as_at_date) as previous_laestab
    from {{ ref('int_pupil_observation') }}
),

marked as (
    select
        *,
        case
            when previous_as_at is null then 0
            when entry_date is not null and previous_leaving is not null and entry_date > previous_leaving then 1
            when
                entry_date is not null
                and entry_date > previous_as_at
                and (previous_entry is null or previous_entry <= previous_as_at)
                then 1
            when entry_date is null and laestab = previous_laestab and list_no > previous_list_no + 1 then 1
            else 0
        end as starts_stay
    from sighted
),

numbered as (
    select
        *,
        sum(starts_stay) over (
            partition by pupil_key, school_key order by as_at_date rows between unbounded preceding and current row
        ) as stay
    from marked
),

newest as (
    select
        *,
        row_number() over (partition by pupil_key, school_key, stay order by as_at_date desc) as recency,
        min(as_at_date) over (partition by pupil_key, school_key, stay) as first_seen,
        max(entry_date) over (partition by pupil_key, school_key, stay) as latest_stated_entry
    from numbered
),

stay as (
    select
        *,
        lag(as_at_date) over (partition by pupil_key, school_key order by stay) as last_seen_before,
        coalesce(entry_date, latest_stated_entry, first_seen) as stated_entry
    from newest
    where recency = 1
),

dated as (
    select
        *,
        case
            when last_seen_before is not null and stated_entry <= last_seen_before then {{ add_days('last_seen_before', 1) }}
            else stated_entry
        end as effective_entry
    from stay
),

closed_by as (
    select
        dated.pupil_key,
        dated.school_key,
        dated.stay,
        min(list.as_at_date) as absent_from
    from dated
    inner join {{ ref('int_pupil_list') }} as list
        on dated.school_key = list.school_key and list.is_full and list.as_at_date > dated.as_at_date
    inner join {{ ref('int_school_span') }} as span
        on dated.laestab = span.laestab and dated.school_key = span.school_key
    where list.laestab = dated.laestab or span.close_date <= list.as_at_date
    group by dated.pupil_key, dated.school_key, dated.stay
),

bounded as (
    select
        dated.*,
        closed_by.absent_from,
        lead(dated.effective_entry) over (partition by dated.pupil_key, dated.school_key order by dated.stay) as next_entry
    from dated
    left join closed_by
        on dated.pupil_key = closed_by.pupil_key and dated.school_key = closed_by.school_key and dated.stay = closed_by.stay
),

ended as (
    select
        *,
        case
            when leaving_date is not null and (next_entry is null or leaving_date < next_entry) then leaving_date
            when next_entry is not null and (absent_from is null or next_entry < absent_from) then next_entry
            else absent_from
        end as end_date,
        case
            when leaving_date is not null and (next_entry is null or leaving_date < next_entry) then 'stated'
            when next_entry is not null or absent_from is not null then 'inferred'
        end as end_basis
    from bounded
)

select
    {{ bigint_hash("concat(cast(pupil_key as varchar), '|', school_key, '|', cast(effective_entry as varchar))") }} as enrolment_id,
    md5(concat(cast(pupil_key as varchar), '|', school_key, '|', cast(effective_entry as varchar))) as enrolment_key,
    pupil_key,
    school_key,
    laestab,
    effective_entry as entry_date,
    case when coalesce(entry_date, latest_stated_entry) = effective_entry then 'stated' else 'inferred' end as entry_date_basis,
    end_date as leaving_date,
    end_basis as leaving_date_basis,
    case
        when end_basis = 'stated' then {{ add_days('end_date', 1) }}
        when end_basis = 'inferred' then end_date
        else cast('9999-12-31' as date)
    end as on_roll_until,
    enrol_status,
    counts_on_roll,
    nc_year,
    reg_group,
    as_at_date as last_listed
from ended
where effective_entry <= {{ as_of() }}
