"""Rows of tokens: which of them were appended, how often each occurs, and which may come next."""
