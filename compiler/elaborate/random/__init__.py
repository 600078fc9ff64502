"""Draws, their distributions and their shapes."""
