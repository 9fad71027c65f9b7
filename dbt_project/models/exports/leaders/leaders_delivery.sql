{{ config(alias='delivery') }}
{{ exported('delivery', 'leaders', [
    'delivery_id', 'feed', 'file_name', 'laestab', 'extracted_at', 'extracted_at_basis', 'rows_read',
    'rows_accepted', 'rows_quarantined', 'rows_current', 'rows_superseded', 'rows_held', 'held_reason'
]) }}
