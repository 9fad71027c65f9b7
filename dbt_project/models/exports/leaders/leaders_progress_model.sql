{{ config(alias='progress_model') }}
{{ exported('progress_model', 'leaders', [
    'academic_year', 'measure_id', 'method', 'n_pupils', 'n_schools', 'coefficients', 'var_school',
    'var_pupil', 'icc', 'deviance', 'status', 'status_reason'
]) }}
