"""Sampling against PyTorch and torchdiffeq: on a CPU, on a GPU, in few bits, with the fewest evaluations."""
