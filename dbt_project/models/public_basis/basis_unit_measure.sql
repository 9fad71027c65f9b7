{{ config(alias='unit_measure') }}
{{ unit_measures(ref('basis_measure_sum'), ref('basis_measure_pupil_overlap'), source('ledger', 'basis_group'), of_school=true) }}
