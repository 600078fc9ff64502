"""How the noises of a stochastic equation move its states, seen on the code of its increments."""
