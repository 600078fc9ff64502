"""A file beside torch and numpy: the gate, its trials, what roundings explain, the self-test that files carry."""
