"""Damaged input by the million: what mai says of broken specs and broken files."""
