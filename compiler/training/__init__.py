"""Training a program: data, the loop, checkpoints, what is shown and kept."""
