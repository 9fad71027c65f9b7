{#-
  Sums over pupils of the attendance measures, per school, period and group: the CTEs and the query that follow a CTE `stay`
  (academic_year, period, school_key, pupil_key, counts of sessions, slice_fingerprint). `groups` says who is in which group:
  of a pupil and year, or, `of_school`, of a pupil, year and school; none: `stay` says it. `sliced`: whether the slice is carried along.
-#}
{% macro attendance_measure_sums(groups, of_school=false, sliced=true) -%}
{%- set measures = measures_of('attendance') -%}
pupil as (
    select
        academic_year,
        period,
        school_key,
        pupil_key,
        {{ 'slice_fingerprint,' if sliced }}
        {{ 'group_definition, group_dimension, group_value,' if groups is none }}
        {%- for measure in measures %}
        cast(sum({{ measure_numerator(measure) }}) as bigint) as num_{{ loop.index }},
        cast(sum({{ measure_denominator(measure) }}) as bigint) as den_{{ loop.index }},
        {%- endfor %}
        cast(sum(expected) as bigint) as expected,
        cast(sum(received) as bigint) as received
    from stay
    group by
        academic_year, period, school_key, pupil_key{{ ', slice_fingerprint' if sliced }}
        {{- ', group_definition, group_dimension, group_value' if groups is none }}
),

grouped as (
    {%- if groups is none %}
    select *
    from pupil
    {%- else %}
    select
        pupil.*,
        pupil_group.group_dimension,
        pupil_group.group_definition,
        pupil_group.group_value
    from pupil
    inner join {{ groups }} as pupil_group
        on pupil.academic_year = pupil_group.academic_year and pupil.pupil_key = pupil_group.pupil_key
            {%- if of_school %} and pupil.school_key = pupil_group.school_key{% endif %}
    where pupil_group.group_dimension = 'all' or {{ is_told_by_group('pupil.period') }}
    {%- endif %}
),

wide as (
    select
        academic_year,
        period,
        school_key,
        group_definition,
        group_dimension,
        group_value,
        {{ 'slice_fingerprint,' if sliced }}
        {%- for measure in measures %}
        {{ sum_if('den_' ~ loop.index ~ ' > 0') }} as n_{{ loop.index }},
        {{ exact_sum('num_' ~ loop.index) }} as sum_num_{{ loop.index }},
        {{ exact_sum('den_' ~ loop.index) }} as sum_den_{{ loop.index }},
        {{ exact_sum('num_' ~ loop.index ~ ' * num_' ~ loop.index) }} as sum_num_num_{{ loop.index }},
        {{ exact_sum('num_' ~ loop.index ~ ' * den_' ~ loop.index) }} as sum_num_den_{{ loop.index }},
        {{ exact_sum('den_' ~ loop.index ~ ' * den_' ~ loop.index) }} as sum_den_den_{{ loop.index }},
        {%- endfor %}
        sum(expected) as expected,
        sum(received) as received
    from grouped
    group by academic_year, period, school_key, group_definition, group_dimension, group_value{{ ', slice_fingerprint' if sliced }}
)

{% for measure in measures %}
select
    academic_year,
    period,
    school_key,
    '{{ measure['measure_id'] }}' as measure_id,
    group_definition,
    group_dimension,
    group_value,
    cast(n_{{ loop.index }} as bigint) as n,
    sum_num_{{ loop.index }} as sum_num,
    sum_den_{{ loop.index }} as sum_den,
    sum_num_num_{{ loop.index }} as sum_num_num,
    sum_num_den_{{ loop.index }} as sum_num_den,
    sum_den_den_{{ loop.index }} as sum_den_den,
    cast(expected as bigint) as expected,
    cast(received as bigint) as received{{ ',' if sliced }}
    {{ 'slice_fingerprint' if sliced }}
from wide
{% if not loop.last %}union all{% endif %}
{% endfor %}
{%- endmacro %}

{#-
  Every unit's ratio with its variance, from the sums of its schools; `overlap` and `groups` say whom a trust would count twice (none:
  every pupil of a school counts).
-#}
{% macro unit_measures(sums, overlap=none, groups=none, of_school=false) -%}
-- Linearised variance of a ratio over pupils, schools as strata (Cochran 1977, Sampling Techniques, 6.10 and 5A): in stratum h of n pupils
-- n / (n - 1) times the squared deviations of num - r den about their mean; a stratum of one pupil is centred on the whole.
with school_row as (
    select
        unit.level,
        unit.unit_code,
        unit.phase,
        total.*,
        cast(total.n as double) as n_,
        cast(total.sum_num as double) as num_,
        cast(total.sum_den as double) as den_,
        cast(total.sum_num_num as double) as num_num_,
        cast(total.sum_num_den as double) as num_den_,
        cast(total.sum_den_den as double) as den_den_
    from {{ sums }} as total
    inner join {{ ref('school_unit') }} as unit on total.school_key = unit.school_key
    where total.academic_year >= {{ measure_case('valid_from', 'total.measure_id') }}
),

unit_total as (
    select
        academic_year,
        period,
        level,
        unit_code,
        phase,
        measure_id,
        group_definition,
        group_dimension,
        group_value,
        sum(n) as n_units,
        {{ sum_if('n > 0') }} as n_strata,
        sum(sum_num) as sum_num,
        sum(sum_den) as sum_den,
        cast(sum(sum_num) as double) / nullif(cast(sum(sum_den) as double), 0) as ratio,
        cast(sum(sum_num_num) as double) as num_num_,
        cast(sum(sum_num_den) as double) as num_den_,
        cast(sum(sum_den_den) as double) as den_den_,
        sum(expected) as expected,
        sum(received) as received
    from school_row
    group by academic_year, period, level, unit_code, phase, measure_id, group_definition, group_dimension, group_value
),

stratum as (
    select
        school_row.academic_year,
        school_row.period,
        school_row.level,
        school_row.unit_code,
        school_row.measure_id,
        school_row.group_definition,
        school_row.group_dimension,
        school_row.group_value,
        school_row.n_,
        school_row.num_ - unit_total.ratio * school_row.den_ as deviation,
        school_row.num_num_
        - 2 * unit_total.ratio * school_row.num_den_
        + unit_total.ratio * unit_total.ratio * school_row.den_den_ as squares
    from school_row
    inner join unit_total
        on school_row.academic_year = unit_total.academic_year
            and school_row.period = unit_total.period
            and school_row.level = unit_total.level
            and school_row.unit_code = unit_total.unit_code
            and school_row.measure_id = unit_total.measure_id
            and school_row.group_definition = unit_total.group_definition
            and school_row.group_dimension = unit_total.group_dimension
            and school_row.group_value = unit_total.group_value
    where school_row.n > 0
),

spread as (
    select
        academic_year,
        period,
        level,
        unit_code,
        measure_id,
        group_definition,
        group_dimension,
        group_value,
        cast(
            sum(
                cast(
                    case when n_ > 1 then n_ / (n_ - 1) * (squares - deviation * deviation / n_) else squares end as decimal(38, 12)
                )
            ) as double
        ) as within_squares
    from stratum
    group by academic_year, period, level, unit_code, measure_id, group_definition, group_dimension, group_value
),

{% if overlap is not none -%}
overlap as (
    select
        pupil.academic_year,
        pupil.period,
        unit.level,
        unit.unit_code,
        pupil.measure_id,
        pupil_group.group_definition,
        pupil_group.group_dimension,
        pupil_group.group_value,
        count(*) - count(distinct pupil.pupil_key) as counted_twice
    from {{ overlap }} as pupil
    inner join {{ ref('school_unit') }} as unit on pupil.school_key = unit.school_key
    inner join {{ groups }} as pupil_group
        on pupil.academic_year = pupil_group.academic_year and pupil.pupil_key = pupil_group.pupil_key
            {%- if of_school %} and pupil.school_key = pupil_group.school_key{% endif %}
    group by
        pupil.academic_year, pupil.period, unit.level, unit.unit_code, pupil.measure_id, pupil_group.group_definition,
        pupil_group.group_dimension, pupil_group.group_value
),

{% endif -%}
estimated as (
    select
        unit_total.academic_year,
        unit_total.period,
        unit_total.level,
        unit_total.unit_code,
        unit_total.phase,
        unit_total.measure_id,
        unit_total.group_definition,
        unit_total.group_dimension,
        unit_total.group_value,
        cast(unit_total.n_units{{ ' - coalesce(overlap.counted_twice, 0)' if overlap is not none }} as bigint) as n,
        cast(unit_total.n_units as bigint) as n_units,
        cast(unit_total.n_strata as bigint) as n_strata,
        cast(unit_total.n_units - unit_total.n_strata as double) as df,
        cast(unit_total.sum_num as decimal(38, 9)) as numerator,
        cast(unit_total.sum_den as decimal(38, 9)) as denominator,
        unit_total.ratio,
        -- Negative only by the rounding of the last digits.
        (case when spread.within_squares > 0 then spread.within_squares else 0 end)
        / nullif(cast(unit_total.sum_den as double) * cast(unit_total.sum_den as double), 0) as variance,
        -- The pupil's own spread: squared deviations in units of the mean denominator.
        case
            when unit_total.n_units > 1
                then
                    (unit_total.num_num_ - 2 * unit_total.ratio * unit_total.num_den_
                    + unit_total.ratio * unit_total.ratio * unit_total.den_den_)
                    / cast(unit_total.n_units - 1 as double)
                    / nullif(
                        cast(unit_total.sum_den as double) * cast(unit_total.sum_den as double)
                        / (cast(unit_total.n_units as double) * cast(unit_total.n_units as double)), 0
                    )
        end as pupil_variance,
        cast(unit_total.expected as bigint) as expected,
        cast(unit_total.received as bigint) as received,
        {{ measure_case('kind', 'unit_total.measure_id') }} as kind,
        cast({{ measure_scale('unit_total.measure_id') }} as double) as scale
    from unit_total
    left join spread
        on unit_total.academic_year = spread.academic_year
            and unit_total.period = spread.period
            and unit_total.level = spread.level
            and unit_total.unit_code = spread.unit_code
            and unit_total.measure_id = spread.measure_id
            and unit_total.group_definition = spread.group_definition
            and unit_total.group_dimension = spread.group_dimension
            and unit_total.group_value = spread.group_value
    {%- if overlap is not none %}
    left join overlap
        on unit_total.academic_year = overlap.academic_year
            and unit_total.period = overlap.period
            and unit_total.level = overlap.level
            and unit_total.unit_code = overlap.unit_code
            and unit_total.measure_id = overlap.measure_id
            and unit_total.group_definition = overlap.group_definition
            and unit_total.group_dimension = overlap.group_dimension
            and unit_total.group_value = overlap.group_value
    {%- endif %}
)

select
    estimated.*,
    case when estimated.kind = 'proportion' then {{ wilson_bound('estimated.ratio', 'cast(estimated.denominator as double)', 'normal.quantile', '-') }} end as wilson_low,
    case when estimated.kind = 'proportion' then {{ wilson_bound('estimated.ratio', 'cast(estimated.denominator as double)', 'normal.quantile', '+') }} end as wilson_high,
    100 * cast(estimated.received as double) / nullif(cast(estimated.expected as double), 0) as coverage
from estimated
cross join (
    select student.quantile
    from {{ ref('student_t') }} as student
    where student.df = (select max(every_df.df) from {{ ref('student_t') }} as every_df)
) as normal
{%- endmacro %}

{#- Weeks and half-terms are told of everybody: groups are told by term and year. -#}
{% macro is_told_by_group(period) -%}
    left({{ period }}, 1) <> 'W' and left({{ period }}, 2) <> 'HT'
{%- endmacro %}

{#- Joins each row of a term's weeks to the half-term that the week lies in. -#}
{% macro join_half_term(week, alias) -%}
    inner join {{ ref('int_half_term') }} as {{ alias }}
        on {{ week }}.academic_year = {{ alias }}.academic_year
            and {{ week }}.term = {{ alias }}.term
            and {{ week }}.week_start >= {{ alias }}.from_week
            and {{ week }}.week_start < {{ alias }}.until_week
{%- endmacro %}

{#-
  The rows of a term's weeks, each under every period that it counts in: `columns` of the week beside academic_year and period.
  `with_totals`: rows that stand under a Sunday are what totals tell of a whole term, as the ledger keeps them.
-#}
{% macro weeks_by_period(weeks, columns, with_totals=false) -%}
    select
        week.academic_year,
        counted.period,
        {%- for column in columns %}
        week.{{ column }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ weeks }} as week
    {{ join_half_term('week', 'half_term') }}
    inner join {{ ref('int_half_term_period') }} as counted
        on half_term.academic_year = counted.academic_year and half_term.half_term = counted.half_term
    {{ "where not " ~ is_of_totals('week') if with_totals }}
    union all
    select
        week.academic_year,
        {{ iso_week_label('week.week_start') }} as period,
        {%- for column in columns %}
        week.{{ column }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ weeks }} as week
    {%- if with_totals %}
    where not {{ is_of_totals('week') }}
    union all
    select
        week.academic_year,
        counted.period,
        {%- for column in columns %}
        week.{{ column }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ weeks }} as week
    inner join {{ ref('int_term_period') }} as counted
        on week.academic_year = counted.academic_year and week.term = counted.term
    where {{ is_of_totals('week') }}
    {%- endif %}
{%- endmacro %}

{#- Whether a row of the ledger's weeks is what totals tell of a term: it stands under a Sunday, and a week under its Monday. -#}
{% macro is_of_totals(alias='') -%}
    ({{ iso_weekday((alias ~ '.' if alias else '') ~ 'week_start') }} = 7)
{%- endmacro %}

{#- A register code among a group's pupils, as one value of the group's dimension. -#}
{% macro code_of_group(code, group_value) -%}
concat({{ code }}, '|', {{ group_value }})
{%- endmacro %}
