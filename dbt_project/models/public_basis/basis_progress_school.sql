{{ config(alias='progress_school') }}
-- What the public tier tells of: the mart, but for what its ledger holds back.
{{ told('progress_school', [
    'academic_year', 'measure_id', 'school_key', 'urn', 'n', 'coverage', 'raw_mean', 'shrunken', 'reliability',
    'raw_ci_low', 'raw_ci_high', 'shrunken_se', 'shrunken_ci_low', 'shrunken_ci_high', 'probability_above',
    'dfe_band', 'status'
]) }}
