"""The optimizers, one a file, found by `training.settings.OPTIMIZERS`."""
