{{ config(alias='calendar') }}
-- depends_on: {{ source('lake', 'delivery') }}
{{ lake_feed('calendar') }}
