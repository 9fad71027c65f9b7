{{ config(alias='unit_coverage') }}
{{ exported('unit_coverage', 'leaders', ['academic_year', 'period', 'level', 'unit_code', 'schools', 'schools_received']) }}
