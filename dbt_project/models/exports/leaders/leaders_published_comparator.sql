{{ config(alias='published_comparator') }}
{{ exported('published_comparator', 'leaders', [
    'academic_year', 'period', 'level', 'unit_code', 'measure_id', 'comparator', 'phase', 'comparator_name', 'places',
    'places_with_figure', 'value', 'publication_date', 'edition', 'status'
]) }}
