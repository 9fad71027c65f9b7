{{ config(alias='la_comparator') }}
{{ exported('la_comparator', 'leaders', [
    'academic_year', 'period', 'la_code', 'measure_id', 'comparator', 'phase', 'comparator_name', 'places',
    'places_with_figure', 'value', 'publication_date', 'edition', 'status'
]) }}
