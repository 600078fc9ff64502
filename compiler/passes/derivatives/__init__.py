"""Passes that take derivatives: `grad`, `jvp` and `div` become the code that computes them."""
