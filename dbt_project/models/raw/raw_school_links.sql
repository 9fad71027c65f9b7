{{ config(alias='school_links') }}
-- depends_on: {{ source('lake', 'delivery') }}
{{ lake_feed('school_links') }}
