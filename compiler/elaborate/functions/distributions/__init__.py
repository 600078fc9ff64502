"""Distributions as functions: how they are written, what they may be, and what is asked of them."""
