"""Weights from the files of other programs: rules, files, and proposals of rules."""
