"""The self-test that travels in a file: inputs drawn by a rule, what the file gave for them, and the comparison anew."""
