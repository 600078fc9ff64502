"""A compiled file: opened, checked, called."""
