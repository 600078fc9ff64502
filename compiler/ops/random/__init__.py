"""Random numbers: the generator, draws, the choice of a label."""
