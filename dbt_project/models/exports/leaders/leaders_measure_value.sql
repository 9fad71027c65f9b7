{{ config(alias='measure_value') }}
{{ exported('measure_value', 'leaders', [
    'academic_year', 'period', 'level', 'unit_code', 'measure_id', 'definition_version', 'group_definition',
    'group_dimension', 'group_value', 'phase', 'n', 'numerator', 'denominator', 'value', 'ci_low', 'ci_high',
    'interval_method', 'coverage', 'status'
]) }}
