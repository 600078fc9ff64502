"""Loops at run time, and recurrences by blocks of turns, each with its way back."""
