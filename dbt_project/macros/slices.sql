{#-
  Slices: (school_key, academic_year). `int_slice_fingerprint` says what each slice is a function of; the ledger
  `intermediate.slice_ledger` says with which fingerprint each incremental model was last built. A model rebuilds the
  slices where the two differ, and drops those that are no longer there, in one transaction.
-#}

{% macro slice_ledger() %}{{ return(api.Relation.create(database=target.database, schema='intermediate', identifier='slice_ledger')) }}{% endmacro %}

{% macro create_slice_ledger() %}
    {% if execute %}
        create schema if not exists intermediate;
        create table if not exists {{ slice_ledger() }} (
            model_name varchar, school_key varchar, academic_year varchar, slice_fingerprint bigint
        );
    {% endif %}
{% endmacro %}

{#- Run after an incremental model, in its transaction. -#}
{% macro record_slices() %}
    delete from {{ slice_ledger() }} where model_name = '{{ this.identifier }}';
    insert into {{ slice_ledger() }}
    select
        '{{ this.identifier }}' as model_name,
        school_key,
        academic_year,
        slice_fingerprint
    from {{ ref('int_slice_fingerprint') }};
{% endmacro %}

{#- The slices that a model must rebuild: a list of {school_key, academic_year}. -#}
{% macro changed_slices(relation) %}
    {%- set query -%}
        select
            now.school_key,
            now.academic_year
        from {{ ref('int_slice_fingerprint') }} as now
        left join (
            select school_key, academic_year, slice_fingerprint from {{ slice_ledger() }} where model_name = '{{ relation.identifier }}'
        ) as built
            on now.school_key = built.school_key and now.academic_year = built.academic_year
        where now.slice_fingerprint is distinct from built.slice_fingerprint
        order by 1, 2
    {%- endset -%}
    {{ return(run_query(query).rows) }}
{% endmacro %}

{#- Whether a row of `alias` lies in a slice that is to be rebuilt: literals, so that the engine can skip what is closed. -#}
{% macro in_changed_slices(rows, alias='') -%}
    {%- set prefix = alias ~ '.' if alias else '' -%}
    {%- if rows | length == 0 -%}
        1 = 0
    {%- else -%}
        {{ prefix }}academic_year in ({% for y in rows | map(attribute='academic_year') | unique | sort %}'{{ y }}'{{ ', ' if not loop.last }}{% endfor %})
        and {{ prefix }}school_key in ({% for s in rows | map(attribute='school_key') | unique | sort %}'{{ s }}'{{ ', ' if not loop.last }}{% endfor %})
        and concat({{ prefix }}academic_year, '|', {{ prefix }}school_key) in (
            {%- for row in rows %}'{{ row['academic_year'] }}|{{ row['school_key'] }}'{{ ', ' if not loop.last }}{% endfor -%}
        )
    {%- endif -%}
{%- endmacro %}

{#- A filter for the body of an incremental model: every slice on a full build, else the changed ones. -#}
{% macro slices_to_build(alias='') -%}
    {%- if execute and is_incremental() -%}
        {{ in_changed_slices(changed_slices(this), alias) }}
    {%- else -%}
        1 = 1
    {%- endif -%}
{%- endmacro %}

{#- dbt's hook for `incremental_strategy: replace_slices`. -#}
{% macro get_incremental_replace_slices_sql(arg_dict) %}
    {%- set target_relation = arg_dict['target_relation'] -%}
    {%- set columns = arg_dict['dest_columns'] | map(attribute='quoted') | join(', ') -%}
    delete from {{ target_relation }}
    where slice_fingerprint not in (select slice_fingerprint from {{ ref('int_slice_fingerprint') }});
    insert into {{ target_relation }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }};
{% endmacro %}

{#-
  Paths of the mark files in force for the slices that a reader of marks is about to rebuild. The readers' ledgers may differ
  after a crash, so the slices are those that any of them lacks. In order of school, so that a school's marks lie together
  and whoever asks for one school skips the rest.
-#}
{% macro mark_paths(column) %}
    {%- set paths = [] -%}
    {%- if execute -%}
        {%- set wanted = [] -%}
        {%- set whole = [] -%}
        {%- for reader in ['int_session_owner', 'int_session_mark', 'int_session_superseded', 'int_session_unplaced'] -%}
            {%- set relation = adapter.get_relation(target.database, 'intermediate', reader) -%}
            {%- if relation is none or flags.FULL_REFRESH -%}
                {%- do whole.append(reader) -%}
            {%- else -%}
                {%- do wanted.append('(' ~ in_changed_slices(changed_slices(relation), 'day') ~ ')') -%}
            {%- endif -%}
        {%- endfor -%}
        {%- set query -%}
            select delivery.{{ column }} as path
            from {{ ref('int_school_day') }} as day
            inner join {{ source('lake', 'delivery') }} as delivery on day.delivery_id = delivery.delivery_id
            where delivery.{{ column }} is not null
                and {{ 'delivery.rows_quarantined > 0' if column == 'quarantine_path' else 'delivery.rows_accepted > 0' }}
                and {{ '1 = 1' if whole else '(' ~ wanted | join(' or ') ~ ')' }}
            group by delivery.{{ column }}
            order by min(delivery.laestab), 1
        {%- endset -%}
        {%- set paths = run_query(query).columns[0].values() -%}
    {%- endif -%}
    {{ return(paths) }}
{% endmacro %}

{#- The group columns of a pupil and year as text, for a hash. -#}
{% macro group_columns_text(alias) -%}
    {%- for group in var('registry')['groups'] %}, '|', coalesce(cast({{ alias }}.group_{{ group['dimension'] }} as varchar), ''){% endfor -%}
{%- endmacro %}
