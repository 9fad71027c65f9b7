{#- Whatever differs between engines stands here, each macro dispatched. Models hold portable SQL only. -#}

{% macro add_days(day, n) %}{{ return(adapter.dispatch('add_days')(day, n)) }}{% endmacro %}
{% macro default__add_days(day, n) %}cast({{ day }} + cast({{ n }} as integer) as date){% endmacro %}
{% macro spark__add_days(day, n) %}date_add({{ day }}, cast({{ n }} as int)){% endmacro %}

{#- Whole days from `start` to `finish`. -#}
{% macro days_between(start, finish) %}{{ return(adapter.dispatch('days_between')(start, finish)) }}{% endmacro %}
{% macro default__days_between(start, finish) %}cast({{ finish }} - {{ start }} as integer){% endmacro %}
{% macro spark__days_between(start, finish) %}datediff({{ finish }}, {{ start }}){% endmacro %}

{#- Monday is 1, Sunday is 7. -#}
{% macro iso_weekday(day) %}{{ return(adapter.dispatch('iso_weekday')(day)) }}{% endmacro %}
{% macro default__iso_weekday(day) %}cast(extract(isodow from {{ day }}) as integer){% endmacro %}
{% macro spark__iso_weekday(day) %}(weekday({{ day }}) + 1){% endmacro %}

{% macro year_of(day) %}cast(extract(year from {{ day }}) as integer){% endmacro %}
{% macro month_of(day) %}cast(extract(month from {{ day }}) as integer){% endmacro %}

{#- The Monday of the ISO week. -#}
{% macro week_start(day) %}{{ add_days(day, '1 - ' ~ iso_weekday(day)) }}{% endmacro %}

{#- `W2025-36`: the ISO week of a Monday. Its year and number are those of the Thursday. -#}
{% macro iso_week_label(monday) %}{{ return(adapter.dispatch('iso_week_label')(monday)) }}{% endmacro %}
{% macro default__iso_week_label(monday) %}strftime({{ monday }}, 'W%G-%V'){% endmacro %}
{% macro spark__iso_week_label(monday) -%}
    concat('W', year(date_add({{ monday }}, 3)), '-', lpad(weekofyear({{ monday }}), 2, '0'))
{%- endmacro %}

{#- 100 n / d of whole numbers, to nine decimals, halves away from zero: exact, where a DOUBLE is not. -#}
{% macro exact_percent(n, d) %}{{ return(adapter.dispatch('exact_percent')(n, d)) }}{% endmacro %}
{% macro default__exact_percent(n, d) -%}
    cast(cast((200000000000 * cast({{ n }} as hugeint) + {{ d }}) // nullif(2 * cast({{ d }} as hugeint), 0) as decimal(18, 0)) * 0.000000001 as decimal(18, 9))
{%- endmacro %}
{% macro spark__exact_percent(n, d) -%}
    cast(cast((200000000000 * cast({{ n }} as decimal(26, 0)) + {{ d }}) div nullif(2 * cast({{ d }} as decimal(26, 0)), 0) as decimal(18, 0)) * 0.000000001 as decimal(18, 9))
{%- endmacro %}

{% macro first_of_month(year, month) %}{{ return(adapter.dispatch('first_of_month')(year, month)) }}{% endmacro %}
{% macro default__first_of_month(year, month) %}make_date({{ year }}, {{ month }}, 1){% endmacro %}

{#- `2025/26`: 1 August to 31 July. -#}
{% macro academic_year(day) -%}
    {{ academic_year_label("(extract(year from " ~ day ~ ") - case when extract(month from " ~ day ~ ") < 8 then 1 else 0 end)") }}
{%- endmacro %}
{% macro academic_year_label(first_year) -%}
    concat(cast({{ first_year }} as varchar), '/', right(cast({{ first_year }} + 1 as varchar), 2))
{%- endmacro %}

{#- The two ends of an academic year label. -#}
{% macro academic_year_start(label) %}{{ first_of_month('cast(left(' ~ label ~ ', 4) as integer)', 8) }}{% endmacro %}
{% macro academic_year_end(label) %}{{ add_days(first_of_month('cast(left(' ~ label ~ ', 4) as integer) + 1', 8), -1) }}{% endmacro %}

{#- The first day of a calendar month within an academic year. -#}
{% macro month_of_academic_year(label, month) -%}
    {{ first_of_month('cast(left(' ~ label ~ ', 4) as integer) + ' ~ (1 if month < 8 else 0), month) }}
{%- endmacro %}

{#- A text as a BIGINT that is never negative: the lower half of its md5 without its sign. -#}
{% macro bigint_hash(text) %}{{ return(adapter.dispatch('bigint_hash')(text)) }}{% endmacro %}
{% macro default__bigint_hash(text) %}cast(md5_number_lower({{ text }}) & 9223372036854775807 as bigint){% endmacro %}
{% macro spark__bigint_hash(text) -%}
    cast(conv(substr(md5({{ text }}), 17, 16), 16, 10) & 9223372036854775807 as bigint)
{%- endmacro %}

{#- A hash over rows that does not depend on their order; no rows give 0. -#}
{% macro sum_of_hashes(text) -%}
    coalesce(cast(sum(cast({{ bigint_hash(text) }} as decimal(38, 0))) % 9223372036854775783 as bigint), 0)
{%- endmacro %}

{#- Bits of a week: bit 2(d-1) is the morning of ISO weekday d, the next one the afternoon. -#}
{% macro session_bit(day, session) %}{{ return(adapter.dispatch('session_bit')(day, session)) }}{% endmacro %}
{% macro default__session_bit(day, session) -%}
    (1 << (2 * ({{ iso_weekday(day) }} - 1) + case when {{ session }} = 'PM' then 1 else 0 end))
{%- endmacro %}
{% macro spark__session_bit(day, session) -%}
    shiftleft(1, 2 * ({{ iso_weekday(day) }} - 1) + case when {{ session }} = 'PM' then 1 else 0 end)
{%- endmacro %}

{#- The bits of the sessions from the d-th day to the e-th day of a week (1 to 7). -#}
{% macro session_bits_between(first_day, last_day) %}{{ return(adapter.dispatch('session_bits_between')(first_day, last_day)) }}{% endmacro %}
{% macro default__session_bits_between(first_day, last_day) -%}
    ((1 << (2 * ({{ last_day }}))) - (1 << (2 * (({{ first_day }}) - 1))))
{%- endmacro %}
{% macro spark__session_bits_between(first_day, last_day) -%}
    (shiftleft(1, 2 * ({{ last_day }})) - shiftleft(1, 2 * (({{ first_day }}) - 1)))
{%- endmacro %}

{% macro bits_and(a, b) %}({{ a }} & {{ b }}){% endmacro %}
{% macro bits_or(a, b) %}({{ a }} | {{ b }}){% endmacro %}
{% macro bits_without(a, b) %}({{ a }} & ~{{ b }}){% endmacro %}

{#- The morning's bit of every day that has a bit. -#}
{% macro days_of_bits(a) %}{{ return(adapter.dispatch('days_of_bits')(a)) }}{% endmacro %}
{% macro default__days_of_bits(a) %}(({{ a }} | ({{ a }} >> 1)) & 5461){% endmacro %}
{% macro spark__days_of_bits(a) %}(({{ a }} | shiftright({{ a }}, 1)) & 5461){% endmacro %}

{% macro count_bits(a) %}cast(bit_count({{ a }}) as integer){% endmacro %}

{#- The last day that a file tells of: the one it was taken on, from noon, else the day before. -#}
{% macro last_day_told(moment) %}{{ return(adapter.dispatch('last_day_told')(moment)) }}{% endmacro %}
{% macro default__last_day_told(moment) %}cast({{ moment }} - interval 12 hour as date){% endmacro %}

{#- Least and greatest of two: both sides must be non-null. -#}
{% macro earlier(a, b) %}(case when {{ a }} <= {{ b }} then {{ a }} else {{ b }} end){% endmacro %}
{% macro later(a, b) %}(case when {{ a }} >= {{ b }} then {{ a }} else {{ b }} end){% endmacro %}

{#- An estimate to nine significant digits: the last digits of a DOUBLE differ between machines. -#}
{% macro round_sig(x, digits=9) %}{{ return(adapter.dispatch('round_sig')(x, digits)) }}{% endmacro %}
{% macro default__round_sig(x, digits) -%}
    (case
        when {{ x }} is null then null
        when {{ x }} = 0 then cast(0 as double)
        else round({{ x }}, cast({{ digits }} - 1 - floor(log10(abs({{ x }}))) as integer))
    end)
{%- endmacro %}

{% macro sum_if(condition, value='1') %}sum(case when {{ condition }} then {{ value }} else 0 end){% endmacro %}

{#- A list of published figures: indicator, value and status, and the rows that such a list unfolds into. -#}
{% macro figure_list_type() %}{{ return(adapter.dispatch('figure_list_type')()) }}{% endmacro %}
{% macro default__figure_list_type() %}{{ return('struct(indicator varchar, value double, status varchar)[]') }}{% endmacro %}
{% macro spark__figure_list_type() %}{{ return('array<struct<indicator: string, value: double, status: string>>') }}{% endmacro %}
{% macro each_figure(column) %}{{ return(adapter.dispatch('each_figure')(column)) }}{% endmacro %}
{% macro default__each_figure(column) %}unnest({{ column }}){% endmacro %}
{% macro spark__each_figure(column) %}explode({{ column }}){% endmacro %}

{#- The texts of a window's rows, in the window's order, joined by commas. -#}
{% macro listed_over(text, frame) %}{{ return(adapter.dispatch('listed_over')(text, frame)) }}{% endmacro %}
{% macro default__listed_over(text, frame) %}string_agg({{ text }}, ', ') over ({{ frame }}){% endmacro %}
{% macro spark__listed_over(text, frame) %}array_join(collect_list({{ text }}) over ({{ frame }}), ', '){% endmacro %}
