{{ config(alias='measure_value') }}
-- What the public tier tells of: the mart, but for what its ledger holds back.
{{ told('measure_value', [
    'academic_year', 'period', 'level', 'unit_code', 'measure_id', 'definition_version', 'group_definition',
    'group_dimension', 'group_value', 'phase', 'n', 'numerator', 'denominator', 'value', 'ci_low', 'ci_high',
    'interval_method', 'coverage', 'status'
], held='basis_unit_value') }}
