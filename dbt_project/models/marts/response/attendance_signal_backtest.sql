{{ config(tags=['step_1']) }}
{%- set responses = var('registry')['responses'] -%}
{%- set backtest = responses['backtest'] -%}
{%- set plain = backtest['plain_rule'] -%}
-- Signals are raised from registers alone; groups are read here, to see whom the rules would have flagged.
with term as (
    select
        academic_year,
        period as term,
        end_date,
        lead(academic_year) over (order by start_date) as following_year,
        lead(period) over (order by start_date) as following_term,
        lead(end_date) over (order by start_date) as following_end_date
    from {{ ref('academic_period') }}
    where is_term
),

-- By registers alone: no signal can be made of a total.
pupil_term as (
    select
        counted.academic_year,
        counted.period as term,
        counted.pupil_key,
        sum(counted.attended - counted.possible_of_totals + counted.absent_of_totals) as attended,
        sum(counted.possible - counted.possible_of_totals) as possible
    from {{ ref('attendance_enrolment_period') }} as counted
    inner join term on counted.academic_year = term.academic_year and counted.period = term.term
    group by counted.academic_year, counted.period, counted.pupil_key
),

-- A term that is still under way says nothing yet of the one before.
judged as (
    select
        term.academic_year,
        term.term,
        term.following_year,
        term.following_term,
        ended.pupil_key,
        case when {{ is_below('ended', backtest) }} then 1 else 0 end as was_below,
        case when {{ is_below('later', backtest) }} then 1 else 0 end as is_below
    from pupil_term as ended
    inner join term on ended.academic_year = term.academic_year and ended.term = term.term
    inner join pupil_term as later
        on term.following_year = later.academic_year
            and term.following_term = later.term
            and ended.pupil_key = later.pupil_key
    where term.following_end_date <= {{ as_of() }}
        and ended.possible >= {{ backtest['minimum_possible_sessions'] }}
        and later.possible >= {{ backtest['minimum_possible_sessions'] }}
),

-- The team sees what is in the queue: a rule that flags many on one day is not followed up for all of them.
signalled as (
    select
        signal.rule_id,
        term.academic_year,
        term.term,
        signal.pupil_key,
        max(case when signal.is_in_queue then 1 else 0 end) as is_in_queue
    from {{ ref('attendance_signal') }} as signal
    inner join term on signal.academic_year = term.academic_year and signal.signal_date <= term.end_date
    group by signal.rule_id, term.academic_year, term.term, signal.pupil_key
),

rule as (
    {%- for rule in responses['rules'] %}
    select {{ sql_text(rule['rule_id']) }} as rule_id, {{ sql_text(rule['name']) }} as rule_name, false as is_plain_rule
    union all
    {%- endfor %}
    select {{ sql_text(plain['rule_id']) }} as rule_id, {{ sql_text(plain['name']) }} as rule_name, true as is_plain_rule
),

flagged as (
    select
        judged.*,
        rule.rule_id,
        rule.rule_name,
        rule.is_plain_rule,
        case
            when rule.is_plain_rule then judged.was_below
            when signalled.pupil_key is not null then 1
            else 0
        end as is_flagged,
        case when not rule.is_plain_rule then coalesce(signalled.is_in_queue, 0) end as is_in_queue
    from judged
    cross join rule
    left join signalled
        on rule.rule_id = signalled.rule_id
            and judged.academic_year = signalled.academic_year
            and judged.term = signalled.term
            and judged.pupil_key = signalled.pupil_key
),

counted as (
    select
        flagged.academic_year,
        flagged.term,
        flagged.following_year,
        flagged.following_term,
        flagged.rule_id,
        flagged.rule_name,
        flagged.is_plain_rule,
        pupil_group.group_definition,
        pupil_group.group_dimension,
        pupil_group.group_value,
        count(*) as pupils,
        sum(flagged.is_below) as below,
        sum(flagged.is_flagged) as flagged,
        sum(flagged.is_flagged * flagged.is_below) as true_positives,
        sum(flagged.is_in_queue * flagged.is_below) as true_positives_in_queue
    from flagged
    inner join {{ ref('int_pupil_group') }} as pupil_group
        on flagged.academic_year = pupil_group.academic_year and flagged.pupil_key = pupil_group.pupil_key
    group by
        flagged.academic_year, flagged.term, flagged.following_year, flagged.following_term, flagged.rule_id, flagged.rule_name,
        flagged.is_plain_rule, pupil_group.group_definition, pupil_group.group_dimension, pupil_group.group_value
)

select
    academic_year,
    term,
    rule_id,
    group_dimension,
    group_value,
    group_definition,
    rule_name,
    is_plain_rule,
    following_year,
    following_term,
    cast(pupils as bigint) as pupils,
    cast(below as bigint) as below,
    cast(flagged as bigint) as flagged,
    cast(true_positives as bigint) as true_positives,
    cast(true_positives_in_queue as bigint) as true_positives_in_queue,
    {{ round_sig(percentage('true_positives', 'flagged')) }} as precision_percent,
    {{ round_sig(percentage('true_positives', 'below')) }} as recall_percent,
    {{ round_sig(percentage('true_positives_in_queue', 'below')) }} as recall_in_queue_percent,
    {{ round_sig(percentage('(flagged - true_positives)', '(pupils - below)')) }} as false_alarm_percent
from counted
