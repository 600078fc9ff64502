"""Which rows are trained on, which are held out, and which are for tests."""
