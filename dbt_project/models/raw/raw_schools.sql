{{ config(alias='schools') }}
-- depends_on: {{ source('lake', 'delivery') }}
{{ lake_feed('schools') }}
