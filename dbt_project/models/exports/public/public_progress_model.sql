{{ config(alias='progress_model') }}
{{ exported('progress_model', 'public', [
    'academic_year', 'measure_id', 'method', 'n_pupils', 'n_schools', 'coefficients', 'var_school',
    'var_pupil', 'icc', 'deviance', 'status', 'status_reason'
]) }}
