{{ config(alias='unit_coverage') }}
{{ unit_coverage_told('leaders') }}
