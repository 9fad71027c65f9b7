{{ config(alias='unit_gap') }}
{{ gaps(ref('basis_unit_measure'), ref('basis_measure_sum')) }}
