{#- Reading the lake. Parquet files are named one by one, from the catalogue, at run time. -#}

{% macro lake_columns(feed) %}
    {%- set common = {'delivery_id': 'varchar', 'line': 'integer', 'flags': 'varchar', 'extra': 'varchar'} -%}
    {%- set columns = {
        'schools': {
            'urn': 'varchar', 'laestab': 'varchar', 'la_code': 'varchar', 'la_name': 'varchar', 'region_name': 'varchar',
            'school_name': 'varchar', 'phase': 'varchar', 'establishment_type': 'varchar', 'establishment_status': 'varchar',
            'school_gender': 'varchar', 'open_date': 'date', 'close_date': 'date', 'low_age': 'integer', 'high_age': 'integer',
            'trust_code': 'varchar', 'trust_name': 'varchar'},
        'school_links': {'urn': 'varchar', 'link_urn': 'varchar', 'link_type': 'varchar', 'link_date': 'date'},
        'calendar': {'laestab': 'varchar', 'session_date': 'date', 'session': 'varchar', 'session_status': 'varchar'},
        'pupils': {
            'laestab': 'varchar', 'as_at_date': 'date', 'pupil_ref': 'bigint', 'ref_upn': 'bigint', 'ref_former_upn': 'bigint',
            'ref_mis': 'bigint', 'occurrence': 'integer', 'sex': 'varchar', 'nc_year': 'varchar', 'reg_group': 'varchar',
            'entry_date': 'date', 'leaving_date': 'date', 'enrol_status': 'varchar', 'ethnicity': 'varchar', 'language': 'varchar',
            'is_fsm': 'boolean', 'is_fsm6': 'boolean', 'is_pupil_premium': 'boolean', 'sen_provision': 'varchar',
            'is_looked_after': 'boolean', 'is_post_looked_after': 'boolean', 'idaci_decile': 'integer'},
        'session_marks': {
            'laestab': 'varchar', 'pupil_ref': 'bigint', 'session_date': 'date', 'session': 'varchar', 'code': 'varchar',
            'minutes_late': 'smallint'},
        'attendance_totals': {
            'laestab': 'varchar', 'pupil_ref': 'bigint', 'academic_year': 'varchar', 'term': 'varchar', 'possible': 'integer',
            'attended': 'integer', 'authorised': 'integer', 'unauthorised': 'integer', 'late': 'integer'},
        'suspensions': {
            'laestab': 'varchar', 'pupil_ref': 'bigint', 'kind': 'varchar', 'start_date': 'date', 'sessions': 'integer',
            'reason': 'varchar'},
        'interventions': {
            'laestab': 'varchar', 'pupil_ref': 'bigint', 'intervention': 'varchar', 'start_date': 'date', 'end_date': 'date',
            'team': 'varchar'},
        'dfe_statistics': {
            'time_period': 'varchar', 'time_identifier': 'varchar', 'geographic_level': 'varchar', 'location_code': 'varchar',
            'location_name': 'varchar', 'old_la_code': 'varchar', 'filters': 'varchar', 'cells': figure_list_type()},
        'assessment_results': {
            'laestab': 'varchar', 'pupil_ref': 'bigint', 'assessment_id': 'varchar', 'assessment_name': 'varchar',
            'subject': 'varchar', 'component': 'varchar', 'raw_result': 'varchar', 'numeric_value': 'decimal(18,9)',
            'scale_id': 'varchar', 'result_date': 'date'},
    } -%}
    {%- set all_columns = {} -%}
    {%- do all_columns.update(common) -%}
    {%- do all_columns.update(columns[feed]) -%}
    {{ return(all_columns) }}
{% endmacro %}

{#- The newest parse of every delivery of a small feed; `derived` are columns made from those of the file: name to (type, SQL). -#}
{% macro lake_feed(feed, derived={}) -%}
    {%- set paths = [] -%}
    {%- if execute -%}
        {%- set found = run_query(
            "select accepted_path from " ~ source('lake', 'delivery') ~ " where feed = '" ~ feed
            ~ "' and rows_accepted > 0 and accepted_path is not null order by accepted_path") -%}
        {%- set paths = found.columns[0].values() -%}
    {%- endif -%}
    {{ parquet_rows(paths, lake_columns(feed), derived) }}
{%- endmacro %}

{#- A typed selection from Parquet files; without files an empty relation of the same type. -#}
{% macro parquet_rows(paths, columns, derived={}) -%}
    select
    {%- for name, type in columns.items() %}
        {% if paths %}cast({{ name }} as {{ type }}){% else %}cast(null as {{ type }}){% endif %} as {{ name }}{{ "," if not loop.last or derived }}
    {%- endfor %}
    {%- for name, (type, expression) in derived.items() %}
        {% if paths %}cast({{ expression }} as {{ type }}){% else %}cast(null as {{ type }}){% endif %} as {{ name }}{{ "," if not loop.last }}
    {%- endfor %}
    {% if paths -%}
        from {{ parquet_source(paths) }}
    {%- else -%}
        from (select 1 as nothing) as no_file where 1 = 0
    {%- endif %}
{%- endmacro %}

{% macro parquet_source(paths) %}{{ return(adapter.dispatch('parquet_source')(paths)) }}{% endmacro %}
{% macro default__parquet_source(paths) -%}
    read_parquet([
    {%- for path in paths -%}
        '{{ lake_path(path) | replace("'", "''") }}'{{ ", " if not loop.last }}
    {%- endfor -%}
    ], union_by_name = false, hive_partitioning = false)
{%- endmacro %}

{#- The catalogue may hold paths relative to the lake. -#}
{% macro lake_path(path) -%}
    {{ path if path.startswith('/') or not var('lake_dir') else var('lake_dir') ~ '/' ~ path }}
{%- endmacro %}

{% macro as_of() %}cast('{{ var("as_of") }}' as date){% endmacro %}

{#- Events of pupils, each with its pupil and whether it is the newest that a file gives of `kind` and first day. -#}
{% macro newest_events(feed, kind, columns) -%}
with dated as (
    select
        event.*,
        delivery.extracted_at,
        coalesce(identity.pupil_key, event.pupil_ref) as pupil_key
    from {{ ref('raw_' ~ feed) }} as event
    inner join {{ ref('stg_delivery') }} as delivery on event.delivery_id = delivery.delivery_id
    left join {{ source('lake', 'identity') }} as identity on event.pupil_ref = identity.pupil_ref
    where event.start_date <= {{ as_of() }} and not delivery.is_held
),

ranked as (
    select
        *,
        row_number() over (
            partition by laestab, pupil_key, {{ kind }}, start_date order by extracted_at desc, delivery_id desc, line desc
        ) as recency
    from dated
)

select
    delivery_id,
    line,
    laestab,
    pupil_key,
    {{ kind }},
    start_date,
    {%- for column in columns %}
    {{ column }},
    {%- endfor %}
    recency = 1 as is_current
from ranked
{%- endmacro %}
