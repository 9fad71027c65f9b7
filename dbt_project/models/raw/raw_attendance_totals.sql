{{ config(alias='attendance_totals') }}
-- depends_on: {{ source('lake', 'delivery') }}
{{ lake_feed('attendance_totals') }}
