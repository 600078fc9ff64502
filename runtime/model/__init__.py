"""Compiled files: opening, checking and calling them."""
