select
    df,
    quantile,
    lead(df) over (order by df) as next_df,
    lead(quantile) over (order by df) as next_quantile
from {{ ref('student_t') }}
