"""Compiled files on tables: their rows as inputs, results as columns beside them, a block of rows at a time."""
