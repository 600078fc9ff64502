"""A file beside torch turn by turn: from the same states, on the same steps."""
