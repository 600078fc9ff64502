"""A soak of `mai serve`: many clients at a time, for minutes."""
