"""Files that a path names, and those that are not tables: arrays, pictures."""
