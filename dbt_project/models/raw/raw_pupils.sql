{{ config(alias='pupils') }}
-- depends_on: {{ source('lake', 'delivery') }}
-- Of a date of birth the warehouse knows no more than the school year it lies in.
{{ lake_feed('pupils', {'birth_cohort': ['integer', birth_cohort('dob', 'as_at_date')]}) }}
