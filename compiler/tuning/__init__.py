"""`mai tune`: measures ways to compute a sampler, chooses the one with the fewest evaluations at a quality, and writes it."""
