{{ config(alias='interventions') }}
-- depends_on: {{ source('lake', 'delivery') }}
{{ lake_feed('interventions') }}
