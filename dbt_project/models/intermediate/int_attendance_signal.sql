{{ config(materialized='incremental', incremental_strategy='replace_slices', on_schema_change='fail', post_hook="{{ record_slices() }}") }}
{%- set rules = var('registry')['responses']['rules'] -%}
-- Every window ends at the row's own day: what came later is no evidence. A rule that was met speaks on the first day in the year,
-- then on the first day on which it is met after its quiet school days.
with recursive absence as (
    select *
    from {{ ref('int_absence') }}
    where {{ slices_to_build() }}
),

{% for rule in rules %}
{%- set stay = 'partition by enrolment_id, academic_year' -%}
{%- if rule['looks_at'] == 'rate' -%}
    {%- set frame = stay ~ ' order by possible_no range between ' ~ (rule['of_last'] - 1) ~ ' preceding and current row' -%}
{%- elif 'within_school_days' in rule -%}
    {%- set frame = stay ~ ' order by day_no range between ' ~ (rule['within_school_days'] - 1) ~ ' preceding and current row' -%}
{%- else -%}
    {%- set frame = stay ~ ' order by day_no range between unbounded preceding and current row' -%}
{%- endif -%}
counted_{{ loop.index }} as (
    select *
    from absence
    where {{ is_counted(rule) }}
),

{% if rule['looks_at'] == 'spells' -%}
start_{{ loop.index }} as (
    select
        enrolment_id,
        school_key,
        academic_year,
        attended_before,
        slice_fingerprint,
        min(session_date) as session_date,
        min(day_no) as day_no,
        min(possible_no) as possible_no
    from counted_{{ loop.index }}
    group by enrolment_id, school_key, academic_year, attended_before, slice_fingerprint
),

evidence_{{ loop.index }} as (
    select
        enrolment_id,
        school_key,
        academic_year,
        session_date,
        day_no,
        possible_no,
        slice_fingerprint,
        min(session_date) over ({{ frame }}) as evidence_from,
        count(*) over ({{ frame }}) as spells,
        cast(null as integer) as sessions,
        cast(null as integer) as possible,
        {{ listed_over('cast(session_date as varchar)', frame) }} as spell_starts
    from start_{{ loop.index }}
),
{%- elif rule['looks_at'] == 'run' -%}
run_{{ loop.index }} as (
    select
        *,
        possible_no - row_number() over (
            partition by enrolment_id, academic_year, broken_before order by possible_no
        ) as run_no
    from counted_{{ loop.index }}
),

evidence_{{ loop.index }} as (
    select
        enrolment_id,
        school_key,
        academic_year,
        session_date,
        day_no,
        possible_no,
        slice_fingerprint,
        min(session_date) over (partition by enrolment_id, academic_year, broken_before, run_no) as evidence_from,
        cast(null as integer) as spells,
        row_number() over (
            partition by enrolment_id, academic_year, broken_before, run_no order by possible_no
        ) as sessions,
        cast(null as integer) as possible,
        cast(null as varchar) as spell_starts
    from run_{{ loop.index }}
),
{%- else -%}
evidence_{{ loop.index }} as (
    select
        enrolment_id,
        school_key,
        academic_year,
        session_date,
        day_no,
        possible_no,
        slice_fingerprint,
        min(session_date) over ({{ frame }}) as evidence_from,
        cast(null as integer) as spells,
        count(*) over ({{ frame }}) as sessions,
        cast({{ rule['of_last'] if rule['looks_at'] == 'rate' else 'null' }} as integer) as possible,
        cast(null as varchar) as spell_starts
    from counted_{{ loop.index }}
),
{%- endif %}

met_{{ loop.index }} as (
    select
        *,
        row_number() over ({{ stay }}, day_no order by possible_no desc) as recency
    from evidence_{{ loop.index }}
    where
        {%- if rule['looks_at'] == 'rate' %}
        possible_no >= {{ rule['of_last'] }}
        and ({{ rule['of_last'] }} - sessions) * 100 < {{ rule['below_percent'] }} * {{ rule['of_last'] }}
        {%- elif rule['looks_at'] == 'spells' %}
        spells >= {{ rule['count'] }}
        {%- else %}
        sessions >= {{ rule['count'] }}
        {%- endif %}
),

candidate_{{ loop.index }} as (
    select
        {{ sql_text(rule['rule_id']) }} as rule_id,
        met_{{ loop.index }}.*,
        min(day_no) over ({{ stay }}) as first_day_no,
        {% if 'quiet_school_days' in rule -%}
            min(day_no) over (
                {{ stay }} order by day_no range between {{ rule['quiet_school_days'] + 1 }} following and unbounded following
            )
        {%- else -%}
            cast(null as integer)
        {%- endif %} as next_day_no
    from met_{{ loop.index }}
    where recency = 1
),

{% endfor -%}
candidate as (
    {%- for rule in rules %}
    select *
    from candidate_{{ loop.index }}
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

raised as (
    select *
    from candidate
    where day_no = first_day_no
    union all
    select candidate.*
    from raised
    inner join candidate
        on raised.rule_id = candidate.rule_id
            and raised.enrolment_id = candidate.enrolment_id
            and raised.academic_year = candidate.academic_year
            and raised.next_day_no = candidate.day_no
)

select
    rule_id,
    enrolment_id,
    session_date as signal_date,
    academic_year,
    school_key,
    day_no,
    evidence_from,
    cast(spells as integer) as spells,
    cast(sessions as integer) as sessions,
    possible,
    spell_starts,
    slice_fingerprint
from raised
