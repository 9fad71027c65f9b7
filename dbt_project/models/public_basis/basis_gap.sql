{{ config(alias='gap') }}
-- What the public tier tells of: the mart, but for what its ledger holds back.
{{ told('gap', [
    'academic_year', 'period', 'level', 'unit_code', 'measure_id', 'definition_version', 'group_definition',
    'group_dimension', 'group_value', 'comparator', 'n_group', 'n_comparator', 'value_group', 'value_comparator',
    'gap', 'ci_low', 'ci_high', 'interval_method', 'effect_size', 'within_school', 'between_school', 'undecomposed',
    'placebo_share', 'coverage', 'status'
], held='basis_unit_gap') }}
