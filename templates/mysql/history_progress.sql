UPDATE triggerctl_migrations SET progress = {{ progress | literal }} WHERE version = {{ version | literal }} AND state = 'started'
