"""The closed set of primitive operations, one file a family."""
