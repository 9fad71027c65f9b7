{{ config(alias='dfe_statistics') }}
-- depends_on: {{ source('lake', 'delivery') }}
with published as (
    {{ lake_feed('dfe_statistics') }}
),

unfolded as (
    select
        delivery_id,
        line,
        flags,
        time_period,
        time_identifier,
        geographic_level,
        location_code,
        location_name,
        old_la_code,
        filters,
        {{ each_figure('cells') }} as figure
    from published
)

select
    unfolded.delivery_id,
    unfolded.line,
    unfolded.flags,
    unfolded.time_period,
    unfolded.time_identifier,
    unfolded.geographic_level,
    unfolded.location_code,
    unfolded.location_name,
    unfolded.old_la_code,
    unfolded.filters,
    unfolded.figure.indicator,
    unfolded.figure.value,
    unfolded.figure.status
from unfolded
