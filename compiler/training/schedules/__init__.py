"""The schedules of the learning rate, one a file, found by `training.settings.SCHEDULES`."""
