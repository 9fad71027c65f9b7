{{ config(materialized='incremental', incremental_strategy='replace_slices', on_schema_change='fail', post_hook="{{ record_slices() }}") }}
{%- set rules = var('registry')['responses']['rules'] -%}
-- Every window ends at the row's own day: what came later is no evidence. A rule that was met speaks on the first day in the year,
-- then on the first day on which it is met after its quiet school days.
with recursive absence as (
    select
        enrolment_id,
        slice_fingerprint,
        session_date,
        day_no,
        possible_no,
        attended_before,
        broken_before,
        reason,
        is_authorised
    from {{ ref('int_absence') }}
    where {{ slices_to_build() }}
),

{% for rule in rules %}
{%- set stay = 'partition by enrolment_id, slice_fingerprint' -%}
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
{%- set counts = {'spells': 'count(*) over (' ~ frame ~ ')', 'spell_starts': listed_over('cast(session_date as varchar)', frame)} -%}
looked_at_{{ loop.index }} as (
    select
        enrolment_id,
        slice_fingerprint,
        attended_before,
        min(session_date) as session_date,
        min(day_no) as day_no,
        min(possible_no) as possible_no
    from counted_{{ loop.index }}
    group by enrolment_id, slice_fingerprint, attended_before
),
{%- elif rule['looks_at'] == 'run' -%}
{%- set run = 'partition by enrolment_id, slice_fingerprint, broken_before, run_no' -%}
{%- set counts = {'from': run, 'sessions': 'row_number() over (' ~ run ~ ' order by possible_no)'} -%}
looked_at_{{ loop.index }} as (
    select
        *,
        possible_no - row_number() over (
            partition by enrolment_id, slice_fingerprint, broken_before order by possible_no
        ) as run_no
    from counted_{{ loop.index }}
),
{%- else -%}
{%- set counts = {'sessions': 'count(*) over (' ~ frame ~ ')', 'possible': rule.get('of_last', 'null')} -%}
looked_at_{{ loop.index }} as (
    select *
    from counted_{{ loop.index }}
),
{%- endif %}

evidence_{{ loop.index }} as (
    select
        enrolment_id,
        slice_fingerprint,
        session_date,
        day_no,
        possible_no,
        min(session_date) over ({{ counts.get('from', frame) }}) as evidence_from,
        cast({{ counts.get('spells', 'null') }} as integer) as spells,
        cast({{ counts.get('sessions', 'null') }} as integer) as sessions,
        cast({{ counts.get('possible', 'null') }} as integer) as possible,
        cast({{ counts.get('spell_starts', 'null') }} as varchar) as spell_starts
    from looked_at_{{ loop.index }}
),

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
        {{ loop.index }} as rule_no,
        *,
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

-- Each step of the chain joins all candidates, so they carry no more than their place.
link as (
    select
        rule_no,
        enrolment_id,
        slice_fingerprint,
        day_no,
        first_day_no,
        next_day_no
    from candidate
),

raised as (
    select *
    from link
    where day_no = first_day_no
    union all
    select link.*
    from raised
    inner join link
        on raised.rule_no = link.rule_no
            and raised.enrolment_id = link.enrolment_id
            and raised.slice_fingerprint = link.slice_fingerprint
            and raised.next_day_no = link.day_no
)

select
    {{ rule_of('candidate.rule_no', 'rule_id') }} as rule_id,
    candidate.enrolment_id,
    candidate.session_date as signal_date,
    slice.academic_year,
    slice.school_key,
    candidate.day_no,
    candidate.evidence_from,
    candidate.spells,
    candidate.sessions,
    candidate.possible,
    candidate.spell_starts,
    candidate.slice_fingerprint
from raised
inner join candidate
    on raised.rule_no = candidate.rule_no
        and raised.enrolment_id = candidate.enrolment_id
        and raised.slice_fingerprint = candidate.slice_fingerprint
        and raised.day_no = candidate.day_no
inner join {{ ref('int_slice_fingerprint') }} as slice on candidate.slice_fingerprint = slice.slice_fingerprint
