"""Files of tables: what they are, their columns, and their rows as arrays, in memory or in a file beside it."""
