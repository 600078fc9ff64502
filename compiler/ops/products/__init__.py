"""Sums of products, and operations made of them: matrices, convolutions, attention."""
