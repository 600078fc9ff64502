"""Files that a path names, those that are not tables (arrays, pictures), and what other libraries say of theirs."""
