"""Discrete Fourier transforms: operations on complex numbers and on real ones, and the functions of the language that are made of them."""
