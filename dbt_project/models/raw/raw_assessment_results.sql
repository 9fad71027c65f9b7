{{ config(alias='assessment_results') }}
-- depends_on: {{ source('lake', 'delivery') }}
{{ lake_feed('assessment_results') }}
