{{ config(alias='coverage') }}
{{ exported('coverage', 'leaders', [
    'academic_year', 'period', 'feed', 'school_key', 'expected', 'received', 'share', 'status'
]) }}
