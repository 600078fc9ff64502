"""Where a condition of the text becomes true on the way, and the steps that end there."""
