{{ config(alias='measure') }}
{{ exported('measure', 'public', [
    'measure_id', 'definition_version', 'name', 'topic', 'kind', 'unit', 'numerator', 'denominator',
    'boundary', 'population', 'minimum_n', 'minimum_n_leaders', 'direction', 'source', 'valid_years'
]) }}
