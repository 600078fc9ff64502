"""Colours by letters alone, for editors, pages and terminals that do not ask the server: one table of rules, written in the form that each reads."""
