{{ config(alias='unit_value') }}
{{ measure_values(ref('basis_unit_measure')) }}
