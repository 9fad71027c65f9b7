{{ config(alias='session_marks', materialized='view') }}
-- depends_on: {{ ref('int_school_day') }} {{ ref('int_slice_fingerprint') }} {{ source('lake', 'delivery') }}
{{ parquet_rows(mark_paths('accepted_path'), lake_columns('session_marks')) }}
