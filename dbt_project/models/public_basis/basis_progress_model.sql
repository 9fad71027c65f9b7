{{ config(alias='progress_model') }}
-- What the public tier tells of: the mart, but for what its ledger holds back.
{{ told('progress_model', [
    'academic_year', 'measure_id', 'method', 'n_pupils', 'n_schools', 'coefficients', 'var_school', 'var_pupil',
    'icc', 'deviance', 'status', 'status_reason'
]) }}
