"""One module for each block of the language: repeat, integrate, extend, train, weights, export."""
