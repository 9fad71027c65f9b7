{{ config(tags=['step_1']) }}
-- Every accepted row is current, superseded or held: each is counted by itself, and a test adds them up.
with part as (
    select
        day.delivery_id,
        {{ sum_if('in_force.delivery_id is not null', 'day.n_rows') }} as n_current,
        {{ sum_if('in_force.delivery_id is null', 'day.n_rows') }} as n_superseded
    from {{ source('lake', 'delivery_day') }} as day
    inner join {{ ref('stg_delivery') }} as delivery on day.delivery_id = delivery.delivery_id
    left join {{ source('lake', 'session_window') }} as in_force
        on day.delivery_id = in_force.delivery_id
            and day.session_date = in_force.session_date
            and delivery.laestab = in_force.laestab
    where not delivery.is_held
    group by day.delivery_id
    union all
    select
        delivery_id,
        -sum(n_rows) as n_current,
        sum(n_rows) as n_superseded
    from {{ ref('int_session_superseded') }}
    group by delivery_id
    union all
    select
        ranked.delivery_id,
        {{ sum_if('ranked.recency = 1', 'ranked.n_rows') }} as n_current,
        {{ sum_if('ranked.recency > 1', 'ranked.n_rows') }} as n_superseded
    from (
        select
            list.delivery_id,
            count(*) as n_rows,
            row_number() over (
                partition by list.laestab, list.as_at_date
                order by max(delivery.extracted_at) desc, list.delivery_id desc
            ) as recency
        from {{ ref('raw_pupils') }} as list
        inner join {{ ref('stg_delivery') }} as delivery on list.delivery_id = delivery.delivery_id
        where not delivery.is_held
        group by list.delivery_id, list.laestab, list.as_at_date
    ) as ranked
    group by ranked.delivery_id
    union all
    select
        ranked.delivery_id,
        {{ sum_if('ranked.recency = 1', 'ranked.n_rows') }} as n_current,
        {{ sum_if('ranked.recency > 1', 'ranked.n_rows') }} as n_superseded
    from (
        select
            day.delivery_id,
            count(*) as n_rows,
            row_number() over (
                partition by day.laestab, {{ academic_year('day.session_date') }}
                order by max(delivery.extracted_at) desc, day.delivery_id desc
            ) as recency
        from {{ ref('raw_calendar') }} as day
        inner join {{ ref('stg_delivery') }} as delivery on day.delivery_id = delivery.delivery_id
        where not delivery.is_held
        group by day.delivery_id, day.laestab, {{ academic_year('day.session_date') }}
    ) as ranked
    group by ranked.delivery_id
    {%- for feed in ['schools', 'school_links'] %}
    union all
    select
        ranked.delivery_id,
        {{ sum_if('ranked.recency = 1', 'ranked.n_rows') }} as n_current,
        {{ sum_if('ranked.recency > 1', 'ranked.n_rows') }} as n_superseded
    from (
        select
            published.delivery_id,
            count(*) as n_rows,
            row_number() over (
                partition by delivery.publication, delivery.academic_year, delivery.laestab
                order by max(delivery.extracted_at) desc, published.delivery_id desc
            ) as recency
        from {{ ref('raw_' ~ feed) }} as published
        inner join {{ ref('stg_delivery') }} as delivery on published.delivery_id = delivery.delivery_id
        where not delivery.is_held
        group by published.delivery_id, delivery.publication, delivery.academic_year, delivery.laestab
    ) as ranked
    group by ranked.delivery_id
    {%- endfor %}
    union all
    select
        ranked.delivery_id,
        {{ sum_if('ranked.recency = 1', 'ranked.n_rows') }} as n_current,
        {{ sum_if('ranked.recency > 1', 'ranked.n_rows') }} as n_superseded
    from (
        select
            delivery_id,
            rows_accepted as n_rows,
            row_number() over (
                partition by publication, academic_year, cast(extracted_at as date) <= {{ as_of() }}
                order by extracted_at desc, delivery_id desc
            ) as recency
        from {{ ref('stg_delivery') }}
        where feed = 'dfe_statistics' and not is_held
    ) as ranked
    group by ranked.delivery_id
    {%- for feed, model in [
        ('attendance_totals', 'stg_attendance_total'),
        ('suspensions', 'stg_suspension'),
        ('interventions', 'stg_intervention'),
    ] %}
    union all
    select
        delivery.delivery_id,
        delivery.rows_accepted - coalesce(replaced.n_rows, 0) as n_current,
        coalesce(replaced.n_rows, 0) as n_superseded
    from {{ ref('stg_delivery') }} as delivery
    left join (
        select
            delivery_id,
            count(*) as n_rows
        from {{ ref(model) }}
        where not is_current
        group by delivery_id
    ) as replaced on delivery.delivery_id = replaced.delivery_id
    where delivery.feed = '{{ feed }}' and not delivery.is_held
    {%- endfor %}
    union all
    select
        came.delivery_id,
        came.n_rows - came.n_dated + coalesce(won.n_rows, 0) as n_current,
        came.n_dated - coalesce(won.n_rows, 0) as n_superseded
    from (
        select
            result.delivery_id,
            count(*) as n_rows,
            {{ sum_if('result.result_date <= ' ~ as_of()) }} as n_dated
        from {{ ref('raw_assessment_results') }} as result
        inner join {{ ref('stg_delivery') }} as delivery on result.delivery_id = delivery.delivery_id
        where not delivery.is_held
        group by result.delivery_id
    ) as came
    left join (
        select
            delivery_id,
            count(*) as n_rows
        from {{ ref('assessment_result') }}
        group by delivery_id
    ) as won on came.delivery_id = won.delivery_id
),

counted as (
    select
        delivery_id,
        sum(n_current) as n_current,
        sum(n_superseded) as n_superseded
    from part
    group by delivery_id
)

select
    delivery.delivery_id,
    delivery.feed,
    delivery.file_name,
    delivery.laestab,
    delivery.extracted_at,
    delivery.extracted_at_basis,
    delivery.rows_read,
    delivery.rows_accepted,
    delivery.rows_quarantined,
    cast(coalesce(counted.n_current, 0) as bigint) as rows_current,
    cast(coalesce(counted.n_superseded, 0) as bigint) as rows_superseded,
    cast(case when delivery.is_held then delivery.rows_accepted else 0 end as bigint) as rows_held,
    delivery.held_reason
from {{ ref('stg_delivery') }} as delivery
left join counted on delivery.delivery_id = counted.delivery_id
