"""Texts as examples: corpora, texts in columns of tables, and their tokens."""
