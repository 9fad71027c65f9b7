{{ config(alias='suspensions') }}
-- depends_on: {{ source('lake', 'delivery') }}
{{ lake_feed('suspensions') }}
