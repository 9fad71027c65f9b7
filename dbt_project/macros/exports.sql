{#-
  Tables of a tier: the mart with every figure of a hidden row set to NULL and its status to c.

  `disclosure.pattern` names hidden rows by tier, table_name and row_key: the key columns, cast to text, joined by `|`, a NULL as nothing.
  Whoever writes the pattern builds row_key with this macro's rule, over the key columns of `exported_tables`. Where table_name is a
  table, a dot and a column, that column of the row is hidden and the rest of it is not.
-#}
{% macro row_key(columns, alias='') -%}
    {%- set prefix = alias ~ '.' if alias else '' -%}
    concat({% for column in columns %}coalesce(cast({{ prefix }}{{ column }} as varchar), ''){{ ", '|', " if not loop.last }}{% endfor %})
{%- endmacro %}

{#- Key columns, and the figures that go with a hidden row, of every table that a tier gets. -#}
{% macro exported_tables() %}
    {{ return({
        'measure_value': {
            'key': ['academic_year', 'period', 'level', 'unit_code', 'measure_id', 'definition_version', 'group_definition',
                    'group_dimension', 'group_value'],
            'figures': ['n', 'numerator', 'denominator', 'value', 'ci_low', 'ci_high', 'interval_method', 'coverage'],
            'hidden_alone': ['coverage']},
        'gap': {
            'key': ['academic_year', 'period', 'level', 'unit_code', 'measure_id', 'definition_version', 'group_definition',
                    'group_dimension', 'group_value', 'comparator'],
            'figures': ['n_group', 'n_comparator', 'value_group', 'value_comparator', 'gap', 'ci_low', 'ci_high', 'interval_method',
                        'effect_size', 'within_school', 'between_school', 'undecomposed', 'placebo_share', 'coverage'],
            'hidden_alone': ['coverage']},
        'progress_school': {
            'key': ['academic_year', 'measure_id', 'school_key'],
            'figures': ['n', 'coverage', 'raw_mean', 'shrunken', 'reliability', 'raw_ci_low', 'raw_ci_high', 'shrunken_se',
                        'shrunken_ci_low', 'shrunken_ci_high', 'probability_above', 'dfe_band'],
            'hidden_alone': ['coverage']},
        'progress_model': {
            'key': ['academic_year', 'measure_id', 'method'],
            'figures': ['n_pupils', 'n_schools', 'coefficients', 'var_school', 'var_pupil', 'icc', 'deviance']},
        'coverage': {
            'key': ['academic_year', 'period', 'feed', 'school_key'],
            'figures': ['expected', 'received', 'share']},
        'dim_school': {'key': ['school_key'], 'figures': []},
        'measure': {'key': ['measure_id', 'definition_version'], 'figures': []},
        'unit_coverage': {'key': ['academic_year', 'period', 'level', 'unit_code'], 'figures': []},
        'published_comparator': {'key': ['academic_year', 'period', 'level', 'unit_code', 'measure_id', 'comparator'], 'figures': []},
        'delivery': {
            'key': ['delivery_id'],
            'figures': ['rows_read', 'rows_accepted', 'rows_quarantined', 'rows_current', 'rows_superseded', 'rows_held']},
        'data_quality_issue': {'key': ['issue_id'], 'figures': ['n_rows', 'effect_pp'], 'status_is_its_own': true},
    }) }}
{% endmacro %}

{#- Tables of which the public tier tells what its ledger holds, not what came last. -#}
{% macro held_tables() %}{{ return(['measure_value', 'gap', 'coverage', 'progress_school', 'progress_model']) }}{% endmacro %}

{% macro exported(table_name, tier, columns) -%}
    {%- set spec = exported_tables()[table_name] -%}
    select
    {%- for column in columns %}
        {% if spec['figures'] and column == 'status' and not spec.get('status_is_its_own', false) -%}
            case when hidden.row_key is null then mart.status else 'c' end as status
        {%- elif column in spec.get('hidden_alone', []) -%}
            case when hidden.row_key is null and hidden_{{ column }}.row_key is null then mart.{{ column }} end as {{ column }}
        {%- elif column in spec['figures'] -%}
            case when hidden.row_key is null then mart.{{ column }} end as {{ column }}
        {%- else -%}
            mart.{{ column }}
        {%- endif %}{{ "," if not loop.last }}
    {%- endfor %}
    from {{ ref('basis_' ~ table_name if tier == 'public' and table_name in held_tables() else table_name) }} as mart
    {%- for column in ([''] if spec['figures'] else []) + spec.get('hidden_alone', []) %}
    {%- set alias = 'hidden_' ~ column if column else 'hidden' %}
    left join (
        select distinct row_key
        from {{ source('disclosure', 'pattern') }}
        where tier = '{{ tier }}' and table_name = '{{ table_name ~ ('.' ~ column if column else '') }}'
    ) as {{ alias }}
        on {{ row_key(spec['key'], 'mart') }} = {{ alias }}.row_key
    {%- endfor %}
{%- endmacro %}

{#- How many rows of each table a tier does not show. -#}
{#- How many rows of a tier are hidden, and not why: of two groups that are 10 together, "both few" tells that each is 5. -#}
{% macro hidden_counted(tier) -%}
select
    academic_year,
    table_name,
    level,
    reason,
    cells,
    hidden,
    percent_hidden,
    is_over_limit
from {{ source('disclosure', 'loss') }}
where tier = '{{ tier }}' and reason = 'any'
{%- endmacro %}

{#- Rows as they were published, of what the ledger lets stand; nothing where nothing stands. -#}
{% macro published_rows(table_name, columns) -%}
    {%- if execute and adapter.get_relation(target.database, 'ledger', 'published_' ~ table_name) is not none %}
union all
select
    {%- for column in columns %}
    published.{{ column }}{{ "," if not loop.last }}
    {%- endfor %}
from {{ api.Relation.create(database=target.database, schema='ledger', identifier='published_' ~ table_name) }} as published
    {%- endif %}
{%- endmacro %}

{#-
  What the public tier tells of a table of figures: the mart's rows, but for measures that stand as they were published and, where
  there is a model of what is `held`, attendance of the years that are counted apart.
-#}
{% macro told(table_name, columns, held=none) -%}
select
    {%- for column in columns %}
    mart.{{ column }}{{ "," if not loop.last }}
    {%- endfor %}
from {{ ref(table_name) }} as mart
{%- if held %}
left join {{ source('ledger', 'apart_year') }} as apart
    on mart.academic_year = apart.academic_year and {{ measure_case('source_model', 'mart.measure_id') }} = 'attendance'
{%- endif %}
left join {{ source('ledger', 'standing') }} as standing
    on mart.academic_year = standing.academic_year and mart.measure_id = standing.measure_id
where standing.measure_id is null{{ " and apart.academic_year is null" if held }}
{%- if held %}
union all
select
    {%- for column in columns %}
    held.{{ column }}{{ "," if not loop.last }}
    {%- endfor %}
from {{ ref(held) }} as held
{%- endif %}
{{ published_rows(table_name, columns) }}
{%- endmacro %}
