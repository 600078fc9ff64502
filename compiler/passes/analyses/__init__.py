"""What can be said of a graph before it is run: values, sizes, ranges and counts that are known."""
