"""The figures that a run tells: how often, where to, and read from the device when somebody looks."""
