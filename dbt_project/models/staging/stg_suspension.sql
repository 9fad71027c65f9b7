-- Of one pupil, kind and first day the newest file holds.
{{ newest_events('suspensions', 'kind', ['sessions', 'reason']) }}
