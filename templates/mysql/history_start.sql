UPDATE triggerctl_migrations SET journal = {{ journal | literal }} WHERE version = {{ version | literal }} AND state = 'started'
