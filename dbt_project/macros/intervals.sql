{#-
  Intervals. The sampling unit is the pupil. A ratio or a mean: estimate plus and minus t times the standard error over pupils.
  Where each enrolment gives one 0 or 1: Wilson (1927), and for a difference Newcombe (1998), method 10.
-#}

{#- One end of Wilson's score interval of a share p of n, as a share; `side` is - or +. -#}
{% macro wilson_bound(p, n, z, side) -%}
    case
        when {{ n }} > 0 then
            ({{ p }} + {{ z }} * {{ z }} / (2 * {{ n }})
            {{ side }} {{ z }} * sqrt({{ p }} * (1 - {{ p }}) / {{ n }} + {{ z }} * {{ z }} / (4 * {{ n }} * {{ n }})))
            / (1 + {{ z }} * {{ z }} / {{ n }})
    end
{%- endmacro %}

{#- The row of int_student_t for `df` degrees of freedom, not necessarily whole. -#}
{% macro student_t_key(df) -%}
    cast(case when {{ df }} >= 1000 then 1000 else floor({{ df }}) end as integer)
{%- endmacro %}

{#- Student's t between two rows of the table, linear in 1/df. -#}
{% macro student_t_quantile(df, row) -%}
    ({{ row }}.quantile + ({{ row }}.next_quantile - {{ row }}.quantile)
    * (1.0 / {{ row }}.df - 1.0 / {{ df }}) / (1.0 / {{ row }}.df - 1.0 / {{ row }}.next_df))
{%- endmacro %}

{#- A rate cannot leave 0 to 100. -#}
{% macro clip_rate(x, kind) -%}
    case when {{ kind }} = 'mean' then {{ x }} when {{ x }} < 0 then 0 when {{ x }} > 100 then 100 else {{ x }} end
{%- endmacro %}

{#- A sum of shares over schools that does not depend on the order of its terms. -#}
{% macro part_sum(condition, expression) -%}
    cast(coalesce(sum(cast(case when {{ condition }} then {{ expression }} end as decimal(38, 18))), 0) as double)
{%- endmacro %}

{#-
  An end (`ci_low` or `ci_high`) of a percentage's interval, from its half width about the percentage itself: taken on the scale of log
  odds, whose derivative is 1 / (p (1 - p)). Of all sessions (100 %) there are no odds, and the end stays.
  Source: Agresti (2013), Categorical Data Analysis, 3rd ed., 3.1 and 16.1 (delta method).
-#}
{% macro logit_end(figure, end) -%}
{%- set p = figure ~ '.value' -%}
{%- set moved = '100 * (' ~ figure ~ '.ci_high - ' ~ p ~ ') / (' ~ p ~ ' * (100 - ' ~ p ~ '))' -%}
{%- set log_odds = 'ln(' ~ p ~ ' / (100 - ' ~ p ~ '))' -%}
case
        when {{ figure }}.ci_high is null or {{ p }} >= 100 then {{ figure }}.{{ end }}
        else {{ round_sig('(100 / (1 + exp(-' ~ log_odds ~ (' + ' if end == 'ci_low' else ' - ') ~ moved ~ ')))') }}
    end
{%- endmacro %}
