"""Expressions: numbers stay numbers, sizes stay sizes, tensors become nodes; names, types and calls."""
