"""Several tokens a turn: guesses of what follows, and their rows."""
