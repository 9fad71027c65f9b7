{{ config(alias='pupils') }}
-- depends_on: {{ source('lake', 'delivery') }}
{{ lake_feed('pupils') }}
