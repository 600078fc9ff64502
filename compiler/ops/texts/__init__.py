"""Rows of tokens: which of them were appended, and how often each occurs."""
