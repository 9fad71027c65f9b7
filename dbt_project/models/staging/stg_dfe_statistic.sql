-- Of each publication and year the newest file up to the as-of day, whole: an older edition's other rows are no longer published.
with edition as (
    select
        delivery_id,
        publication,
        file_name,
        extracted_at,
        extracted_at_basis,
        row_number() over (partition by publication, academic_year order by extracted_at desc, delivery_id desc) as recency
    from {{ ref('stg_delivery') }}
    where feed = 'dfe_statistics' and not is_held and cast(extracted_at as date) <= {{ as_of() }}
)

select
    figure.delivery_id,
    figure.line,
    edition.publication,
    edition.file_name as source_file,
    cast(edition.extracted_at as date) as publication_date,
    edition.extracted_at_basis as publication_date_basis,
    edition.extracted_at,
    figure.time_period,
    figure.time_identifier,
    figure.geographic_level,
    figure.location_code,
    figure.location_name,
    figure.old_la_code as la_code,
    figure.filters,
    figure.indicator,
    figure.value,
    figure.status
from {{ ref('raw_dfe_statistics') }} as figure
inner join edition on figure.delivery_id = edition.delivery_id
where edition.recency = 1
