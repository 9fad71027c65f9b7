{{ config(alias='data_quality_issue') }}
{{ exported('data_quality_issue', 'leaders', [
    'issue_id', 'rule_id', 'feed', 'school_key', 'severity', 'sentence', 'status', 'first_seen', 'last_seen',
    'n_rows', 'effect_pp'
]) }}
