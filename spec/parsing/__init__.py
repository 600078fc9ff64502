"""Text becomes a syntax tree: the grammar's tables, and what runs them."""
