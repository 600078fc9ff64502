"""The fewest evaluations of the velocity at a quality: what `mai tune` measures, chooses and writes."""
