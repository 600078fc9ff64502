"""The gallery: every example trained, run and drawn by the command line."""
