"""Passes on loops: `repeat` and `integrate` become plain loops, and what does not depend on a turn leaves them."""
