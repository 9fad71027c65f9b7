{{ config(tags=['step_1']) }}
{%- set attributes = [
    'is_fsm', 'is_fsm6', 'is_disadvantaged', 'disadvantage_basis', 'sen_provision', 'is_eal', 'ethnicity_major', 'is_looked_after',
    'sex', 'idaci_decile'] -%}
-- Two schools may list a pupil on one day: the one that the pupil had not left, and where the pupil counts on roll, holds.
with preferred as (
    select
        *,
        row_number() over (
            partition by pupil_key, as_at_date
            order by
                case when leaving_date < as_at_date then 1 else 0 end,
                case when counts_on_roll then 0 else 1 end,
                school_key
        ) as preference
    from {{ ref('int_pupil_observation') }}
),

status as (
    select
        pupil_key,
        as_at_date,
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
)

select
    pupil_key,
    as_at_date as valid_from,
    coalesce(
        lead(as_at_date) over (partition by pupil_key order by as_at_date), cast('9999-12-31' as date)
    ) as valid_to,
    {{ attributes | join(',\n    ') }}
from changed
where previous_state is null or state <> previous_state
