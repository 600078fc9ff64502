"""Columns of tables: what is counted of their values, and what these may be besides what they look like."""
