"""`import mai`: specs, runs and compiled files as Python objects, for notebooks and programs."""
