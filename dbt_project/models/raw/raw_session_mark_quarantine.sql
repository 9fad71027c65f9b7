{{ config(alias='session_mark_quarantine', materialized='view') }}
-- depends_on: {{ ref('int_school_day') }} {{ ref('int_slice_fingerprint') }} {{ source('lake', 'delivery') }}
{{ parquet_rows(
    mark_paths('quarantine_path'),
    {'delivery_id': 'varchar', 'line': 'integer', 'rule_ids': 'varchar', 'laestab': 'varchar', 'pupil_ref': 'bigint',
     'session_date': 'date', 'session': 'varchar'}
) }}
