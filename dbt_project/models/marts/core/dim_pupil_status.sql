{{ config(tags=['step_1']) }}
{%- set attributes = [
    'is_fsm', 'is_fsm6', 'is_disadvantaged', 'disadvantage_basis', 'sen_provision', 'is_eal', 'ethnicity_major', 'is_looked_after',
    'sex', 'idaci_decile'] -%}
-- Two schools may list a pupil on one day: the one where the pupil counts on roll holds. A row of a pupil who had left by the
-- day of the list counts only where no other list has the pupil: a school that goes on listing its leavers knows nothing new.
with observed as (
    select
        *,
        case when leaving_date < as_at_date then 1 else 0 end as has_left,
        min(case when leaving_date < as_at_date then 1 else 0 end) over (partition by pupil_key) as has_left_everywhere
    from {{ ref('int_pupil_observation') }}
),

preferred as (
    select
        *,
        row_number() over (
            partition by pupil_key, as_at_date
            order by case when counts_on_roll then 0 else 1 end, school_key
        ) as preference
    from observed
    where has_left = has_left_everywhere
),

status as (
    select
        pupil_key,
        as_at_date,
        max(as_at_date) over (partition by pupil_key) as last_listed,
        {{ attributes | join(', ') }},
        concat(
            {%- for attribute in attributes %}
            coalesce(cast({{ attribute }} as varchar), '?'){{ ", '|'," if not loop.last }}
            {%- endfor %}
        ) as state
    from preferred
    where preference = 1
),

changed as (
    select
        *,
        lag(state) over (partition by pupil_key order by as_at_date) as previous_state
    from status
),

span as (
    select
        pupil_key,
        as_at_date as valid_from,
        lead(as_at_date) over (partition by pupil_key order by as_at_date) as next_from,
        last_listed,
        {{ attributes | join(',\n        ') }}
    from changed
    where previous_state is null or state <> previous_state
),

-- Days that lists vouch for: up to the next change, or to the last list that has the pupil; nobody knows of the days after.
vouched as (
    select
        *,
        case when is_fsm is null then 0 else {{ days_between('valid_from', 'coalesce(next_from, last_listed)') }} end as fsm_days
    from span
),

so_far as (
    select
        *,
        sum(fsm_days) over up_to as fsm_days_known,
        sum(case when is_fsm then fsm_days else 0 end) over up_to as fsm_days_eligible
    from vouched
    window up_to as (partition by pupil_key order by valid_from rows between unbounded preceding and current row)
)

select
    pupil_key,
    valid_from,
    coalesce(next_from, cast('9999-12-31' as date)) as valid_to,
    {{ attributes | join(',\n    ') }},
    cast(fsm_days_known as integer) as fsm_days_known,
    cast(fsm_days_eligible as integer) as fsm_days_eligible,
    case when fsm_days_known > 0 then 100.0 * fsm_days_eligible / fsm_days_known end as fsm_eligible_share
from so_far
