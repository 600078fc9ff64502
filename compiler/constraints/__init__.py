"""Texts that must match a regular expression or a JSON schema: patterns, automata of bytes, and tables of tokens."""
