"""Passes on branches: several calls of one net become one call on a larger batch."""
