"""Discrete Fourier transforms: one operation on complex numbers, and the functions of the language that are made of it."""
