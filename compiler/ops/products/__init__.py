"""Sums of products, and what is made of them: matrices, convolutions, attention."""
