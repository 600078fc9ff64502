"""A mutation test of the compiler's own tests."""
