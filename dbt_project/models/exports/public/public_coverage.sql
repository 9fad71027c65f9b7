{{ config(alias='coverage') }}
{{ exported('coverage', 'public', [
    'academic_year', 'period', 'feed', 'school_key', 'expected', 'received', 'share', 'status'
]) }}
