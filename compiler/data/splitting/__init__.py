"""Which rows are trained on, which are held out, which are for tests, and which a step has of them."""
