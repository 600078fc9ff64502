"""The files that two checkouts compile of the same specs, compared to the byte."""
