-- Of one pupil, intervention and first day the newest file holds.
{{ newest_events('interventions', 'intervention', ['end_date', 'team']) }}
