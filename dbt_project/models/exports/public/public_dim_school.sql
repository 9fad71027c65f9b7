{{ config(alias='dim_school') }}
{{ exported('dim_school', 'public', [
    'school_key', 'urn', 'laestab', 'school_name', 'phase', 'la_code', 'la_name', 'region_name',
    'trust_code', 'trust_name', 'establishment_type', 'school_gender', 'open_date', 'close_date', 'is_open'
]) }}
