"""Tensors that other libraries pack into few bits: the parts that they keep, and what the numbers stand for."""
