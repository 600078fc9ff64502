"""What a file says of its inputs and of itself: sizes, gaps, labels, the manifest."""
