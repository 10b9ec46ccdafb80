UPDATE triggerctl_migrations SET journal = {{ journal | literal }}, progress = 0 WHERE version = {{ version | literal }} AND state = 'started'
